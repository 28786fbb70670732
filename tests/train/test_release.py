"""What a release writes names the shipped file; the way there is tested through ``facetell train``, too."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from tiny_training import tiny_config

from facetell.batch.rows import ScoringSettings
from facetell.batch.score import score_manifest
from facetell.datasets.manifest import Entry, Manifest
from facetell.engine import load_engine
from facetell.evaluate import corruptions
from facetell.evaluate.page import to_html
from facetell.evaluate.protocols import read_protocol
from facetell.evaluate.scores import read_scores
from facetell.evaluate.tables import evaluate
from facetell.files import file_sha256
from facetell.train import release
from facetell.train.checkpoint import save
from facetell.train.corpus import load_recordings
from facetell.train.reading import plain
from facetell.train.start import build_network
from facetell.train.validate import score_recordings
from fixtures import FAST, sample_frames, write_frames


@pytest.fixture
def checkpoint(data, tmp_path):
    """A tiny network that was never trained."""
    config = tiny_config(data)
    torch.manual_seed(1)
    network = build_network(config, pretrained=False)
    torch.nn.init.normal_(network.classifier.weight, std=0.2)
    path = tmp_path / "best.pt"
    save({"config": plain(config), "step": 0, "average": network.state_dict()}, path)
    return path


@pytest.fixture
def videos(tmp_path):
    """A real and a forged video of ``val``, and a real whose face is about 40 pixels wide."""
    frames = sample_frames("sample_man", 30)
    small = [cv2.resize(frame, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA) for frame in frames]
    small = [np.ascontiguousarray(frame[:118, :210]) for frame in small]
    entries = []
    for name, images, label in (("real", frames, 0), ("fake", frames[::-1], 1), ("small", small, 0)):
        write_frames(tmp_path / f"{name}.mp4", images)
        entries.append(Entry(f"{name}.mp4", label, "val", identity=name, method="G" if label else ""))
    return Manifest(tmp_path, tuple(entries))


def test_everything_beside_a_release_is_of_the_shipped_file(checkpoint, videos, data, tmp_path, monkeypatch):
    # Two widths, and neither is the default: what is chosen always differs from the width that the export begins with.
    monkeypatch.setattr(corruptions, "WIDTHS", (48, 32))
    limits = {f"width{width}": corruptions.LIMITS[f"width{width}"] for width in (48, 32)}
    monkeypatch.setattr(corruptions, "LIMITS", limits)
    monkeypatch.setattr(corruptions, "SHORTCUTS", {})
    model = tmp_path / "out" / "tiny.onnx"
    recordings = load_recordings(data, "val", 1)
    made = release.release(checkpoint, model, recordings, videos=videos, kinds=(), say=lambda line: None)
    assert {row["treatment"] for row in made["limits"]} == {
        "",
        "width48",
        "width32",
        "seconds1",
        "seconds2",
        "seconds3",
    }

    shipped = {"name": "tiny", "sha256": file_sha256(model)}
    info = load_engine(model).info
    figures = json.loads(model.with_suffix(".json").read_text())
    assert figures["model"] == shipped and figures["min_face_width"] == info.min_face_width in (48, 32)
    assert figures["calibration"]["temperature"] == info.calibration.temperature

    # The published scores of val are those that anyone gets of the shipped file, to the last bit.
    published = read_scores(model.with_suffix(".val.parquet"))
    again = score_manifest(videos, model, ScoringSettings(splits=("val",), detection=release.F32))
    assert published.about == again.about and published.about["model"] == shipped
    assert published.about["min_face_width"] == info.min_face_width
    for name, column in again.columns.items():
        np.testing.assert_array_equal(published[name], column)
    status = dict(zip(published["video"], published["status"], strict=True))
    assert status["small.mp4"] == ("scored" if info.min_face_width == 32 else "face_too_small")

    found = evaluate([("", model.with_suffix(".val.parquet"))], read_protocol("generators"), split="val", draws=5)
    assert "Limits, from the model card" in to_html(found)
    renamed = model.rename(model.with_name("other.onnx"))
    assert renamed.exists() and "Limits, from the model card" not in to_html(found)


def test_prepared_clips_with_faces_that_detection_refuses_are_not_scored(data, tmp_path):
    recordings = load_recordings(data, "val", 1)
    engine = load_engine(FAST)
    widths = [recording.face_width for recording in recordings]
    # Of a clip that was scaled down to a third, the width in the video counts, as in `facetell score`.
    first = recordings[0]
    np.savez(tmp_path / "clip.npz", square=np.array([5.0, 5.0, 5.0 + 3 * first.shape[2], 9.0]))
    in_clip = np.median([pose.width for pose in first.poses(slice(0, len(first)))])
    assert replace(first, file=tmp_path / "clip.mp4").face_width == pytest.approx(3 * in_clip)
    between = float(np.mean([min(widths), max(widths)]))
    batch = replace(tiny_config(data).batch, clip_frames=engine.info.clip_frames, size=engine.info.size)
    rows = list(score_recordings(release._score(engine), recordings, batch, between))
    status = {row["video"]: row.get("status", "scored") for row in rows}
    for recording, width in zip(recordings, widths, strict=True):
        assert status[recording.entry.video] == ("scored" if width >= between else "face_too_small")
    assert {*status.values()} == {"scored", "face_too_small"}

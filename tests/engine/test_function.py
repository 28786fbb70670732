"""A Python function as a model."""

import importlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from facetell.detector import Detector
from facetell.engine import load_engine
from facetell.types import FacetellError, Status

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_detector.py"
SOURCE = """
seen = []
def predict(frames, fps, face_boxes):
    seen.append((frames, fps, face_boxes))
    return 2.5
predict.model = {"clip_frames": 4, "frame_rate": 30.0, "size": 96, "crop_scale": 2.0}
def wrong(frames, fps, face_boxes): return 0.0
wrong.model = {"%s": %s}
def fails(frames, fps, face_boxes): raise ValueError("my fault")
def undefined(frames, fps, face_boxes): return float("nan")
number = 3
def layered(frames, fps, face_boxes): return 0.0
layered.model = object()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    def write(key="size", value="0"):
        name = f"module_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(SOURCE % (key, value))
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


def test_a_function_scores_the_clips_of_a_video(module, man):
    name = module()
    verdict = Detector(f"{name}:predict")(man)
    assert verdict.status is Status.SCORED
    assert all(clip.logit == 2.5 for track in verdict.tracks for clip in track.clips)
    frames, fps, boxes = importlib.import_module(name).seen[0]
    assert frames.dtype == np.uint8 and frames.shape == (4, 96, 96, 3)
    assert fps == 30
    np.testing.assert_array_equal(boxes, [[24, 24, 72, 72]] * 4)  # a crop of two face lengths


@pytest.mark.parametrize(
    ("function", "key", "value", "reason"),
    [
        ("nothing", "size", "0", "has no attribute 'nothing'"),
        ("wrong", "size", "0", "'size' is 0: input should be greater than"),
        ("wrong", "sizes", "8", "unknown key 'sizes'"),
        ("number", "size", "8", "is not a function"),
        ("layered", "size", "8", "`model` not a dictionary"),
    ],
)
def test_what_cannot_be_used_is_one_message(module, function, key, value, reason):
    with pytest.raises(FacetellError, match=reason):
        load_engine(f"{module(key, value)}:{function}")


@pytest.mark.parametrize(
    ("function", "reason"), [("fails", r"fails failed \(ValueError: my fault\)"), ("undefined", "gives nan for a clip")]
)
def test_its_own_faults_are_not_those_of_the_video(module, man, function, reason):
    verdict = Detector(f"{module('size', '96')}:{function}")(man)
    assert verdict.status is Status.UNREADABLE and re.search(reason, verdict.message)
    assert "damaged" not in verdict.message


def test_a_missing_module_is_one_message():
    with pytest.raises(FacetellError, match="No module named 'no_such_module'"):
        load_engine("no_such_module:predict")


def test_the_example_takes_a_clip():
    spec = importlib.util.spec_from_file_location("own_detector", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    frames = np.random.default_rng(0).integers(0, 256, (4, 160, 160, 3), np.uint8)
    assert abs(example.predict(frames, 25.0, np.array([[36, 36, 124, 124]] * 4, np.float32))) < 0.1

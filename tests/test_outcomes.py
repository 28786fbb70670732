"""Results of the released model, with all defaults, on genuine faces: as they are, rotated, pixelated and frozen."""

import math

import pytest

from facetell.detector import Detector
from facetell.types import Status, Verdict
from fixtures import mosaic, rotated_by, sample_frames, write_frames


@pytest.fixture(scope="module")
def released():
    return Detector()


@pytest.fixture(scope="module")
def upright(released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("upright")
    return {
        name: released(write_frames(folder / f"{name}.mp4", sample_frames(name, 72), fps=fps))
        for name, fps in (("sample_woman", 24), ("sample_man", 30))
    }


def test_upright_faces_are_genuine(upright):
    for verdict in upright.values():
        assert (verdict.status, verdict.verdict, len(verdict.tracks)) == (Status.SCORED, Verdict.GENUINE, 1)


@pytest.mark.parametrize(("name", "degrees"), [("woman", 45), ("woman", -60), ("woman", 180), ("man", -90)])
def test_a_rotated_face_has_the_result_of_the_upright_one(released, upright, tmp_path, name, degrees):
    name = f"sample_{name}"
    fps = upright[name].fps
    verdict = released(write_frames(tmp_path / "a.mp4", rotated_by(sample_frames(name, 72), degrees)[0], fps=fps))
    assert verdict.status is Status.SCORED and verdict.verdict is Verdict.GENUINE
    assert verdict.probability == pytest.approx(upright[name].probability, abs=0.1)
    crop, same = verdict.tracks[0].clips[0].crop, upright[name].tracks[0].clips[0].crop
    assert abs(math.remainder(crop.roll - same.roll - math.radians(degrees), 2 * math.pi)) < math.radians(4)


@pytest.mark.parametrize(
    ("name", "change", "status", "reason"),
    [
        ("sample_woman", lambda frames: [mosaic(image, 16) for image in frames], Status.FACE_OBSCURED, "pixelated"),
        ("sample_man", lambda frames: [mosaic(image, 10) for image in frames], Status.FACE_OBSCURED, "pixelated"),
        ("sample_woman", lambda frames: [frames[0]] * 75, Status.NO_MOTION, "does not move"),
    ],
    ids=["mosaic-woman", "mosaic-man", "photo"],
)
def test_a_pixelated_or_frozen_face_is_not_scored(released, tmp_path, name, change, status, reason):
    verdict = released(write_frames(tmp_path / "a.mp4", change(sample_frames(name, 72)), fps=25))
    assert (verdict.status, verdict.verdict, verdict.probability) == (status, Verdict.NONE, None)
    assert reason in verdict.message

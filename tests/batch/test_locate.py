"""Where clips begin and end, and which faces they are of."""

import math
from itertools import pairwise

import numpy as np
import pytest

from facetell.batch.locate import LARGEST, LEAST_FRAMES, MARGIN, Agreement, FaceFinder, PrepareSettings
from facetell.faces.crop import face_pose
from fixtures import ODD, variable_times
from prepare_videos import man, noise, woman, write_frames


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture
def locate(finder, tmp_path):
    """The clips of a video, with their landmarks and times."""

    def find(path, settings=None, **span):
        located = finder.locate(path, settings or PrepareSettings(), tmp_path, **span)
        return [(stretch, dict(np.load(stretch.points))) for stretch in located.stretches]

    return find


def held(stretch, landmarks):
    """Whether the square holds a square of 1.7 face lengths around the face in every frame, and is no larger.

    Of a face with much roll, it holds a rotated crop of 1.4 face lengths.
    """
    poses = [face_pose(points) for points in landmarks]
    center = np.array([(pose.x, pose.y) for pose in poses])
    extent = np.array([[abs(math.cos(pose.roll)) + abs(math.sin(pose.roll))] for pose in poses])
    length = np.array([[pose.length] for pose in poses]) * np.maximum(1, 1.4 / MARGIN * extent)
    needs_low, needs_high = center - MARGIN / 2 * length, center + MARGIN / 2 * length
    side = stretch.square.width
    return (
        (needs_low >= np.array(stretch.square[:2]) - 1).all()
        and (needs_high <= np.array(stretch.square[2:]) + 1).all()
        and side == stretch.square.height <= LARGEST * length.min() + 2
        and side <= (needs_high.max(axis=0) - needs_low.min(axis=0)).max() + 3
    )


def test_one_square_holds_a_talking_face(locate, woman):
    clips = locate(woman)
    assert sum(stretch.frames for stretch, _ in clips) > 400
    for stretch, points in clips:
        assert held(stretch, points["landmarks"])
        assert len(points["times"]) == len(points["landmarks"]) == stretch.frames
        assert points["times"][-1] - points["times"][0] <= 10
        assert stretch.size == 320 and stretch.size < stretch.square.width
    # Nothing is left out but where the face cannot be seen: a clip begins where the one before ended.
    assert sum(after.first - before.last > 1 for (before, _), (after, _) in pairwise(clips)) <= 3


def test_a_face_that_wanders_off_begins_a_new_clip(locate, tmp_path):
    still = np.repeat(man(1), 60, axis=0)
    wide = [np.pad(image, ((0, 0), (6 * i, 360 - 6 * i), (0, 0)), mode="edge") for i, image in enumerate(still)]
    clips = locate(write_frames(tmp_path / "wide.mp4", wide))
    assert len(clips) >= 2 and all(held(*(s, p["landmarks"])) for s, p in clips)
    assert [s.first for s, _ in clips[1:]] == [s.last + 1 for s, _ in clips[:-1]]


def test_a_clip_ends_at_a_cut_and_at_the_given_length(locate, tmp_path):
    path = write_frames(tmp_path / "cut.mp4", np.concatenate([man(15), woman(25)]))
    clips = [stretch for stretch, _ in locate(path, PrepareSettings(seconds=0.5))]
    assert [(s.first, s.last) for s in clips] == [(0, 14), (15, 29), (30, 39)]
    assert clips[0].track != clips[1].track == clips[2].track


def test_what_is_too_short_or_too_small_is_left_out(locate, finder, tmp_path):
    brief = write_frames(tmp_path / "brief.mp4", man(LEAST_FRAMES - 1))
    assert locate(brief) == []
    assert finder.locate(brief, PrepareSettings(), tmp_path).reason == "faces are visible too briefly or too small"
    nobody = write_frames(tmp_path / "nobody.mp4", noise())
    assert finder.locate(nobody, PrepareSettings(), tmp_path).reason == "no face was found"


def test_main_is_the_larger_of_two_faces_and_all_are_both(locate, tmp_path):
    path = write_frames(tmp_path / "two.mp4", np.concatenate([man(12), woman(12)], axis=2))
    (main,) = [stretch for stretch, _ in locate(path)]
    both = [stretch for stretch, _ in locate(path, PrepareSettings(faces="all"))]
    assert len(both) == 2 and main.square in [s.square for s in both]
    assert main.length == max(s.length for s in both) and main.square.x0 > 300  # the woman, on the right
    assert len({s.track for s in both}) == 2 and all(s.frames == 12 for s in both)


def test_small_faces_are_not_enlarged(locate, tmp_path):
    small = man(10)[:, ::2, ::2]
    ((stretch, _),) = locate(write_frames(tmp_path / "small.mp4", small))
    assert stretch.size == stretch.square.width < 320 and stretch.size % 2 == 0


def test_times_are_those_of_the_video(locate, tmp_path):
    clips = locate(ODD["variable_rate"](tmp_path))
    found = np.concatenate([points["times"] for _, points in clips])
    expected = np.array(variable_times()) - variable_times()[0]
    assert found == pytest.approx(expected[np.isin(np.round(expected, 3), np.round(found, 3))], abs=1e-3)
    assert len(found) >= LEAST_FRAMES


def test_landmarks_of_a_face_elsewhere_do_not_agree(locate, finder, tmp_path):
    frames = man(10)
    ((_, points),) = locate(write_frames(tmp_path / "man.mp4", frames))
    for shift, holds in ((0, True), (40, False)):
        agreement = Agreement(finder.mesh)
        for image, landmarks in zip(frames, points["landmarks"], strict=True):
            agreement.look(np.roll(image, shift, axis=0), landmarks)
        assert agreement.holds is holds

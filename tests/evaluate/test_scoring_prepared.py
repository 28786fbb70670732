"""Clips that were cut before are scored on the clips of their video."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from facetell.datasets.manifest import Entry
from facetell.evaluate.scoring_prepared import score_clip
from facetell.faces.crop import clip_crop, crop_frame, face_pose
from facetell.faces.tracker import FaceTracker
from facetell.types import Box, Crop, Frame, Status

ENTRY = Entry("clip.mp4", 0, "val", origin="man.mp4", track=4)


@dataclass(frozen=True)
class Cut:
    frames: np.ndarray
    landmarks: np.ndarray
    times: np.ndarray
    square: Box


@pytest.fixture(scope="module")
def cut(man, frames, face_networks):
    """The man's face in every frame, cut by one square, two pixels for one of the video's."""
    pictures = frames(man)
    tracker = FaceTracker(*face_networks)
    meshes = [tracker.update(Frame(p.index, p.time, p.image))[0].landmarks for p in pictures]
    square = clip_crop([face_pose(mesh) for mesh in meshes], 2.2).square
    side = 2 * round(square.width)
    corner, scale = np.array(square[:2]), side / square.width
    return Cut(
        np.stack([crop_frame(p.image, Crop.of_square(square), side) for p in pictures]),
        np.stack([(mesh - corner) * scale for mesh in meshes]).astype(np.float32),
        np.array([p.time for p in pictures]),
        square,
    )


def test_the_clips_are_those_of_the_video(cut, man, detector):
    (track,) = score_clip(cut, ENTRY, detector)
    (of_video,) = detector(man).tracks
    assert track.track_id == ENTRY.track
    assert [(c.t0, c.t1) for c in track.clips] == [(c.t0, c.t1) for c in of_video.clips]
    scale = cut.frames.shape[1] / cut.square.width
    for mine, whole in zip(track.clips, of_video.clips, strict=True):
        # Squares of the cut, brought back to the video: apart by what tracking every frame places otherwise.
        back = np.array(mine.crop.square) / scale + np.tile(cut.square[:2], 2)
        assert back == pytest.approx(np.array(whole.crop.square), abs=2)
    assert track.face_width == pytest.approx(of_video.face_width, rel=0.02)


def test_a_still_image_is_not_scored(cut, detector):
    still = replace(cut, frames=np.stack([cut.frames[0]] * len(cut.frames)))
    (track,) = score_clip(still, ENTRY, detector)
    assert track.status is Status.NO_MOTION and track.clips == ()


def test_a_part_is_scored_alone(cut, detector):
    (track,) = score_clip(cut, replace(ENTRY, start=1.0, end=2.0), detector)
    assert [round(clip.t0) for clip in track.clips] == [1]


def test_the_least_width_is_that_in_the_video(cut, detector):
    # The same pictures, said to be cut from a square a tenth as wide: the face was tiny, and had been enlarged.
    tiny = replace(cut, square=Box(0, 0, cut.square.width / 10, cut.square.width / 10))
    (track,) = score_clip(tiny, ENTRY, detector)
    assert track.status is Status.FACE_TOO_SMALL and track.clips == ()


def test_a_clip_of_few_frames_is_too_short(cut, detector):
    short = Cut(cut.frames[:5], cut.landmarks[:5], cut.times[:5], cut.square)
    assert [track.status for track in score_clip(short, ENTRY, detector)] == [Status.TOO_SHORT]

"""Prepared clips are scored on the clips of their video."""

from dataclasses import replace

import numpy as np
import pytest

from facetell.batch.score import score_clip
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import PreparedClip
from facetell.faces.crop import clip_crop, crop_frame, face_pose
from facetell.faces.tracker import FaceTracker
from facetell.types import Box, Crop, Frame, Status

ENTRY = Entry("clip.mp4", 0, "val", origin="man.mp4", track=4)


@pytest.fixture(scope="module")
def cut(man, frames, face_networks):
    """The man's face in every frame, cropped by one square and enlarged twice."""
    images = frames(man)
    tracker = FaceTracker(*face_networks)
    meshes = [tracker.update(Frame(p.index, p.time, p.image))[0].landmarks for p in images]
    square = clip_crop([face_pose(mesh) for mesh in meshes], 2.2).square
    side = 2 * round(square.width)
    return PreparedClip(
        np.stack([crop_frame(p.image, Crop.of_square(square), side) for p in images]),
        np.stack([(mesh - np.array(square[:2])) * side / square.width for mesh in meshes]).astype(np.float32),
        np.array([p.time for p in images]),
        square,
    )


def test_the_clips_are_those_of_the_video(cut, man, detector):
    (track,) = score_clip(cut, ENTRY, detector)
    (of_video,) = detector(man).tracks
    assert track.track_id == ENTRY.track
    assert [(c.t0, c.t1) for c in track.clips] == [(c.t0, c.t1) for c in of_video.clips]
    scale = cut.frames.shape[1] / cut.square.width
    for mine, whole in zip(track.clips, of_video.clips, strict=True):
        # In pixels of the video; detection tracks fewer frames and so has slightly different poses.
        back = np.array(mine.crop.square) / scale + np.tile(cut.square[:2], 2)
        assert back == pytest.approx(np.array(whole.crop.square), abs=2)
    assert track.face_width == pytest.approx(of_video.face_width, rel=0.02)
    (part,) = score_clip(cut, replace(ENTRY, start=1.0, end=2.0), detector)
    assert [round(clip.t0) for clip in part.clips] == [1]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda c: replace(c, frames=np.stack([c.frames[0]] * len(c.frames))), Status.NO_MOTION),
        # The same frames, as if from a crop a tenth as wide: the face was tiny in the video.
        (lambda c: replace(c, square=Box(0, 0, c.square.width / 10, c.square.width / 10)), Status.FACE_TOO_SMALL),
        (lambda c: PreparedClip(c.frames[:5], c.landmarks[:5], c.times[:5], c.square), Status.TOO_SHORT),
    ],
)
def test_a_clip_that_is_not_scored_has_a_reason(cut, detector, change, status):
    (track,) = score_clip(change(cut), ENTRY, detector)
    assert track.status is status and track.clips == ()

"""Files that other readers get wrong, scored from end to end: their clips, and what is reported of them."""

import cv2
import numpy as np
import pytest

from facetell.types import Status
from facetell.video.find import find_videos
from fixtures import sample_frames
from video.odd_clocks import encode_all

COUNT = 48
TIMES = [number / 25 for number in range(COUNT)]


def leap(path):
    """A clock that leaps by 50,000 s after a second."""
    encode_all(path, [(sample_frames("sample_woman", COUNT), [time + 50_000 * (time >= 1) for time in TIMES])])


def cover_first(path):
    streams = [(np.full((1, 360, 640, 3), 90, np.uint8), [0]), (sample_frames("sample_woman", COUNT), TIMES)]
    encode_all(path, streams, ["mjpeg", "libx264"], default=[0, 1])


def animation(path):
    images = cv2.Animation()
    images.frames = [np.ascontiguousarray(image[:, :, ::-1]) for image in sample_frames("sample_woman", COUNT)]
    images.durations = [42] * COUNT
    cv2.imwriteanimation(str(path), images)


@pytest.mark.parametrize(
    ("make", "name", "note"),
    [
        (leap, "leap.ts", "the clock leaps forward by 13:53:20 at 1 s"),
        (cover_first, "cover.mkv", "there are 2 video streams: stream 1 (h264, 640x360) is read"),
        (animation, "talk.webp", ""),
    ],
)
def test_all_clips_are_scored(make, name, note, detector, tmp_path):
    make(tmp_path / name)
    (video,) = find_videos([str(tmp_path / name)])
    verdict = detector(video)
    assert verdict.status is Status.SCORED and [len(track.clips) for track in verdict.tracks] == [2]
    assert verdict.duration == pytest.approx(COUNT / 25, abs=0.35), "at 24 frames per second in some"
    assert [warning.startswith(note) for warning in verdict.warnings] == [True] * bool(note)

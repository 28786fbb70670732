"""Files that other readers get wrong, scored from end to end: their clips, and what is reported of them."""

import cv2
import numpy as np
import pytest

from facetell.types import Status
from facetell.video.find import find_videos
from fixtures import sample_frames
from video.odd_clocks import encode_all

COUNT = 48


def _leap(folder):
    """A clock that leaps by 50,000 s after a second."""
    times = [number / 25 + 50_000 * (number >= 25) for number in range(COUNT)]
    return encode_all(folder / "leap.ts", [(sample_frames("sample_woman", COUNT), times)])


def _streams(folder, name, first):
    """A cover image or a short test card before the video."""
    card, times = np.full((first, 360, 640, 3), 90, np.uint8), [number / 25 for number in range(COUNT)]
    streams = [(card, times[:first]), (sample_frames("sample_woman", COUNT), times)]
    return encode_all(folder / name, streams, ["mjpeg" if first == 1 else "libx264", "libx264"], default=[0, 1])


def _images(folder, step):
    (folder / "frames").mkdir()
    for number, image in enumerate(sample_frames("sample_woman", COUNT)[::step]):
        cv2.imwrite(str(folder / "frames" / f"{number * step:03d}.png"), image[:, :, ::-1])
    for name in ("Thumbs.db", "desktop.ini"):
        (folder / "frames" / name).write_bytes(b"[x]")
    return folder / "frames"


def _webp(folder):
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(image[:, :, ::-1]) for image in sample_frames("sample_woman", COUNT)]
    animation.durations = [42] * COUNT
    cv2.imwriteanimation(str(folder / "talk.webp"), animation)
    return folder / "talk.webp"


LEAP = "the clock leaps forward by 13:53:20 at 1 s"
SECOND = "there are 2 video streams: stream 1 (h264, 640x360) is read"


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (_leap, LEAP),
        (lambda folder: _streams(folder, "card.mp4", 8), SECOND),
        (lambda folder: _streams(folder, "cover.mkv", 1), SECOND),
        (lambda folder: _images(folder, 1), ""),
        (_webp, ""),
    ],
    ids=["leap", "card_first", "cover_first", "frames", "webp"],
)
def test_all_clips_are_scored(make, note, detector, tmp_path):
    (video,) = find_videos([str(make(tmp_path))])
    verdict = detector(video)
    assert verdict.status is Status.SCORED and [len(track.clips) for track in verdict.tracks] == [2]
    assert verdict.duration == pytest.approx(COUNT / 25, abs=0.35), "at 24 or 30 frames per second in some"
    assert [warning.startswith(note) for warning in verdict.warnings] == [True] * bool(note)


def test_images_that_are_not_consecutive_give_no_score(detector, tmp_path):
    verdict = detector(_images(tmp_path, 4))
    assert verdict.status is Status.NOT_CONSECUTIVE and "numbers go up by 4" in verdict.message

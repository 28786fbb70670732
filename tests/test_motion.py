"""``facetell motion``: flow and differences of known motion, and the files of the command."""

import cv2
import numpy as np

from facetell.cli import main
from facetell.motion import dense_flow, differences
from facetell.video.reader import VideoReader


def moving(*shifts, size=96):
    noise = np.random.default_rng(0).uniform(0, 255, (size, size, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    moved = [cv2.warpAffine(smooth, np.float32([[1, 0, x], [0, 1, y]]), (size, size)) for x, y in shifts]
    return np.stack(moved).astype(np.uint8)


def test_flow_of_a_known_shift():
    flow = dense_flow(moving((0, 0), (2, -1), (4, -2)))
    assert flow.shape == (2, 96, 96, 2)
    np.testing.assert_allclose(np.median(flow[:, 16:-16, 16:-16], axis=(0, 1, 2)), (2, -1), atol=0.15)


def test_the_second_difference_is_zero_in_steady_change_and_large_where_frames_shake():
    steady = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.full((1, 4, 5, 3), 9, np.uint8)
    first, second = differences(steady)
    assert first.shape == (7, 4, 5) and (first == 9).all() and not second.any()
    moved = (moving(*((0.5 * t + s * (-1) ** t, 0) for t in range(8))) for s in (0, 0.8))
    glide, shake = ([np.abs(order).mean() for order in differences(clip)] for clip in moved)
    assert glide[1] < glide[0] and shake[1] > 1.5 * shake[0]


def test_the_command_draws_one_and_two_videos(man, tmp_path):
    for videos in ([man], [man, man]):
        out = tmp_path / str(len(videos))
        assert main(["motion", *map(str, videos), "--out", str(out)]) == 0
        strip = cv2.imread(str(out / "motion.png"))
        assert strip.shape[0] == 26 + 4 * 240 and strip.std() > 20
        with VideoReader(out / "motion.mp4") as reader:
            assert reader.info.height == 26 + len(videos) * (240 + 26)
            assert sum(1 for _ in reader) == 50

"""Frames, times and sizes of readable videos."""

import numpy as np
import pytest

from facetell.assets import locate
from facetell.video.reader import VideoReader
from fixtures import ODD, encode, sample_frames, variable_times, weave
from video.painted import BLUE, GREEN, GREY, RED, corners, quadrants

# Number of frames, frames per second, and the upright size where it is not 640 x 360.
EXPECTED = {name: (24, 30) for name in ODD if name not in ("truncated", "damaged")} | {
    "one_frame": (1, 30),
    "tiny": (24, 30, (8, 8)),
    "variable_rate": (24, None),
    "odd_size": (24, 30, (321, 241)),
    "hdr10": (12, 30),
    "interlaced": (12, 25),
    **dict.fromkeys(("alpha", "alpha_planes", "prores"), (8, 30)),
    "fast_240": (96, 240),
    "ribbon": (24, 30, (640, 2)),
    "no_stated_rate": (24, None),
    "twenty_faces": (10, 30, (1920, 1080)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_odd_videos_are_read_completely(name, tmp_path):
    count, fps, (width, height) = (*EXPECTED[name], (640, 360))[:3]
    with VideoReader(ODD[name](tmp_path)) as reader:
        info = reader.info
        assert (info.width, info.height) == (width, height)
        times = []
        for frame in reader:
            assert frame.index == len(times)
            times.append(frame.time)
            if frame.index % 5 == 0:
                image = frame.rgb()
                assert image.shape == (height, width, 3) and image.dtype == np.uint8
                assert image.std() > 20  # a face, not a flat field
            assert max(frame.luma_thumbnail().shape) == min(128, max(width, height))
    assert len(times) == count and times[0] == 0 and reader.errors == ()
    if fps is not None:
        assert info.fps == pytest.approx(fps)
        np.testing.assert_allclose(times, np.arange(count) / fps, atol=2e-3)
        assert info.duration == pytest.approx(count / fps, abs=0.05)
    if name == "variable_rate":
        np.testing.assert_allclose(times, variable_times(), atol=1e-4)


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "100%d [1] *.mp4", "ü 视频.mp4", "-y.mp4"])
def test_any_file_name_is_read(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(locate("sample_woman").read_bytes())
    with VideoReader(path) as reader:
        info = reader.info
    assert info.fps == pytest.approx(24000 / 1001)
    assert info.duration == pytest.approx(19.685, abs=1e-3)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_rotated_video_comes_out_upright(turn, tmp_path):
    stored = np.rot90(quadrants(192, 128), turn // 90)  # counter-clockwise
    path = encode(tmp_path / "r.mp4", [stored] * 3, codec="libx264", pix_fmt="yuv444p", rotation=turn)
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height) == (192, 128)
        frame = next(iter(reader))
    np.testing.assert_allclose(corners(frame.rgb()), [RED, GREEN, BLUE, GREY], atol=6)
    small = frame.luma_thumbnail()
    assert small.shape == (85, 128)
    # Luma is about 83, 128, 71 and 128.
    assert small[:40, 66:].mean() > small[:40, :62].mean() and small[45:, 66:].mean() > small[45:, :62].mean() + 30


def test_interlaced_frames_are_deinterlaced(tmp_path):
    def comb(image):
        luma = image[8:-8].mean(axis=2)
        return float(np.abs(luma[1::2] - luma[0::2]).mean())

    fields = np.full((24, 128, 256, 3), 40, np.uint8)
    for index, field in enumerate(fields):
        field[:, 8 * index : 8 * index + 32] = 220
    woven = weave(fields)
    options = {"flags": "+ilme+ildct"}
    path = encode(tmp_path / "i.mp4", woven, codec="libx264", pix_fmt="yuv420p", fps=25, options=options)
    with VideoReader(path) as reader:
        seen = [(frame.time, frame.rgb()) for frame in reader]
    assert [time for time, _ in seen] == [pytest.approx(index / 25) for index in range(12)]
    for index in range(2, 10):
        assert comb(woven[index]) > 10 and comb(seen[index][1]) < 2
        # Each frame is that of its first field, and its colours are what they were.
        first, second = fields[2 * index][8:-8].astype(int), fields[2 * index + 1][8:-8]
        assert np.abs(seen[index][1][8:-8] - first).mean() < 0.3 * np.abs(second - first).mean()


def test_a_new_size_in_mid_stream_is_fitted_to_the_first(tmp_path):
    with VideoReader(ODD["new_size"](tmp_path)) as reader:
        frames = list(reader)  # they can be kept and converted later
    assert {(frame.decoded.width, frame.decoded.height) for frame in frames} == {(640, 360), (320, 180)}
    for frame, image in zip(frames[12:], sample_frames()[12:].astype(int), strict=True):
        assert np.abs(frame.rgb() - image).mean() < 6
    assert len({frame.luma_thumbnail().shape for frame in frames}) == 1

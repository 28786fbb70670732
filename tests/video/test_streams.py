"""Which stream is read, and the rate, duration and sample aspect ratio that a container states."""

from fractions import Fraction

import av
import numpy as np
import pytest

from facetell.video.reader import Unreadable, VideoReader
from fixtures import encode, frames_of
from video.painted import encode_all, numbered, quadrants, seen_in


@pytest.mark.parametrize(
    ("name", "frames", "cover", "flags", "read"),
    [
        ("cover_second.mp4", (30, 1), 1, [1, 0], 0),
        ("cover_first.mp4", (1, 30), 0, [0, 1], 1),
        ("cover_first.mkv", (1, 30), 0, None, 1),
        ("cover_is_default.mkv", (1, 30), 0, [1, 0], 1),
        ("short_first.mp4", (10, 30), None, [1, 1], 1),
        ("short_first.mkv", (10, 30), None, None, 1),
        ("short_first.avi", (10, 30), None, None, 1),
        ("short_is_default.mkv", (10, 30), None, [1, 0], 0),
        ("as_long.mkv", (30, 29), None, None, 0),
        ("larger_second.mkv", (30, 29), 1, None, 1),
    ],
)
def test_one_of_several_streams_is_read(name, frames, cover, flags, read, tmp_path):
    """The second stream shows numbers, the first their negatives; a cover is a stream of larger JPEGs."""
    streams = []
    for stream, count in enumerate(frames):
        size = (256, 128) if stream == cover else (128, 64)
        images = [numbered(number if stream else 255 - number, *size) for number in range(count)]
        streams.append((images, [number / 25 for number in range(count)]))
    codecs = ["mjpeg" if stream == cover else "libx264" for stream in range(2)]
    numbers, _, reader = seen_in(encode_all(tmp_path / name, streams, codecs, flags))
    assert numbers == [number if read else 255 - number for number in range(frames[read])]
    codec, shown = ("mjpeg", "256x128") if cover == read else ("h264", "128x64")
    assert reader.errors == (f"there are 2 video streams: stream {read} ({codec}, {shown}) is read",)


def test_a_song_with_a_cover_image_is_not_a_video(tmp_path):
    cover = av.stream.Disposition.attached_pic.value
    path = encode_all(tmp_path / "song.mp4", [([quadrants(64, 64)], [0])], ["mjpeg"], [cover], sound=(0, 5))
    with pytest.raises(Unreadable, match="no video"):
        VideoReader(path)


# --- sample aspect ratio


WIDE, NARROW = Fraction(64, 45), Fraction(8, 9)


def disc(aspect):
    """A white disc as it is stored in pixels of ``aspect`` times their height, uint8 (288, 360, 3)."""
    y, x = np.mgrid[:288, :360] + 0.5
    inside = np.hypot((x - 180) * float(aspect), y - 144) < min(360 * float(aspect), 288) * 0.4
    return np.repeat(inside[:, :, None], 3, axis=2).astype(np.uint8) * 235


def roundness(image):
    """Width over height of the bright part of an image."""
    bright = (image if image.ndim == 2 else image[:, :, 0]) > 128
    return float(np.ptp(np.flatnonzero(bright.any(axis=0))) / np.ptp(np.flatnonzero(bright.any(axis=1))))


def check_circles(path, count):
    with VideoReader(path) as reader:
        frames = list(reader)
    assert len(frames) == count
    for frame in frames:
        image, small = frame.rgb(), frame.luma_thumbnail()
        assert min(image.shape[:2]) >= 288 and max(image.shape[:2]) >= 360, "no side is reduced"
        assert roundness(image) == pytest.approx(1, abs=0.02) and roundness(small) == pytest.approx(1, abs=0.06)
        assert small.shape[1] / small.shape[0] == pytest.approx(image.shape[1] / image.shape[0], rel=0.02)


@pytest.mark.parametrize(
    ("suffix", "turn", "aspect"),
    [(".mp4", 0, WIDE), (".mp4", 90, WIDE), (".mp4", 180, NARROW), (".mkv", 0, NARROW), (".ts", 0, WIDE)],
)
def test_a_circle_stays_a_circle(suffix, turn, aspect, tmp_path):
    path = tmp_path / f"a{suffix}"
    encode(path, [disc(aspect)] * 3, codec="libx264", pix_fmt="yuv420p", sample_aspect=aspect, rotation=turn)
    check_circles(path, 3)
    with VideoReader(path) as reader:
        assert (reader.info.width < reader.info.height) == (turn == 90)


def test_the_ratio_of_the_container_comes_before_that_of_the_codec(tmp_path):
    images = [disc(Fraction(2))] * 30
    path = encode(tmp_path / "c.mp4", images, codec="libx264", pix_fmt="yuv420p", sample_aspect=Fraction(3))
    data = path.read_bytes()
    box = b"pasp" + (3).to_bytes(4, "big")
    assert data.count(box) == 1
    path.write_bytes(data.replace(box, b"pasp" + (2).to_bytes(4, "big")))
    check_circles(path, 30)


def test_a_ratio_that_changes_in_mid_stream_is_followed(tmp_path):
    """A broadcast in 16:9, then in 4:3, of the same size in pixels."""
    path, data = tmp_path / "changes.m2v", b""
    for aspect in (Fraction(64, 45), Fraction(16, 15)):
        how = {"codec": "mpeg2video", "pix_fmt": "yuv420p", "fps": 25, "sample_aspect": aspect}
        data += encode(path, [disc(aspect)] * 20, **how).read_bytes()
    path.write_bytes(data)
    images = [image for image, _ in frames_of(path)]
    assert len(images) == 40 and {image.shape for image in images} == {(288, 512, 3)}
    round_ones = [number for number, image in enumerate(images) if abs(roundness(image) - 1) < 0.03]
    assert len(round_ones) >= 37 and round_ones[-15:] == list(range(25, 40))
    assert images[-1][:, :60].max() < 16 and images[0][144, 80:].max() > 128  # 4:3 is centred on black

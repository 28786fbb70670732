"""Video files that are written, and frames that pass through a codec."""

import numpy as np
import pytest

from facetell.types import FacetellError
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter, reencode
from video.painted import BLUE, GREEN, GREY, RED, corners, number_of, numbered, quadrants, seen_in


@pytest.mark.parametrize(
    ("codec", "suffix", "size", "matrix"),
    [
        ("libx264", ".mp4", (192, 128), 6),
        ("libx264", ".mp4", (1280, 720), 1),
        ("libx265", ".mov", (191, 127), 6),
        ("libvpx-vp9", ".webm", (191, 127), 6),
    ],
)
def test_colours_and_size_survive(codec, suffix, size, matrix, tmp_path):
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, fps=25, width=size[0], height=size[1], codec=codec) as writer:
        for _ in range(3):
            writer.write(quadrants(*size))
    with VideoReader(path) as reader:
        frames = list(reader)
        assert reader.info.fps == pytest.approx(25)
    images = [frame.rgb() for frame in frames]
    assert len(images) == 3 and images[0].shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    np.testing.assert_allclose(corners(images[1][: size[1], : size[0]]), [RED, GREEN, BLUE, GREY], atol=6)
    decoded = frames[0].decoded
    assert (int(decoded.colorspace), int(decoded.color_range)) == (matrix, 1), "tags for other players"


def test_after_an_error_or_without_a_frame_the_target_is_as_before(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"what was there before")
    with pytest.raises(RuntimeError), VideoWriter(path, width=128, height=64) as writer:
        writer.write(numbered(1))
        assert path.read_bytes() == b"what was there before"
        raise RuntimeError
    with pytest.raises(FacetellError, match="no frame"), VideoWriter(path, width=128, height=64):
        pass
    assert path.read_bytes() == b"what was there before" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "how"), [("a.mp4", {"codec": "x"}), ("a.unknown", {}), ("a.mp4", {"pix_fmt": "x"})])
def test_what_cannot_be_written_is_one_message(name, how, tmp_path):
    with (
        pytest.raises(FacetellError, match=r"cannot be written"),
        VideoWriter(tmp_path / name, width=128, height=64, **how) as writer,
    ):
        writer.write(numbered(1))
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_and_times_are_refused(tmp_path):
    with VideoWriter(tmp_path / "a.mkv", width=128, height=64) as writer:
        writer.write(numbered(1), 1.0)
        with pytest.raises(ValueError, match="not after"):
            writer.write(numbered(2), 1.0)
        for image in (numbered(2)[:32], numbered(2).astype(np.float32)):
            with pytest.raises(ValueError, match="frames are uint8"):
                writer.write(image)
        writer.write(numbered(2))
        for number, time in enumerate([1.1, 1.5, 1.51, 3.0], 3):
            writer.write(numbered(number), time)
    numbers, times, _ = seen_in(tmp_path / "a.mkv")
    assert numbers == [1, 2, 3, 4, 5, 6] and times == pytest.approx([0, 1 / 30, 0.1, 0.5, 0.51, 2.0], abs=1e-3)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4", "mjpeg", "ffv1"])
def test_through_a_codec_and_back(codec):
    frames = np.stack([numbered(number) for number in range(12)])
    back = reencode(frames, 25, codec)
    assert back.shape == frames.shape and back.dtype == np.uint8
    assert [number_of(image) for image in back] == list(range(12))

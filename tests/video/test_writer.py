from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from facetell.assets import locate
from facetell.types import FacetellError
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter, reencode
from fixtures import sample_frames
from video.painted import BLUE, GREEN, GREY, RED, corners, number_of, numbered, quadrants


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("libx265", ".mov"), ("libvpx-vp9", ".webm")])
@pytest.mark.parametrize("size", [(192, 128), (1280, 720), (191, 127)])
def test_colours_and_size_survive(codec: str, suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, fps=25, width=size[0], height=size[1], codec=codec) as writer:
        for _ in range(3):
            writer.write(quadrants(*size))
    with VideoReader(path) as reader:
        images = [frame.rgb() for frame in reader]
        assert reader.info.fps == pytest.approx(25)
    assert len(images) == 3 and images[0].shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    np.testing.assert_allclose(corners(images[1][: size[1], : size[0]]), [RED, GREEN, BLUE, GREY], atol=6)


def test_matrix_and_range_are_written_down(tmp_path: Path) -> None:
    for size, matrix in (((1280, 720), 1), ((640, 360), 6)):
        with VideoWriter(tmp_path / "t.mp4", width=size[0], height=size[1]) as writer:
            writer.write(quadrants(*size))
        with av.open(str(tmp_path / "t.mp4")) as container:
            picture = next(container.decode(video=0))
        assert (int(picture.colorspace), int(picture.color_range)) == (matrix, 1)


def test_sound_is_copied_unchanged(tmp_path: Path) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    source = locate("sample_woman")
    with VideoWriter(tmp_path / "s.mp4", width=640, height=360, audio_from=source, metadata={"title": "A"}) as writer:
        for image in sample_frames():
            writer.write(image)
    assert packets(tmp_path / "s.mp4") == packets(source)
    with av.open(str(tmp_path / "s.mp4")) as container:
        assert container.metadata["title"] == "A"
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    assert "audio" in kinds[: len(kinds) // 4]  # lies between the pictures, not after them


def test_source_without_sound_is_no_fault(tmp_path: Path) -> None:
    for name, sound in (("a.mp4", None), ("b.mp4", tmp_path / "a.mp4")):
        with VideoWriter(tmp_path / name, width=128, height=64, audio_from=sound) as writer:
            writer.write(numbered(1))
    assert (tmp_path / "b.mp4").exists()


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"what was there before")
    with pytest.raises(RuntimeError), VideoWriter(path, width=128, height=64) as writer:
        writer.write(numbered(1))
        raise RuntimeError
    assert path.read_bytes() == b"what was there before" and list(tmp_path.iterdir()) == [path]


def test_name_appears_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.mp4"
    with VideoWriter(path, width=128, height=64) as writer:
        writer.write(numbered(1))
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"codec": "nonesuch"}),
        ("a.unknown", {}),
        ("a.mp4", {"pix_fmt": "nonesuch"}),
        ("a.mp4", {"audio_from": "no"}),
    ],
)
def test_what_cannot_be_written_is_one_sentence(name: str, how: dict[str, str], tmp_path: Path) -> None:
    with (
        pytest.raises(FacetellError, match=r"cannot be written"),
        VideoWriter(tmp_path / name, width=128, height=64, **how) as writer,  # type: ignore[arg-type]
    ):
        writer.write(numbered(1))
    assert list(tmp_path.iterdir()) == []


def test_no_picture_no_file(tmp_path: Path) -> None:
    with pytest.raises(FacetellError, match="no frame"), VideoWriter(tmp_path / "a.mp4", width=128, height=64):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_pictures_and_times_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=128, height=64) as writer:
        writer.write(numbered(1), 1.0)
        with pytest.raises(ValueError, match="not after"):
            writer.write(numbered(2), 1.0)
        with pytest.raises(ValueError, match="frames are uint8"):
            writer.write(numbered(2)[:32])
        with pytest.raises(ValueError, match="frames are uint8"):
            writer.write(numbered(2).astype(np.float32))  # type: ignore[arg-type]
        writer.write(numbered(2))
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert [frame.time for frame in reader] == [0, pytest.approx(1 / 30, abs=1e-3)]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4", "mjpeg", "ffv1"])
def test_through_a_codec_and_back(codec: str) -> None:
    frames = np.stack([numbered(number) for number in range(12)])
    back = reencode(frames, 25, codec)
    assert back.shape == frames.shape and back.dtype == np.uint8
    assert [number_of(image) for image in back] == list(range(12))


def test_more_compression_loses_more() -> None:
    frames = sample_frames()[:6, 40:241, 160:421]  # odd sides
    losses = [np.abs(reencode(frames, 30, crf=crf).astype(int) - frames).mean() for crf in ("10", "28", "45")]
    assert losses[0] < 2 and losses[0] < losses[1] < losses[2]


def test_codec_that_is_none_is_one_sentence() -> None:
    with pytest.raises(FacetellError, match="nonesuch"):
        reencode(np.zeros((1, 64, 64, 3), np.uint8), 30, "nonesuch")

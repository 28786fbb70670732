"""Folders of pictures read like videos."""

import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from facetell.video.image import read_image, write_image
from facetell.video.reader import Unreadable, VideoReader
from facetell.video.sequence import RATE, ImageSequence
from facetell.video.source import content_sha256, open_video
from fixtures import sample_frames, write_frames


@pytest.fixture
def folder(tmp_path):
    """Twelve images whose names count without zeros in front; the grey of each is twice its number."""
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.full((20, 30, 3), 2 * number, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_come_by_their_numbers_at_a_nominal_rate(folder):
    with open_video(folder) as reader:
        pictures = list(reader)
        assert (reader.info.width, reader.info.height, reader.info.fps) == (30, 20, RATE)
        assert reader.info.duration == pytest.approx(12 / RATE) and reader.errors == ()
    assert [picture.rgb()[0, 0, 0] for picture in pictures] == [2 * number for number in range(12)]
    assert [picture.index for picture in pictures] == list(range(12))
    assert [picture.time for picture in pictures] == pytest.approx(np.arange(12) / RATE)


def test_a_picture_that_cannot_be_read_leaves_its_place_in_time_empty(folder):
    (folder / "frame3.png").write_bytes(b"no picture")
    with ImageSequence(folder) as reader:
        pictures = list(reader)
        assert [picture.index for picture in pictures] == [0, 1, 2, *range(4, 12)]
        assert pictures[3].time - pictures[2].time == pytest.approx(0.2), "no clip reaches across"
        assert reader.errors == ("1 image could not be read and left out",)
        assert len(list(reader)) == 11 and len(reader.errors) == 1  # read again, it is not counted twice


def _claims_to_be_huge(png):
    """A PNG whose header says that it is 60000 pixels wide and high."""
    head = struct.pack(">II", 60_000, 60_000) + png[24:29]
    return png[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + png[33:]


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_picture_that_was_cut_off_is_left_out(tmp_path, suffix, share):
    path = tmp_path / f"frame{suffix}"
    (frame,) = sample_frames("sample_man", 1)
    write_image(path, frame)
    assert read_image(path).shape == frame.shape
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert read_image(path) is None


def test_a_png_with_a_false_length_is_not_decoded(folder):
    path = folder / "frame3.png"
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = (0xF0000000).to_bytes(4)
    path.write_bytes(data)
    assert read_image(path) is None


def test_images_of_more_pixels_than_a_frame_may_have_are_not_decoded(tmp_path):
    """In a process of its own: the limit is read when OpenCV is loaded."""
    for side in (100, 12_000):
        rows = zlib.compress(bytes((side // 8 + 2) * side))
        chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
        png = b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
        (tmp_path / f"{side}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    code = (
        "from pathlib import Path; from facetell.video.image import read_image; "
        "print([read_image(Path(name)) is None for name in ('100.png', '12000.png')])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "[False, True]\n"


def test_a_picture_too_large_to_be_one_is_left_out(folder):
    path = folder / "frame3.png"
    path.write_bytes(_claims_to_be_huge(path.read_bytes()))
    with ImageSequence(folder) as reader:
        assert len(list(reader)) == 11 and len(reader.errors) == 1


def test_names_may_hold_any_bytes(folder):
    for place, name in enumerate((b"fr\xe9me50.png", "frame5²0.png".encode())):
        os.rename(os.fsencode(folder / f"frame{place}.png"), os.path.join(os.fsencode(folder), name))  # noqa: PTH104, PTH118
    with ImageSequence(folder) as reader:
        assert len(list(reader)) == 12 and reader.errors == ()


def test_hidden_files_are_no_pictures(folder):
    for number in range(12):
        (folder / f"._frame{number}.png").write_bytes(b"what a system notes of its own")
    with ImageSequence(folder) as reader:
        assert [picture.index for picture in reader] == list(range(12)) and reader.errors == ()


def test_images_of_other_sizes_are_fitted_into_the_first(folder):
    cv2.imwrite(str(folder / "frame5.png"), np.full((40, 60, 3), 10, np.uint8))
    cv2.imwrite(str(folder / "frame6.png"), np.full((40, 20, 3), 12, np.uint8))
    with ImageSequence(folder, 25) as reader:
        images = [picture.rgb() for picture in reader]
    assert {image.shape for image in images} == {(20, 30, 3)}
    assert images[5].min() == images[5].max() == 10, "scaled"
    assert np.flatnonzero(images[6][10, :, 0] == 12).tolist() == list(range(10, 20)), "and centred on black"


def test_the_hash_of_a_folder_is_that_of_its_images(folder):
    before = content_sha256(folder)
    (folder / "Thumbs.db").write_bytes(b"a")
    (folder / "._frame1.png").write_bytes(b"b")
    (folder / "notes.txt").unlink()
    assert content_sha256(folder) == before
    (folder / "frame3.png").write_bytes((folder / "frame4.png").read_bytes())
    assert content_sha256(folder) not in (before, None)


def test_colours_are_rgb_and_thumbnails_are_luma_as_of_a_video(tmp_path):
    frames = sample_frames("sample_man", 2)
    video = write_frames(tmp_path / "man.mp4", frames, crf=4)
    (tmp_path / "man").mkdir()
    for number, image in enumerate(frames):
        cv2.imwrite(str(tmp_path / "man" / f"{number:03d}.png"), image[:, :, ::-1])
    with open_video(tmp_path / "man") as pictures, open_video(video) as reader:
        assert isinstance(reader, VideoReader)
        for picture, raw, image in zip(pictures, reader, frames, strict=True):
            assert np.array_equal(picture.rgb(), image)
            mine, its = picture.luma_thumbnail().astype(float), raw.luma_thumbnail().astype(float)
            assert mine.shape == its.shape
            assert np.corrcoef(mine.ravel(), its.ravel())[0, 1] > 0.99


def test_a_folder_without_pictures_is_told_of(tmp_path):
    with pytest.raises(Unreadable, match="is a folder without an image that can be read"):
        open_video(tmp_path)
    (tmp_path / "1.jpg").write_bytes(b"")
    with pytest.raises(Unreadable, match="without an image"):
        open_video(tmp_path)
    with pytest.raises(Unreadable, match="there is no file"):
        open_video(tmp_path / "none")

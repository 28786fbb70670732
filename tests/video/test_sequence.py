"""Folders of images and animated WebP are read like videos; images that are not consecutive frames are refused."""

import itertools
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.assets import locate
from facetell.faces.clips import HOLE
from facetell.types import Status
from facetell.video.image import read_image, write_image
from facetell.video.reader import Unreadable, VideoReader
from facetell.video.sequence import ImageSequence, NotConsecutive, steps_between
from facetell.video.source import content_sha256, open_video
from fixtures import sample_frames
from video.painted import animation

DURATIONS = [40, 40, 40, 80, 40, 40]


def write(folder, images, numbers, suffix=".jpg"):
    for image, number in zip(images, numbers, strict=True):
        write_image(folder / f"IMG_{number:04d}{suffix}", image)
    return folder


def times_of(path, rate=None):
    with ImageSequence(path, rate) as reader:
        return [frame.time for frame in reader]


@pytest.fixture
def folder(tmp_path):
    """Twelve images whose names count without zeros in front; the grey of each is twice its number."""
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.full((20, 30, 3), 2 * number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture(scope="module")
def frames():
    return [np.ascontiguousarray(frame[::2, ::2]) for frame in sample_frames()[:12]]


def test_images_come_by_their_numbers_at_25_per_second(folder):
    with open_video(folder) as reader:
        found = list(reader)
        assert (reader.info.width, reader.info.height, reader.info.fps) == (30, 20, 25)
        assert reader.duration == pytest.approx(12 / 25) and reader.errors == ()
    assert [frame.rgb()[0, 0, 0] for frame in found] == [2 * number for number in range(12)]
    assert [frame.time for frame in found] == pytest.approx(np.arange(12) / 25)


@pytest.mark.parametrize(
    "spoil", [lambda png: b"no image", lambda png: re.sub(b"(?s)....IDAT", b"\xf0\0\0\0IDAT", png)]
)
def test_an_unreadable_image_is_left_out_and_leaves_a_gap(spoil, folder):
    path = folder / "frame3.png"
    path.write_bytes(spoil(path.read_bytes()))
    assert read_image(path) is None
    with ImageSequence(folder) as reader:
        found = list(reader)
        assert [frame.index for frame in found] == [0, 1, 2, *range(4, 12)]
        assert found[3].time - found[2].time == pytest.approx(0.2), "no clip reaches across"
        assert len(list(reader)) == 11, "read again, it is not counted twice"
        assert reader.errors == ("1 image could not be read and was left out",)


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.1, 0.95])
def test_a_truncated_image_is_not_read(suffix, share, tmp_path):
    path = tmp_path / f"frame{suffix}"
    (image,) = sample_frames("sample_man", 1)
    write_image(path, image)
    whole, read = path.read_bytes(), read_image(path)
    assert read is not None and read.shape == image.shape
    path.write_bytes(whole[: int(len(whole) * share)])
    assert read_image(path) is None


def test_images_of_more_pixels_than_a_frame_may_have_are_not_decoded(tmp_path):
    path = tmp_path / "frame.png"
    for side in (100, 12_000):
        cv2.imwrite(str(path), np.zeros((side, side), np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])
        assert (read_image(path) is None) == (side > 100)


def test_jpegs_that_decoders_complete_are_damaged(frames, detector, tmp_path):
    """Without their end, of fewer rows than they state, and with a lower part that would be grey."""
    for number, file in enumerate(sorted(write(tmp_path, frames, range(12)).iterdir())[:7]):
        jpeg = file.read_bytes()
        more_rows = re.sub(b"(?s)(\xff\xc0...)..", b"\\1\x03\0", jpeg)
        file.write_bytes((jpeg[:-200], more_rows, jpeg[:4000] + bytes(len(jpeg) - 4002) + jpeg[-2:])[number % 3])
        assert detector(file).status is Status.DAMAGED
    verdict = detector(tmp_path)
    assert verdict.status is Status.DAMAGED and "7 images could not be read" in verdict.message


def test_names_may_hold_any_bytes_and_hidden_files_are_ignored(folder):
    for place, name in enumerate((b"fr\xe9me50.png", "frame5²0.png".encode())):
        os.rename(os.fsencode(folder / f"frame{place}.png"), os.path.join(os.fsencode(folder), name))  # noqa: PTH104, PTH118
        (folder / f"._frame{place}.png").write_bytes(b"metadata of a file manager")
    with ImageSequence(folder) as reader:
        assert len(list(reader)) == 12 and reader.errors == ()


def test_images_of_other_sizes_are_fitted_into_the_first(folder):
    cv2.imwrite(str(folder / "frame5.png"), np.full((40, 60, 3), 10, np.uint8))
    cv2.imwrite(str(folder / "frame6.png"), np.full((40, 20, 3), 12, np.uint8))
    with ImageSequence(folder, 25) as reader:
        images = [frame.rgb() for frame in reader]
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


# --- whether images are consecutive frames


@pytest.mark.parametrize(
    ("numbers", "why"),
    [([*range(0, 180, 15)], "by 15"), ([3, 17, 42, 43, 51, 66], "by 1 to 25"), ([*range(6), 10, 11], "by 1 to 5")],
)
def test_gaps_in_the_numbers_are_refused(frames, numbers, why, tmp_path):
    with pytest.raises(NotConsecutive, match=rf"not consecutive frames \(their numbers go up {why}\): .* --fps"):
        ImageSequence(write(tmp_path, frames[: len(numbers)], numbers))


def test_images_that_change_too_much_are_refused_unless_their_rate_is_stated(tmp_path):
    with VideoReader(locate("sample_woman")) as reader:
        frames = itertools.islice(reader, 0, 12 * 30, 30)  # 1.25 s apart
        write(tmp_path, [np.ascontiguousarray(frame.rgb()[::2, ::2]) for frame in frames], range(1, 13))
    with pytest.raises(NotConsecutive, match=r"\(they change as if most frames were missing between them\)"):
        ImageSequence(tmp_path)
    assert times_of(tmp_path, 10) == pytest.approx(np.arange(12) / 10)


def test_no_clip_reaches_across_a_missing_number(frames, tmp_path):
    with ImageSequence(write(tmp_path, frames, [*range(8), 9, 10, 31, 32])) as reader:
        times = np.diff([frame.time for frame in reader])
        assert reader.errors == ("its images are numbered with 2 gaps: no clip reaches across",)
    assert times[7] > HOLE and times == pytest.approx([0.04] * 7 + [0.2, 0.04, 0.84, 0.04])


def test_numbers_that_are_not_frame_numbers(frames, tmp_path):
    dates = times_of(write(tmp_path / "dates", frames, [*range(11), 20240101]))
    assert np.diff(dates) == pytest.approx([0.04] * 10 + [0.2])
    milliseconds = [*(round(number * 100 / 3) for number in range(10)), 433, 467]
    times = times_of(write(tmp_path / "stamps", frames, milliseconds), 30)
    assert np.diff(times) == pytest.approx([1 / 30] * 9 + [0.2, 1 / 30])


def test_the_frame_number_is_the_one_that_changes():
    assert steps_between([Path(f"clip7_{number}_of_480p.png") for number in (1, 2, 4)]) == [1, 2]
    assert steps_between([Path(name) for name in ("1_10.png", "2_20.png", "3_30.png")]) == [1, 1], "two change"
    assert steps_between([Path(name) for name in ("a1.png", "a2.png", "cover.png")]) == [1, 1]
    assert steps_between([Path("1.png")]) == []


# --- animated WebP


@pytest.fixture(scope="module")
def content(frames):
    return animation(frames[: len(DURATIONS)], DURATIONS)


def test_an_animation_is_scored(frames, detector, tmp_path):
    (tmp_path / "talk.webp").write_bytes(animation(frames, [42] * len(frames)))
    verdict = detector(tmp_path / "talk.webp")
    assert verdict.status is Status.SCORED and verdict.warnings == ()


@pytest.mark.parametrize("timed", [True, False])
def test_frames_of_an_animation_come_at_their_times(timed, content, tmp_path):
    data = bytearray(content)
    at = -1
    while not timed and (at := data.find(b"ANMF", at + 1)) >= 0:
        data[at + 20 : at + 23] = bytes(3)  # no duration: 0.1 s, as in web browsers
    (tmp_path / "talk.webp").write_bytes(data)
    times = [0, 0.04, 0.08, 0.12, 0.2, 0.24, 0.28] if timed else np.arange(7) / 10
    with open_video(tmp_path / "talk.webp") as reader:
        assert (reader.info.width, reader.info.height) == (320, 180)
        assert reader.duration == pytest.approx(times[-1]) and reader.info.fps == pytest.approx(6 / times[-1])
        found = list(reader)
        assert reader.errors == ()
    assert [frame.time for frame in found] == pytest.approx(times[:-1])
    for frame, image in zip(found, sample_frames(), strict=False):
        assert np.abs(frame.rgb().astype(int) - image[::2, ::2]).mean() < 4


def test_frames_up_to_damage_are_read(content, tmp_path):
    at = content.rindex(b"ANMF")
    (tmp_path / "talk.webp").write_bytes(content[: at + 500] + bytes(500) + content[at + 1000 :])
    with open_video(tmp_path / "talk.webp") as reader:
        assert len(list(reader)) == 5
        assert reader.errors == reader.damage == ("the file is damaged after 5 of 6 frames",)


def test_animations_that_are_truncated_or_too_large_are_reported(content, tmp_path):
    path = tmp_path / "talk.webp"
    path.write_bytes(content[:-100])
    with pytest.raises(Unreadable, match="is an animated WebP image that is cut off"):
        open_video(path)
    path.write_bytes(content[:24] + (16_000).to_bytes(3, "little") * 2 + content[30:])
    with pytest.raises(Unreadable, match="16001 x 16001: scale it down"):
        open_video(path)
    write_image(path, sample_frames()[0])  # not animated
    with open_video(path) as reader:
        assert len(list(reader)) == 1

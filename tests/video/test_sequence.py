"""Which folders of images are consecutive frames, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.assets import locate
from facetell.faces.clips import HOLE
from facetell.types import UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.sequence import ImageSequence, NotConsecutive, steps_between


def write(folder: Path, images: list[UInt8Array], names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for image, name in zip(images, names, strict=True):
        cv2.imwrite(str(folder / name), image[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def frames() -> list[UInt8Array]:
    """12 consecutive frames of the woman, 320 x 180."""
    return _read(range(12))


@pytest.fixture(scope="module")
def seconds() -> list[UInt8Array]:
    """12 frames of the woman, 1.25 s apart."""
    return _read(range(0, 12 * 30, 30))


def _read(chosen: range) -> list[UInt8Array]:
    with VideoReader(locate("sample_woman")) as reader:
        size = (320, 180)
        found = []
        for frame in reader:
            if frame.index in chosen:
                found.append(np.asarray(cv2.resize(frame.rgb(), size, interpolation=cv2.INTER_AREA), np.uint8))
            if len(found) == len(chosen):
                return found
    raise AssertionError


def numbered(numbers: list[int] | range) -> list[str]:
    return [f"IMG_{number:04d}.jpg" for number in numbers]


def test_consecutive_frames_are_a_video(frames: list[UInt8Array], tmp_path: Path) -> None:
    with ImageSequence(write(tmp_path, frames, numbered(range(7, 19)))) as reader:
        assert [frame.time for frame in reader] == pytest.approx(np.arange(12) / 25) and reader.errors == ()


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([*range(0, 180, 15)], "go up by 15"),
        ([*range(0, 24, 2)], "go up by 2"),
        ([0, 15, 30, 46, 61, 76, 91, 106, 122, 137, 152, 167], "go up by 15 to 16"),
        ([3, 17, 42, 43, 51, 66, 78, 90, 91, 104, 120, 133], "go up by 1 to 25"),
        ([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15], "go up by 1 to 5"),
    ],
)
def test_gaps_in_the_numbers_are_refused(
    frames: list[UInt8Array], numbers: list[int], why: str, tmp_path: Path
) -> None:
    write(tmp_path, frames, numbered(numbers))
    with pytest.raises(
        NotConsecutive, match=rf"not consecutive frames \(their numbers {why}\): name the video .* --fps"
    ):
        ImageSequence(tmp_path)


def test_images_that_do_not_follow_each_other_are_refused(seconds: list[UInt8Array], tmp_path: Path) -> None:
    write(tmp_path, seconds, numbered(range(1, 13)))
    with pytest.raises(NotConsecutive, match=r"\(they change as if most frames were missing between them\)"):
        ImageSequence(tmp_path)
    with ImageSequence(tmp_path, 10) as reader:
        assert len([*reader]) == 12 and reader.info.fps == 10, "their rate was stated"
    upright = [image[:, 70:205] if place % 3 else image for place, image in enumerate(seconds)]
    with pytest.raises(NotConsecutive, match="as if most frames were missing"):
        ImageSequence(write(tmp_path, upright, numbered(range(1, 13))))


def test_few_images_and_still_ones_are_not_refused(seconds: list[UInt8Array], tmp_path: Path) -> None:
    assert len([*ImageSequence(write(tmp_path / "few", seconds[:5], numbered(range(5))))]) == 5
    assert len([*ImageSequence(write(tmp_path / "still", seconds[:1] * 12, numbered(range(12))))]) == 12


def test_no_clip_reaches_across_a_missing_number(frames: list[UInt8Array], tmp_path: Path) -> None:
    write(tmp_path, frames, numbered([*range(8), 9, 10, 31, 32]))
    with ImageSequence(tmp_path) as reader:
        times = np.diff([frame.time for frame in reader])
        assert reader.errors == ("its images are numbered with 2 gaps: no clip reaches across",)
    assert times[7] > HOLE
    assert times == pytest.approx([0.04] * 7 + [0.2, 0.04, 0.84, 0.04])


def test_a_number_of_another_kind_is_no_duration(frames: list[UInt8Array], tmp_path: Path) -> None:
    with ImageSequence(write(tmp_path, frames, numbered([*range(11), 20240101]))) as reader:
        times = [frame.time for frame in reader]
    assert times[-1] - times[-2] == pytest.approx(0.2) and reader.duration == pytest.approx(0.64)


def test_a_stated_rate_takes_any_step(frames: list[UInt8Array], tmp_path: Path) -> None:
    write(tmp_path, frames, numbered([0, 33, 67, 100, 133, 167, 200, 233, 267, 300, 433, 467]))  # milliseconds
    with ImageSequence(tmp_path, 30) as reader:
        times = [frame.time for frame in reader]
    assert np.diff(times) == pytest.approx([1 / 30] * 9 + [0.2, 1 / 30])


def test_the_frame_number_is_the_one_that_changes() -> None:
    assert steps_between([Path(f"clip7_{number}_of_480p.png") for number in (1, 2, 4)]) == [1, 2]
    assert steps_between([Path(name) for name in ("1_10.png", "2_20.png", "3_30.png")]) == [1, 1], "two change"
    assert steps_between([Path(name) for name in ("a1.png", "a2.png", "cover.png")]) == [1, 1]
    assert steps_between([Path("1.png")]) == []

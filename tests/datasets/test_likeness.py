"""Copies look alike, other scenes do not; hashes against a plain rewriting of their definition."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.datasets.likeness import LIMIT, Likeness, differences, distance, hash_picture, look_at, near_duplicates
from facetell.types import UInt8Array
from facetell.video.reader import Unreadable
from fixtures import sample_frames, text, write_frames
from mimic.people import scene

NUMBERS = (0, 1, 2, 8, 11)  # of the man 2, 8 and 11, at three times and in three lights


def likeness(path: Path, frames: UInt8Array, **how: object) -> Likeness:
    return look_at(write_frames(path, frames, **how))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Likeness]:
    folder = tmp_path_factory.mktemp("scenes")
    return {number: likeness(folder / f"{number}.mp4", scene(number, 1.0).frames) for number in NUMBERS}


def half(frames: UInt8Array) -> UInt8Array:
    return np.stack([cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames])


def brighter(frames: UInt8Array) -> UInt8Array:
    return np.clip(frames * np.array([1.15, 1.05, 0.9]) + 12, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("crf", [23, 40])
@pytest.mark.parametrize("change", [np.asarray, half, brighter], ids=["same", "half", "brighter"])
@pytest.mark.parametrize("number", NUMBERS[:3])
def test_copies_are_alike(number: int, change, crf: int, scenes: dict[int, Likeness], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    copy = likeness(tmp_path / "copy.mp4", change(scene(number, 1.0).frames), crf=crf)
    assert distance(scenes[number], copy) <= LIMIT / 1.5


def test_an_excerpt_is_like_the_whole(tmp_path: Path) -> None:
    frames = sample_frames("sample_woman", 48)
    whole = likeness(tmp_path / "whole.mp4", frames)
    assert distance(likeness(tmp_path / "part.mp4", frames[:24], crf=35), whole) <= LIMIT


def test_other_scenes_of_the_same_two_people_are_not_alike(scenes: dict[int, Likeness]) -> None:
    assert min(distance(a, b) for a, b in combinations(scenes.values(), 2)) > 2 * LIMIT


def test_a_mirrored_copy_is_another_picture(tmp_path: Path) -> None:
    frames = sample_frames()
    plain, mirrored = likeness(tmp_path / "a.mp4", frames), likeness(tmp_path / "b.mp4", frames[:, :, ::-1])
    assert distance(plain, mirrored) > 2 * LIMIT


def test_a_flat_picture_is_like_nothing() -> None:
    bits, sure = hash_picture(np.full((90, 160), 16, np.uint8))
    flat = Likeness(bits[None], sure[None])
    assert distance(flat, flat) == 1.0


def test_a_hash_is_what_it_says() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (17, 17), dtype=np.uint8)
    bits = np.unpackbits(hash_picture(grey)[0].view(np.uint8)).reshape(2, 16, 16)
    for y in range(16):
        for x in range(16):
            assert bits[0, y, x] == (grey[y, x + 1] > grey[y, x])
            assert bits[1, y, x] == (grey[y + 1, x] > grey[y, x])


def test_pairs_are_found_among_many_as_one_by_one(scenes: dict[int, Likeness]) -> None:
    ones, others = list(scenes.values()), list(scenes.values())[::-1] * 40
    expected = {(i, j) for i, a in enumerate(ones) for j, b in enumerate(others) if distance(a, b) <= LIMIT}
    assert {(i, j) for i, j, _ in near_duplicates(ones, others)} == expected
    assert len(expected) == 40 * len(ones)
    assert near_duplicates([], others) == []


def test_a_folder_of_pictures_is_looked_at_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    frames = sample_frames("sample_woman", 48)[::4]
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{index}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    hashed = [hash_picture(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames[::2]]
    expected = Likeness(np.stack([bits for bits, _ in hashed]), np.stack([sure for _, sure in hashed]))
    apart = differences(look_at(tmp_path), expected)
    assert np.diag(apart).max() < 0.005 < apart[1, 5]  # by letters, 10.png would come second


def test_what_shows_nothing_is_told(tmp_path: Path) -> None:
    for path in (text(tmp_path), tmp_path / "absent.mp4"):
        with pytest.raises(Unreadable):
            look_at(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreadable, match="no picture"):
        look_at(tmp_path / "empty")

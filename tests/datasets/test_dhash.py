"""Perceptual hashes: copies are near-duplicates, other scenes are not."""

from itertools import combinations

import cv2
import numpy as np
import pytest

from facetell.datasets.dhash import LIMIT, VideoHash, distance, hash_image, hash_video, near_duplicates
from fixtures import sample_frames, write_frames
from mimic.people import scene

NUMBERS = (0, 1, 2, 8, 11)  # 2, 8 and 11 are of the man, at three times and in three lights


def hashed(path, frames, **how):
    return hash_video(write_frames(path, frames, **how))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return {number: hashed(folder / f"{number}.mp4", scene(number, 1.0)) for number in NUMBERS}


def half(frames):
    return np.stack([cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames])


def brighter(frames):
    return np.clip(frames * np.array([1.15, 1.05, 0.9]) + 12, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [np.asarray, half, brighter], ids=["same", "half", "brighter"])
@pytest.mark.parametrize("number", NUMBERS[:3])
def test_copies_are_near(number, change, scenes, tmp_path):
    copy = hashed(tmp_path / "copy.mp4", change(scene(number, 1.0)), crf=40)
    assert distance(scenes[number], copy) <= LIMIT / 1.5


def test_an_excerpt_is_near_and_a_mirrored_copy_is_not(tmp_path):
    frames = sample_frames("sample_woman", 48)
    whole = hashed(tmp_path / "whole.mp4", frames)
    assert distance(hashed(tmp_path / "part.mp4", frames[:24], crf=35), whole) <= LIMIT
    assert distance(hashed(tmp_path / "mirrored.mp4", frames[:, :, ::-1]), whole) > 2 * LIMIT


def test_other_scenes_of_the_same_two_people_are_not_near(scenes):
    assert min(distance(a, b) for a, b in combinations(scenes.values(), 2)) > 2 * LIMIT


def test_pairs_are_found_among_many_as_one_by_one(scenes):
    ones, others = list(scenes.values()), list(scenes.values())[::-1] * 40
    expected = {(i, j) for i, a in enumerate(ones) for j, b in enumerate(others) if distance(a, b) <= LIMIT}
    assert {(i, j) for i, j, _ in near_duplicates(ones, others)} == expected
    assert len(expected) == 40 * len(ones) and near_duplicates([], others) == []
    flat = VideoHash(*(part[None] for part in hash_image(np.full((90, 160), 16, np.uint8))))
    assert distance(flat, flat) == 1.0  # without structure nothing is near

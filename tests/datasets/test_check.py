"""Leaks planted in a manifest of videos and in one of prepared clips, near-duplicates by hash, and cues of coding."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from facetell.datasets.check import Findings, check_manifest, leaking_videos, without_leaks
from facetell.datasets.cues import CUES, RIDGE, cues_of, probe_auc
from facetell.datasets.dhash import LIMIT, VideoHash, distance, hash_image, hash_video, near_duplicates
from facetell.datasets.manifest import Entry, Manifest
from fixtures import man_face, recoloured, sample_frames, woman_face, write_frames
from mimic.people import scene


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    real = Entry("man.mp4", 0, "train", "man")
    fake = replace(real, path="swap.mp4", label=1, donor="bob", method="swap", source="man.mp4")
    manifest = Manifest(tmp_path_factory.mktemp("videos"), (real, fake, Entry("woman.mp4", 0, "test", "woman")))
    for entry, frames in zip(manifest, (man_face(24), recoloured(man_face(24)), woman_face(24)), strict=True):
        write_frames(manifest.file(entry), frames)
    return manifest


@pytest.fixture(scope="module", params=["videos", "clips"])
def manifest(request, videos):
    """Clips are compared by the videos that they were cropped from, and by their own frames."""
    if request.param == "videos":
        return videos
    clip = {"start": 0.2, "end": 1.0, "track": 0}
    return replace(videos, entries=tuple(replace(entry, origin=f"videos/{entry.path}", **clip) for entry in videos))


def planted(manifest, *entries):
    return replace(manifest, entries=(*manifest.entries, *entries))


def test_leaks_of_the_rows_are_named(manifest):
    real, fake, _ = manifest.entries
    other = Entry("stray.mp4", 1, "test", identity="x", origin="stray" * real.is_clip, track=real.track)
    for entry, kind, what in (
        (replace(other, path=real.path, origin=real.origin), "video", real.video),
        (replace(other, source=fake.source), "source", real.video),
        (replace(other, identity=real.identity), "identity", real.identity),
        (replace(other, donor=fake.donor), "identity", fake.donor),
    ):
        leaky = planted(manifest, entry)
        found = check_manifest(leaky, fast=True)
        assert {leak.kind for leak in found.leaks} == {kind} and found.leaks[-1].what == what
        assert [split for split, _ in found.leaks[-1].example] == ["train", "test"]
        assert entry.video in leaking_videos(leaky, "test")


def test_a_renamed_copy_of_another_quality_is_a_near_duplicate(manifest, tmp_path):
    assert check_manifest(manifest) == Findings((), (), ())
    real, copy = manifest.entries[0], str(write_frames(tmp_path / "a.mp4", man_face(24), crf=36))
    leaky = planted(manifest, replace(real, path=copy, origin="y.mp4" * real.is_clip, split="val", identity="x"))
    found = check_manifest(leaky)
    assert {leak.kind for leak in found.leaks} == {"duplicate"} and not check_manifest(leaky, fast=True).leaks
    assert {real.path, copy} <= {path for leak in found.leaks for _, path in leak.example}


def test_missing_and_unreadable_videos_are_listed(videos, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    manifest = planted(videos, Entry("absent.mp4", 0, "test"), Entry(str(tmp_path / "broken.mp4"), 0, "test"))
    found = check_manifest(manifest)
    assert found.missing == ("absent.mp4",)
    assert len(found.unreadable) == 1 and str(tmp_path / "broken.mp4") in found.unreadable[0]


def test_leaking_videos_and_manifests_without_them(videos, tmp_path):
    assert leaking_videos(videos, "test") == frozenset()
    copy = Entry(str(write_frames(tmp_path / "c.mp4", man_face(24), crf=32)), 0, "val", identity="renamed")
    known = Entry("known.mp4", 1, "val", identity="man")
    leaky = planted(videos, known, copy)
    assert leaking_videos(leaky, "val") == {"known.mp4", copy.path}
    assert without_leaks(leaky).entries == (videos.entries[2], known, copy)


# --- hashes: copies are near-duplicates, other scenes are not


NUMBERS = (0, 1, 2, 8, 11)  # 2, 8 and 11 are of the man, at three times and in three lights


def hashed(path, frames, **how):
    return hash_video(write_frames(path, frames, **how))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return {number: hashed(folder / f"{number}.mp4", scene(number, 1.0)) for number in NUMBERS}


def half(frames):
    return np.stack([cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames])


@pytest.mark.parametrize("change", [np.asarray, half, recoloured], ids=["same", "half", "recoloured"])
@pytest.mark.parametrize("number", NUMBERS[:3])
def test_copies_are_near(number, change, scenes, tmp_path):
    assert distance(scenes[number], hashed(tmp_path / "a.mp4", change(scene(number, 1.0)), crf=40)) <= LIMIT / 1.5


def test_an_excerpt_is_near_and_a_mirrored_copy_is_not(tmp_path):
    frames = woman_face(48)
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


# --- cues of coding and framing: each follows its property; the probe is a ridge regression


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    frames = np.concatenate([sample_frames(name, 2) for name in ("sample_woman", "sample_man")])
    corners = [(rng.integers(0, 200), rng.integers(0, 480)) for _ in range(40)]
    return np.stack([frames[n % 4, y : y + 160, x : x + 160] for n, (y, x) in enumerate(corners)])


def shrunk(image):
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def as_jpeg(image):
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], cv2.IMREAD_COLOR))


CHANGES = {
    "energy in the highest octave": (shrunk, -1),
    "contrast": (lambda image: image // 2 + 60, -1),
    "noise": (lambda image: image // 2 + np.random.default_rng(1).integers(0, 24, image.shape, np.uint8), 1),
    "blocks of 8 pixels": (as_jpeg, 1),
    "border": (lambda image: np.pad(image[20:-20], ((20, 20), (0, 0), (0, 0)), constant_values=16), 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cue_follows_its_property(name, images):
    change, sign = CHANGES[name]
    before, after = cues_of(images), cues_of([change(image) for image in images])
    assert (sign * (after - before)[:, CUES.index(name)] > 0).mean() >= 0.95


def test_the_probe_finds_a_cue_and_nothing_in_equal_classes(images):
    labels, folds = np.repeat([0, 1], 40), np.tile(np.arange(40) % 4, 2)
    assert probe_auc(cues_of([*images, *(shrunk(image) for image in images)]), labels, folds) > 0.6
    cues = cues_of(np.concatenate([images, images]))
    assert probe_auc(cues, labels, folds) == 0.5
    assert np.isnan(probe_auc(cues, np.ones(80), folds))  # a class is missing


def test_the_probe_is_ridge_regression_out_of_fold():
    rng = np.random.default_rng(2)
    cues, labels, folds = rng.normal(size=(90, 4)), np.arange(90) % 3 == 0, np.arange(90) // 30
    cues[labels, 1] += 1
    scores = np.empty(90)
    for fold in range(3):
        train = folds != fold
        mean, std = cues[train].mean(axis=0), cues[train].std(axis=0)
        weights = np.where(labels[train], 0.5 / labels[train].mean(), 0.5 / (1 - labels[train].mean()))
        ridge = Ridge(alpha=RIDGE).fit((cues[train] - mean) / std, labels[train], sample_weight=weights)
        scores[~train] = ridge.predict((cues[~train] - mean) / std)
    assert probe_auc(cues, labels, folds) == pytest.approx(roc_auc_score(labels, scores))

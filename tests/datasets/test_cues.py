"""The cue probe: each cue follows what it is named for, and the probe separates exactly what differs in cues."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from facetell.datasets.cues import CUES, MAX_AUC, RIDGE, cue_auc, cues_of, probe_auc, single_cue_aucs
from facetell.types import UInt8Array
from fixtures import sample_frames


@pytest.fixture(scope="module")
def images() -> UInt8Array:
    """40 different parts of the sample clips, 160 x 160 pixels."""
    rng = np.random.default_rng(0)
    frames = np.concatenate([sample_frames(name, 2) for name in ("sample_woman", "sample_man")])
    parts = []
    for number in range(40):
        y, x = rng.integers(0, 200), rng.integers(0, 480)
        parts.append(frames[number % 4, y : y + 160, x : x + 160])
    return np.stack(parts)


def shrunk(image: UInt8Array) -> UInt8Array:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def as_jpeg(image: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], cv2.IMREAD_COLOR))


def noisy(image: UInt8Array) -> UInt8Array:
    noise = np.random.default_rng(1).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def barred(image: UInt8Array) -> UInt8Array:
    image = image.copy()
    image[:20], image[-20:] = 16, 16
    return image


def scaled(image: UInt8Array, gain: float, bias: float = 0.0) -> UInt8Array:
    return np.clip(gain * image + bias, 0, 255).astype(np.uint8)


def grey(image: UInt8Array) -> UInt8Array:
    mean = image.mean(axis=2, keepdims=True)
    return (0.5 * image + 0.5 * mean).astype(np.uint8)


CHANGES: dict[str, tuple[Callable[[UInt8Array], UInt8Array], int]] = {
    "energy in the highest octave": (shrunk, -1),
    "brightness": (lambda image: scaled(image, 0.6, 80), 1),
    "contrast": (lambda image: scaled(image, 0.5, 60), -1),
    "saturation": (grey, -1),
    "noise": (noisy, 1),
    "blocks of 8 pixels": (as_jpeg, 1),
    "border": (barred, 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cue_follows_what_it_is_named_for(name: str, images: UInt8Array) -> None:
    change, sign = CHANGES[name]
    before, after = cues_of(images), cues_of([change(image) for image in images])
    moved = sign * (after - before)[:, CUES.index(name)] > 0
    assert moved.mean() >= 0.95


def test_octaves_follow_the_wavelength() -> None:
    """A sine of period 3, 6 or 12 pixels has its energy in the first, second or third octave."""
    for octave, period in enumerate((3, 6, 12)):
        wave = 128 + 100 * np.sin(2 * np.pi * np.arange(96) / period)
        image = np.repeat(np.broadcast_to(wave, (96, 96))[..., None], 3, axis=2).astype(np.uint8)
        assert cues_of([image])[0, :3].argmax() == octave and cues_of([image])[0, octave] > -0.05


def test_the_probe_finds_a_cue_and_nothing_where_the_classes_are_alike(images: UInt8Array) -> None:
    labels, folds = np.repeat([0, 1], 40), np.tile(np.arange(40) % 4, 2)
    assert cue_auc([*images, *(shrunk(image) for image in images)], labels, folds) > MAX_AUC
    alike = cues_of(np.concatenate([images, images]))
    assert probe_auc(alike, labels, folds) == 0.5
    assert set(single_cue_aucs(alike, labels).values()) == {0.5}


def test_the_probe_is_ridge_regression_out_of_fold() -> None:
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


def test_a_class_that_is_missing_gives_no_figure() -> None:
    cues = np.random.default_rng(0).normal(size=(6, 2))
    assert np.isnan(probe_auc(cues, np.ones(6), np.arange(6) % 2))
    assert np.isnan(probe_auc(cues, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]))

"""Cues of coding and framing: each follows the property that it is named after; the probe is a ridge regression."""

import cv2
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from facetell.datasets.cues import CUES, MAX_AUC, RIDGE, cues_of, probe_auc
from fixtures import sample_frames


@pytest.fixture(scope="module")
def images():
    """40 different parts of the sample clips, 160 x 160 pixels."""
    rng = np.random.default_rng(0)
    frames = np.concatenate([sample_frames(name, 2) for name in ("sample_woman", "sample_man")])
    corners = [(rng.integers(0, 200), rng.integers(0, 480)) for _ in range(40)]
    return np.stack([frames[n % 4, y : y + 160, x : x + 160] for n, (y, x) in enumerate(corners)])


def shrunk(image):
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def as_jpeg(image):
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], cv2.IMREAD_COLOR))


def barred(image):
    return np.pad(image[20:-20], ((20, 20), (0, 0), (0, 0)), constant_values=16)


CHANGES = {
    "energy in the highest octave": (shrunk, -1),
    "contrast": (lambda image: image // 2 + 60, -1),
    "noise": (lambda image: image // 2 + np.random.default_rng(1).integers(0, 24, image.shape, np.uint8), 1),
    "blocks of 8 pixels": (as_jpeg, 1),
    "border": (barred, 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cue_follows_its_property(name, images):
    change, sign = CHANGES[name]
    before, after = cues_of(images), cues_of([change(image) for image in images])
    assert (sign * (after - before)[:, CUES.index(name)] > 0).mean() >= 0.95


def test_the_probe_finds_a_cue_and_nothing_in_equal_classes(images):
    labels, folds = np.repeat([0, 1], 40), np.tile(np.arange(40) % 4, 2)
    assert probe_auc(cues_of([*images, *(shrunk(image) for image in images)]), labels, folds) > MAX_AUC
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

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from facetell.engine.info import Calibration
from facetell.metrics.measures import brier, ece, probabilities, reliability


def test_measures_and_curve_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 500)
    y = (rng.uniform(0, 1, 500) < p**2).astype(int)
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p))
    observed, predicted = calibration_curve(y, p, n_bins=15)
    curve = reliability(y, p)
    np.testing.assert_allclose([[b.observed.value, b.predicted] for b in curve], np.stack([observed, predicted]).T)
    counts = np.array([b.count for b in curve])
    assert counts.sum() == 500 and sum(b.observed.low < b.observed.value < b.observed.high for b in curve) >= 13
    assert ece(y, p) == pytest.approx((counts / 500 * np.abs(observed - predicted)).sum())
    edges = reliability([0, 1, 1, 1, 0], [0.0, 1 / 15, 1.0, 0.99, 0.07])  # closed below, the last on both sides
    assert [(b.count, b.observed.value) for b in edges] == [(1, 0), (2, 0.5), (2, 1)]


@pytest.mark.parametrize("measure", [brier, ece])
def test_no_video_and_nan_give_nan_and_weights_are_repetitions(measure):
    assert np.isnan(measure([], [])) and np.isnan(measure([0, 1], [0.5, np.nan]))
    y, p, times = np.array([0, 1, 1, 0]), np.array([0.2, 0.3, 0.9, 0.25]), np.array([3, 0, 1, 2])
    assert measure(y, p, times[None]) == pytest.approx([measure(np.repeat(y, times), np.repeat(p, times))])


def test_probabilities_are_those_of_detection():
    calibration = Calibration(1.7, -0.4, (0.1, 0, 0, 0.1), 0.3, 0.6)
    logits = [-800.0, -3.0, 0.0, 2.5, 800.0]
    assert probabilities(logits, calibration) == pytest.approx([calibration.probability(x) for x in logits])
    assert np.isnan(probabilities([np.nan], calibration)[0])

import numpy as np
import pytest
from hypothesis import given
from scipy import special
from sklearn import metrics
from sklearn.calibration import calibration_curve

from evaluate.tables import labelled, steady
from facetell.engine.info import Calibration
from facetell.metrics.measures import brier, ece, probabilities, reliability


@given(labelled())
@steady
def test_brier_agrees_with_scikit_learn(case):
    y, x = case
    p = special.expit(x)
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p))


def test_error_and_curve_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 500)
    y = (rng.uniform(0, 1, 500) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=15)
    curve = reliability(y, p)
    np.testing.assert_allclose([curve.observed, curve.predicted], [observed, predicted])
    assert curve.counts.sum() == 500 and ((curve.low < observed) & (observed < curve.high)).sum() >= 13
    assert ece(y, p) == pytest.approx((curve.counts / 500 * np.abs(observed - predicted)).sum())


def test_bins_are_closed_below_and_the_last_includes_one():
    curve = reliability([0, 1, 1, 1], [0.0, 0.5, 1.0, 0.49], bins=2)
    assert curve.counts.tolist() == [2, 2] and curve.edges.tolist() == [0, 0.5, 1]
    empty = reliability([1, 1], [0.9, 0.95], bins=2)
    assert np.isnan([empty.predicted[0], empty.observed[0], empty.low[0], empty.high[0]]).all()
    with pytest.raises(ValueError, match="NaN"):
        reliability([0, 1], [0.1, np.nan])


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

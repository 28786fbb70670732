import numpy as np
import pytest
from hypothesis import given
from scipy import special
from sklearn import metrics
from sklearn.calibration import calibration_curve

from evaluate.tables import labelled, steady
from facetell.engine.info import Calibration
from facetell.metrics.calibration import brier, calibration_of, ece, log_loss, probabilities, reliability
from facetell.types import FacetellError


@given(labelled())
@steady
def test_brier_and_log_loss_are_scikit_learns(case):
    y, x = case
    p = special.expit(x)
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p))
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p, labels=[0, 1]))


def test_error_and_curve_are_scikit_learns_bins():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 500)
    y = (rng.uniform(0, 1, 500) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=15)
    curve = reliability(y, p)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.counts.sum() == 500 and ((curve.low < observed) & (observed < curve.high)).sum() >= 13
    assert ece(y, p) == pytest.approx((curve.counts / 500 * np.abs(observed - predicted)).sum())
    assert ece(y, p) > 3 * ece((rng.uniform(0, 1, 500) < p).astype(int), p) * 0.5


def test_bins_are_closed_below_and_the_last_holds_one():
    curve = reliability([0, 1, 1, 1], [0.0, 0.5, 1.0, 0.49], bins=2)
    assert curve.counts.tolist() == [2, 2] and curve.edges.tolist() == [0, 0.5, 1]


def test_an_empty_bin_is_nan_and_one_class_will_do():
    curve = reliability([1, 1], [0.9, 0.95], bins=2)
    assert np.isnan([curve.predicted[0], curve.observed[0], curve.low[0], curve.high[0]]).all()
    assert brier([1, 1], [0.9, 0.8]) == pytest.approx(0.025) and ece([1, 1], [0.9, 0.8]) == pytest.approx(0.15)
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(np.finfo(float).eps))


@pytest.mark.parametrize("measure", [brier, log_loss, ece])
def test_nothing_and_nan_give_nan_and_weights_are_repetitions(measure):
    assert np.isnan(measure([], [])) and np.isnan(measure([0, 1], [0.5, np.nan]))
    y, p, times = np.array([0, 1, 1, 0]), np.array([0.2, 0.3, 0.9, 0.25]), np.array([3, 0, 1, 2])
    assert measure(y, p, times[None]) == pytest.approx([measure(np.repeat(y, times), np.repeat(p, times))])


def test_reliability_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        reliability([0, 1], [0.1, np.nan])


def test_probabilities_are_the_models_own():
    told = {"temperature": 1.7, "bias": -0.4, "covariance": [0.1, 0, 0, 0.1], "clip_std": 0.3, "threshold": 0.6}
    calibration = calibration_of({"calibration": told})
    assert calibration == Calibration(1.7, -0.4, (0.1, 0, 0, 0.1), 0.3, 0.6)
    logits = [-800.0, -3.0, 0.0, 2.5, 800.0]
    assert probabilities(logits, calibration) == pytest.approx([calibration.probability(x) for x in logits])
    assert np.isnan(probabilities([np.nan], calibration)[0])
    assert calibration_of({}) == Calibration()


@pytest.mark.parametrize(
    "told", [{"heat": 1}, ["hot"], 3, {"temperature": "hot"}, {"temperature": 0.0}, {"bias": float("nan")}]
)
def test_a_calibration_that_is_not_valid_is_refused(told):
    with pytest.raises(FacetellError, match=r"the calibration in the score file is not valid: .*score again$"):
        calibration_of({"calibration": told})

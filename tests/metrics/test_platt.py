import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from facetell.engine import Calibration
from facetell.engine.info import sigmoid
from facetell.metrics.measures import Sample
from facetell.metrics.platt import FALSE_POSITIVES, fit_calibration, fit_platt, tail_scale, threshold_logit


def sample(labels, logits):
    labels = np.asarray(labels, dtype=float)
    return Sample(labels, logits, labels, np.arange(len(labels)), labels)


def test_fit_is_logistic_regression_with_equal_weight_of_both_classes():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(2, 1.5, 60), rng.normal(-1, 1.5, 30)])
    y = np.repeat([1, 0], [60, 30])
    reference = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-10).fit(x[:, None], y)
    expected = reference.coef_[0, 0], reference.intercept_[0]
    assert fit_platt(y, x, penalty=0) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    slope, bias = fit_platt(y, x)
    assert 1 < slope < expected[0] and (slope, bias) == pytest.approx(expected, rel=0.1, abs=0.15)


def test_slope_is_finite_for_separable_classes_positive_for_swapped_ones_and_needs_both():
    assert 1 < fit_platt([0, 0, 1, 1], [-2, -1, 1, 2])[0] < 20
    assert 0 < fit_platt([1, 1, 0, 0], [-2, -1, 1, 2])[0] < 0.2
    for y, x in (([1, 1], [1, 2]), ([0, 1], [1, np.nan]), ([], [])):
        with pytest.raises(ValueError, match="Platt scaling needs"):
            fit_platt(y, x)


def test_calibration_has_a_covariance_and_a_threshold_of_at_least_one_half():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3 > 0
    x = rng.normal(y)
    found = fit_calibration(sample(y, x), 0.3, draws=100)
    assert (1 / found.temperature, found.bias) == fit_platt(y, x) and found.clip_std == 0.3
    a, b, c, d = found.covariance
    assert a > 0 and d > 0 and b == pytest.approx(c) and a * d > b * c
    assert 0 <= found.threshold - max(0.5, found.probability(threshold_logit(x[~y]))) <= 0.001
    assert found.tail == pytest.approx(tail_scale(x[~y]) / found.temperature) and found.false_positives == 0.05
    assert fit_calibration(sample(y, x + 20 * y), 0.3, draws=2).threshold == 0.5


@pytest.mark.parametrize("draw", ["normal", "logistic", "exponential", "gumbel"])
def test_the_false_positive_rate_holds_for_several_genuine_faces(draw):
    """Over 300 calibrations on 100 reals each. Without the correction eight faces have about 33 %."""
    rng = np.random.default_rng(0)
    rates = {faces: [] for faces in (1, 2, 4, 8)}
    for _ in range(300):
        reals = getattr(rng, draw)(size=100)
        threshold, tail = sigmoid(threshold_logit(reals)), tail_scale(reals)
        calibration = Calibration(threshold=threshold, false_positives=FALSE_POSITIVES, tail=tail)
        further = 1 / (1 + np.exp(-getattr(rng, draw)(size=(500, 8))))
        for faces, found in rates.items():
            found.append((further[:, :faces].max(axis=1) >= calibration.threshold_of(faces)).mean())
    for found in rates.values():
        assert np.mean(found) <= FALSE_POSITIVES + 2 * np.std(found) / np.sqrt(len(found))

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from facetell.train.corpus import Row
from facetell.train.evaluate import VideoScore, auc, auc_interval
from facetell.train.release import calibrate, wilson


def scores(logits, label, people=None):
    return [
        VideoScore(Row(f"{label}{i}", label, "", str(people[i] if people else i), "val"), (float(x),))
        for i, x in enumerate(logits)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    positive, negative = rng.integers(0, 9, 30) + 2.0, rng.integers(0, 9, 20) + 0.0
    expected = roc_auc_score([1] * 30 + [0] * 20, np.concatenate([positive, negative]))
    assert auc(positive, negative) == pytest.approx(expected)


def test_auc_of_nothing_is_nan():
    assert np.isnan(auc(np.array([]), np.array([1.0])))


def test_interval_holds_the_value_and_is_wider_when_people_repeat():
    rng = np.random.default_rng(0)
    fakes, reals = rng.normal(1, 1, 40), rng.normal(0, 1, 40)
    low, high = auc_interval(scores(fakes, 1), scores(reals, 0))
    assert low < auc(fakes, reals) < high
    few = [i // 10 for i in range(40)]
    order = np.sort(fakes), np.sort(reals)  # people whose videos are alike
    low_few, high_few = auc_interval(scores(order[0], 1, few), scores(order[1], 0, few))
    assert high_few - low_few > high - low


def test_calibration_is_logistic_regression_with_both_classes_weighing_the_same():
    rng = np.random.default_rng(1)
    fakes, reals = rng.normal(2, 1.5, 300), rng.normal(-1, 1.5, 150)
    found = calibrate(scores(fakes, 1) + scores(reals, 0) + [VideoScore(Row("x", 0, "", "x", "val"), (-1.0, -1.4))])
    x = np.concatenate([fakes, reals])[:, None]
    reference = LogisticRegression(C=1e6, class_weight="balanced").fit(x, [1] * 300 + [0] * 150)
    assert 1 / found.temperature == pytest.approx(reference.coef_[0, 0], rel=0.05)
    assert found.bias == pytest.approx(reference.intercept_[0], abs=0.05)
    assert found.covariance[0] > 0 and found.covariance[1] == pytest.approx(found.covariance[2])


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10)])
def test_wilson_lies_in_the_unit_interval_around_the_share(hits, total):
    low, high = wilson(hits, total)
    assert 0 <= low <= hits / total <= high <= 1 and high - low < 0.6

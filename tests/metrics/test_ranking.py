import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from evaluate.tables import labelled, steady
from facetell.metrics import ranking

MEASURES = [
    ranking.auc,
    ranking.partial_auc,
    ranking.average_precision,
    ranking.eer,
    ranking.tpr_at_fpr,
    ranking.balanced_accuracy,
]


@given(labelled())
@steady
def test_area_precision_and_accuracy_are_scikit_learns(case):
    y, x = case
    assert ranking.auc(y, x) == pytest.approx(metrics.roc_auc_score(y, x))
    for part in (0.01, 0.1, 0.37, 1.0):
        expected = metrics.roc_auc_score(y, x, max_fpr=part)
        assert ranking.partial_auc(y, x, max_fpr=part) == pytest.approx(expected)
    assert ranking.average_precision(y, x) == pytest.approx(metrics.average_precision_score(y, x))
    assert ranking.accuracy(y, x, threshold=1.0) == pytest.approx(metrics.accuracy_score(y, x >= 1))
    assert ranking.balanced_accuracy(y, x, threshold=1.0) == pytest.approx(metrics.balanced_accuracy_score(y, x >= 1))


@given(labelled())
@steady
def test_area_is_the_share_of_pairs_in_the_right_order(case):
    y, x = case
    fakes, reals = x[y == 1], x[y == 0]
    pairs = [(f > r) + 0.5 * (f == r) for f in fakes for r in reals]
    assert ranking.auc(y, x) == pytest.approx(np.mean(pairs))


@given(labelled())
@steady
def test_curve_is_scikit_learns(case):
    y, x = case
    fpr, tpr, thresholds = metrics.roc_curve(y, x, drop_intermediate=False)
    curve = ranking.roc_curve(y, x)
    np.testing.assert_allclose(curve.fpr, fpr)
    np.testing.assert_allclose(curve.tpr, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)


@given(labelled())
@steady
def test_equal_error_rate_lies_on_the_straight_curve_where_the_errors_are_equal(case):
    y, x = case
    fpr, tpr, _ = metrics.roc_curve(y, x, drop_intermediate=False)
    expected = np.interp(1.0, fpr + tpr, fpr)  # their sum rises strictly: each threshold adds something
    assert ranking.eer(y, x) == pytest.approx(expected, abs=1e-12)


@given(labelled())
@steady
def test_equal_error_threshold_has_the_closest_errors_of_all_scores(case):
    y, x = case
    chosen = ranking.eer_threshold(y, x)

    def gap(threshold):
        return abs(np.mean(x[y == 0] >= threshold) - np.mean(x[y == 1] < threshold))

    best = min(gap(t) for t in x)
    assert gap(chosen) == pytest.approx(best, abs=1e-12)
    assert not any(t > chosen and gap(t) < best + 1e-9 for t in x)


@given(labelled(), st.sampled_from([0.01, 0.05, 0.2, 0.5, 1.0]))
@steady
def test_tpr_is_the_best_that_any_threshold_reaches_within_the_fpr(case, most):
    y, x = case
    reached = [0.0] + [np.mean(x[y == 1] >= t) for t in x if np.mean(x[y == 0] >= t) <= most]
    assert ranking.tpr_at_fpr(y, x, max_fpr=most) == pytest.approx(max(reached))


@given(labelled(30), st.data())
@steady
def test_weights_are_repetitions(case, data):
    y, x = case
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y))))
    times[:2] += 1  # one of each class at least
    weights = np.stack([times, np.ones(len(y))])
    for measure in MEASURES:
        both = measure(y, x, weights)
        assert both[0] == pytest.approx(measure(np.repeat(y, times), np.repeat(x, times)))
        assert both[1] == pytest.approx(measure(y, x))


def test_known_values():
    assert ranking.auc([0, 0, 1, 1], [0, 1, 2, 3]) == 1
    assert ranking.auc([1, 1, 0, 0], [0, 1, 2, 3]) == 0
    assert ranking.eer([0, 0, 1, 1], [0, 1, 2, 3]) == 0
    # 100 reals at 0..99, fakes above 99, 98, 97: the one false positive that 1 % allows is the real at 99
    y, x = [0] * 100 + [1] * 3, [*range(100), 99.5, 98.5, 97.5]
    assert ranking.tpr_at_fpr(y, x, max_fpr=0.009) == pytest.approx(1 / 3)
    assert ranking.tpr_at_fpr(y, x) == pytest.approx(2 / 3)
    assert ranking.tpr_at_fpr(y, x, max_fpr=0.05) == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_missing_class_a_missing_score_and_nothing_give_nan(measure):
    for y, x in [([0, 0], [1.0, 2.0]), ([1], [1.0]), ([], []), ([0, 1, 1], [0.0, np.nan, 1.0])]:
        assert np.isnan(measure(y, x))
    assert np.isnan(measure([0, 1], [0.0, 1.0], np.array([[1.0, 0.0], [0.0, 0.0]]))).all()
    assert np.isnan(ranking.eer_threshold([1, 1], [1, 2])) and np.isnan(ranking.eer_threshold([0, 1], [1, np.nan]))


def test_ties_are_chance_and_infinite_scores_have_an_order():
    y = [0, 0, 1, 1]
    assert ranking.auc(y, [2.0] * 4) == 0.5 and ranking.eer(y, [2.0] * 4) == 0.5
    assert ranking.tpr_at_fpr(y, [2.0] * 4) == 0
    assert ranking.auc(y, [-np.inf, 0, np.inf, np.inf]) == 1


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="leave out the videos whose label"):
        ranking.auc([0, 1, -1], [1, 2, 3])
    with pytest.raises(ValueError, match="one number a video"):
        ranking.auc([0, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="do not fit"):
        ranking.auc([0, 1], [1, 2], np.ones((5, 3)))
    with pytest.raises(ValueError, match="max_fpr"):
        ranking.partial_auc([0, 1], [1, 2], max_fpr=0.0)
    with pytest.raises(ValueError, match="NaN"):
        ranking.roc_curve([0, 1], [1, np.nan])

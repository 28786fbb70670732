import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from facetell.metrics import ranking

MEASURES = [ranking.auc, ranking.average_precision, ranking.eer, ranking.tpr_at_fpr]
steady = settings(deadline=None, max_examples=30)  # no example fails for being slow on a busy machine


@st.composite
def labelled(draw, most=60):
    """Labels and scores of 2 to ``most`` videos, both classes among them, often with ties."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=most - 2))]
    value = st.one_of(st.integers(-3, 3).map(float), st.floats(-30, 30))
    return np.array(labels), np.array(draw(st.lists(value, min_size=len(labels), max_size=len(labels))))


@given(labelled())
@steady
def test_measures_agree_with_scikit_learn(case):
    y, x = case
    assert ranking.auc(y, x) == pytest.approx(metrics.roc_auc_score(y, x))
    assert ranking.average_precision(y, x) == pytest.approx(metrics.average_precision_score(y, x))
    assert ranking.accuracy(y, x, threshold=1.0) == pytest.approx(metrics.accuracy_score(y, x >= 1))
    fpr, tpr, _ = metrics.roc_curve(y, x, drop_intermediate=False)
    curve = ranking.roc_curve(y, x)
    np.testing.assert_allclose([curve.fpr, curve.tpr], [fpr, tpr])
    assert ranking.eer(y, x) == pytest.approx(np.interp(1.0, fpr + tpr, fpr), abs=1e-12)  # the sum rises strictly


@given(labelled(), st.sampled_from([0.01, 0.05, 0.2, 0.5, 1.0]))
@steady
def test_tpr_is_the_highest_of_all_thresholds_within_the_fpr(case, most):
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
        expected = [measure(np.repeat(y, times), np.repeat(x, times)), measure(y, x)]
        assert measure(y, x, weights) == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_missing_class_missing_score_and_no_video_give_nan(measure):
    for y, x in [([0, 0], [1.0, 2.0]), ([1], [1.0]), ([], []), ([0, 1, 1], [0.0, np.nan, 1.0])]:
        assert np.isnan(measure(y, x))
    assert np.isnan(measure([0, 1], [0.0, 1.0], np.array([[1.0, 0.0], [0.0, 0.0]]))).all()


def test_wrong_input_is_refused():
    for measure, *wrong in (
        (ranking.auc, [0, 1, -1], [1, 2, 3]),
        (ranking.auc, [0, 1], [1, 2, 3]),
        (ranking.auc, [0, 1], [1, 2], np.ones((5, 3))),
        (ranking.roc_curve, [0, 1], [1, np.nan]),
    ):
        with pytest.raises(ValueError):  # of any message
            measure(*wrong)
    with pytest.raises(ValueError, match="max_fpr"):
        ranking.tpr_at_fpr([0, 1], [1, 2], max_fpr=0.0)

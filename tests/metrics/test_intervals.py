import numpy as np
import pytest
from scipy import stats

from facetell.metrics.intervals import bootstrap, draw_identities, interval, wilson
from facetell.metrics.ranking import auc


def made(n=200, seed=0, identities=None):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return y, rng.normal(y), np.arange(n) // 2 % (identities or n)


def test_draws_take_complete_identities_as_many_as_there_are_in_each_class():
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    names = np.array(["a", "a", "b", "a", "c", "c", "d", "b"])
    (weights,) = draw_identities(y, names, draws=500, seed=3)
    assert weights.shape == (500, 8)
    for label in (0, 1):
        drawn = 0
        for name in sorted(set(names[y == label])):
            times = weights[:, (y == label) & (names == name)]
            assert (times == times[:, :1]).all()  # all videos of one person together
            drawn = drawn + times[:, 0]
        assert (drawn == len(set(names[y == label]))).all()
    assert not np.array_equal(weights[:, 0], weights[:, 3])  # the classes are drawn separately


def test_bootstrap_is_the_measure_on_drawn_videos_and_repeats():
    y, x, identities = made(40, identities=7)
    drawn = [w for weights in draw_identities(y, identities, draws=30) for w in weights]
    rows = [np.repeat(np.arange(len(y)), w.astype(int)) for w in drawn]
    found = bootstrap(lambda w: auc(y, x, w), y, identities, draws=30)
    assert found == pytest.approx([auc(y[r], x[r]) for r in rows])
    assert np.array_equal(found, bootstrap(lambda w: auc(y, x, w), y, identities, draws=30))


def test_interval_agrees_with_scipy():
    y, x, identities = made(300)
    found = interval(auc, y, x, identities, draws=3000)
    reference = stats.bootstrap(
        (x[y == 1], x[y == 0]),
        lambda a, b: stats.mannwhitneyu(a, b).statistic / len(a) / len(b),
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(reference, abs=0.01)


def test_one_identity_has_no_interval_and_a_missing_class_no_figure():
    one = interval(auc, [0, 0, 1, 1], [0, 2, 1, 3], ["a", "b", "c", "c"])
    assert one.value == 0.75 and np.isnan([one.low, one.high]).all()
    for y, x in [([0, 0], [0, 1]), ([1], [2]), ([], []), ([0, 0, 1, 1], [0, np.nan, 1, 2])]:
        nothing = interval(auc, y, x, np.arange(len(y)))
        assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10), (1, 1), (50, 70)])
def test_wilson_agrees_with_scipy(hits, total):
    reference = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson(hits, total) == pytest.approx((reference.low, reference.high), abs=1e-6)
    assert np.isnan(wilson(0, 0)).all()

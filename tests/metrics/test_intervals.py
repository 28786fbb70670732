import numpy as np
import pytest
from scipy import stats

from facetell.metrics.intervals import draw_identities, estimate_of, wilson
from facetell.metrics.ranking import auc


def test_draws_take_complete_identities_as_many_as_there_are_in_each_class():
    y, names = [0, 0, 0, 1, 1, 1, 1, 0], ["a", "a", "b", "a", "c", "c", "d", "b"]
    (weights,) = draw_identities(y, names, draws=500)
    a, a_too, b, fake_a, fake_c, fake_c_too, fake_d, b_too = weights.T
    assert (a == a_too).all() and (b == b_too).all() and (fake_c == fake_c_too).all()
    assert (a + b == 2).all() and (fake_a + fake_c + fake_d == 3).all()
    assert (a != fake_a).any()  # the classes are drawn separately


def test_interval_agrees_with_scipy():
    y = np.arange(300) % 2
    x = np.random.default_rng(0).normal(y)
    drawn = np.concatenate([auc(y, x, block) for block in draw_identities(y, np.arange(300) // 2, draws=3000)])
    found = estimate_of(auc(y, x), drawn)
    reference = stats.bootstrap(
        (x[y == 1], x[y == 0]),
        lambda a, b: stats.mannwhitneyu(a, b).statistic / len(a) / len(b),
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(reference, abs=0.01)


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10), (1, 1), (50, 70)])
def test_wilson_agrees_with_scipy(hits, total):
    reference = stats.binomtest(hits, total).proportion_ci(method="wilson")
    found = wilson(hits, total)
    expected = (reference.low, hits / total, reference.high)
    assert (found.low, found.value, found.high) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(wilson(0, 0).value)

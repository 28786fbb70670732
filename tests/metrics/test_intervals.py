import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from evaluate.tables import labelled, steady
from facetell.metrics.intervals import (
    bootstrap,
    delong,
    delong_test,
    difference_of,
    draw_identities,
    enough_people,
    interval,
    wilson,
)
from facetell.metrics.ranking import auc, eer


def made(n=200, seed=0, spread=1.0, people=None):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return y, rng.normal(y, spread), np.arange(n) // 2 % (people or n)


def test_draws_take_whole_people_as_many_as_there_are_in_each_class():
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    people = np.array(["a", "a", "b", "a", "c", "c", "d", "b"])
    (weights,) = draw_identities(y, people, draws=500, seed=3)
    assert weights.shape == (500, 8)
    for label in (0, 1):
        names = sorted(set(people[y == label]))
        times = np.stack([weights[:, (y == label) & (people == name)] for name in names[:1]], axis=-1)
        assert (times == times[:, :1]).all()  # all of one person's videos together
        drawn = sum(weights[:, np.flatnonzero((y == label) & (people == name))[0]] for name in names)
        assert (drawn == len(names)).all()
    assert not np.array_equal(weights[:, 0], weights[:, 3])  # the classes are drawn apart
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_draws_repeat_with_the_seed_and_do_not_depend_on_blocks(monkeypatch):
    y, _, people = made()
    first, again = (np.concatenate([*draw_identities(y, people, draws=50, seed=1)]) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, np.concatenate([*draw_identities(y, people, draws=50, seed=2)]))
    monkeypatch.setattr("facetell.metrics.intervals._CELLS", 1500)
    blocks = [*draw_identities(y, people, draws=50, seed=1)]
    assert len(blocks) > 1 and sum(map(len, blocks)) == 50


def test_bootstrap_is_the_measure_on_drawn_videos():
    y, x, people = made(40, people=7)
    slow = []
    for weights in draw_identities(y, people, draws=30):
        for w in weights:
            rows = np.repeat(np.arange(len(y)), w.astype(int))
            slow.append(auc(y[rows], x[rows]))
    assert bootstrap(lambda w: auc(y, x, w), y, people, draws=30) == pytest.approx(slow)


def test_interval_agrees_with_scipys_bootstrap():
    y, x, people = made(300)
    found = interval(auc, y, x, people, draws=3000)
    reference = stats.bootstrap(
        (x[y == 1], x[y == 0]),
        lambda a, b: stats.mannwhitneyu(a, b).statistic / len(a) / len(b),
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(reference, abs=0.01)
    assert found.low < found.value < found.high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    truth = stats.norm.cdf(1 / np.sqrt(2))
    inside = [(e := interval(auc, *made(120, seed=s), draws=300)).low <= truth <= e.high for s in range(100)]
    assert 88 <= sum(inside) <= 100


def test_interval_is_wider_where_people_have_several_like_videos():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    person = np.arange(200) // 2 % 10
    x = rng.normal(y, 0.3) + rng.normal(0, 1, 10)[person]
    alone, together = interval(auc, y, x, np.arange(200)), interval(auc, y, x, person)
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_no_interval_where_there_is_one_person_and_no_figure_where_a_class_is_missing():
    one = interval(auc, [0, 0, 1, 1], [0, 2, 1, 3], ["a", "b", "c", "c"])
    assert one.value == 0.75 and np.isnan([one.low, one.high]).all() and str(one) == "0.750"
    for y, x in [([0, 0], [0, 1]), ([1], [2]), ([], []), ([0, 0, 1, 1], [0, np.nan, 1, 2])]:
        nothing = interval(auc, y, x, np.arange(len(y)))
        assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert not enough_people([], [])
    ties = interval(auc, [0, 0, 1, 1], [1, 1, 1, 1], list("abcd"))
    assert (ties.value, ties.low, ties.high) == (0.5, 0.5, 0.5)


def slow_delong(y, *models):
    """Pair by pair, after the definition."""
    fakes, reals = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    psi = [
        np.array([[1.0 if x[f] > x[r] else 0.5 if x[f] == x[r] else 0.0 for r in reals] for f in fakes]) for x in models
    ]
    values = [p.mean() for p in psi]

    def covariance(p, q):
        a = sum((p[i].mean() - p.mean()) * (q[i].mean() - q.mean()) for i in range(len(fakes))) / (len(fakes) - 1)
        b = sum((p[:, j].mean() - p.mean()) * (q[:, j].mean() - q.mean()) for j in range(len(reals)))
        return a / len(fakes) + b / (len(reals) - 1) / len(reals)

    return values, np.array([[covariance(p, q) for q in psi] for p in psi])


@given(labelled(25))
@steady
def test_delong_is_the_slow_one(case):
    y, a = case
    y = np.append(y, [0, 1])
    a = np.append(a, [0.5, 0.25])
    b = np.round(a) + np.arange(len(a)) % 3
    values, covariance = slow_delong(y, a, b)
    value, variance = delong(y, a)
    assert (value, variance) == pytest.approx((values[0], covariance[0, 0]), abs=1e-12)
    test = delong_test(y, a, b)
    spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert test.value == pytest.approx(values[0] - values[1], abs=1e-12)
    if spread > 1e-9:
        assert test.p == pytest.approx(2 * stats.norm.sf(abs(test.value) / np.sqrt(spread)), abs=1e-9)
        half = stats.norm.ppf(0.975) * np.sqrt(spread)
        assert (test.low, test.high) == pytest.approx((test.value - half, test.value + half), abs=1e-5)


def test_delong_of_degenerate_input():
    y, x = [0, 0, 1, 1], [0.0, 2.0, 1.0, 3.0]
    same = delong_test(y, x, x)
    assert same.value == 0 and same.p == 1
    assert np.isnan(delong_test(y, [0, 1, 2, 3], [3, 2, 1, 0]).p)  # 1 against 0, both without any spread
    assert np.isnan(delong([0, 0], [1, 2])).all() and np.isnan(delong([0, 1], [1, np.nan])).all()
    value, variance = delong([0, 0, 1], [1, 2, 3])
    assert value == 1 and np.isnan(variance)
    assert np.isnan(delong_test([0, 0, 1], [1, 2, 3], [1, 2, 2]).p)


def paired_difference(measure, y, a, b, people, draws=2000):
    def difference(weights):
        return measure(y, a, weights) - measure(y, b, weights)

    return difference_of(float(difference(np.ones((1, len(y))))[0]), bootstrap(difference, y, people, draws=draws))


def test_paired_difference_agrees_with_delong_where_videos_are_independent():
    y, x, people = made(400)
    rng = np.random.default_rng(1)
    a, b = x + rng.normal(0, 0.3, 400), x + rng.normal(0, 1.0, 400)
    found, reference = paired_difference(auc, y, a, b, people), delong_test(y, a, b)
    assert found.value == pytest.approx(reference.value)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.01)
    assert found.p < 0.05 and reference.p < 0.05
    turned = paired_difference(auc, y, b, a, people)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert turned.p == found.p


def test_paired_p_is_about_uniform_where_there_is_no_difference():
    low = 0
    for seed in range(100):
        y, x, people = made(100, seed=seed)
        rng = np.random.default_rng(1000 + seed)
        noise = rng.normal(0, 0.7, (2, 100))
        low += paired_difference(eer if seed % 2 else auc, y, x + noise[0], x + noise[1], people, draws=300).p < 0.1
    assert 2 <= low <= 20


def test_paired_difference_of_degenerate_input():
    y, x = [0, 0, 1, 1], [0.0, 2.0, 1.0, 3.0]
    same = paired_difference(auc, y, x, x, [0, 1, 2, 3], draws=100)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert np.isnan(difference_of(0.5, None).p)


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10), (1, 1), (50, 70)])
def test_wilson_is_scipys(hits, total):
    reference = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson(hits, total) == pytest.approx((reference.low, reference.high), abs=1e-6)
    assert np.isnan(wilson(0, 0)).all()

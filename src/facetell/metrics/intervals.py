"""Confidence intervals: bootstrap over identities, Wilson score interval.

Videos of one person are not independent, so the bootstrap draws whole identities with all their videos, real and
forged videos separately (stratified).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facetell.engine.info import Z95
from facetell.metrics.ranking import Values, check

DRAWS = 2000
_CELLS = 2_000_000  # draws x videos computed at once: 16 MB per array


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """The difference of two figures, its 95 % interval, and the two-sided p of "no difference"."""

    p: float = math.nan


def draw_identities(labels: ArrayLike, identities: ArrayLike, *, draws: int = DRAWS) -> Iterator[Values]:
    """Bootstrap weights: how often each video is drawn, in blocks (block, N) of ``draws`` rows in total.

    ``identities`` are N keys, equal for videos of one person. In each class as many identities are drawn, with
    replacement, as it has; a drawn identity brings all its videos of that class. The seed is fixed.
    """
    y, group = np.asarray(labels), np.asarray(identities)
    strata = []
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        if len(rows):
            numbers = np.unique(group[rows], return_inverse=True)[1]
            strata.append((rows, numbers, int(numbers.max()) + 1))
    rng = np.random.default_rng(0)
    block = max(1, _CELLS // max(len(y), 1))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        weights = np.zeros((size, len(y)))
        for rows, numbers, count in strata:
            drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
            times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
            weights[:, rows] = times[:, numbers]
        yield weights


def bootstrap(
    statistic: Callable[[Values], Values], labels: ArrayLike, identities: ArrayLike, *, draws: int = DRAWS
) -> Values:
    """The statistic, a function of weights (block, N), on every draw of :func:`draw_identities`: (draws, ...)."""
    return np.concatenate([statistic(w) for w in draw_identities(labels, identities, draws=draws)])


def enough_identities(labels: ArrayLike, identities: ArrayLike) -> bool:
    """Whether each class that occurs has at least two identities; the variance between people is unknown otherwise."""
    y, group = np.asarray(labels), np.asarray(identities)
    return len(y) > 0 and all(len(np.unique(group[y == label])) > 1 for label in np.unique(y))


def estimate_of(value: float, samples: Values | None) -> Estimate:
    """A figure with the percentile interval of bootstrap samples (draws,), if any; NaN where a sample is NaN."""
    return Estimate(value) if samples is None else Estimate(value, *np.quantile(samples, [0.025, 0.975]).tolist())


def difference_of(value: float, samples: Values | None) -> Difference:
    """A difference with the interval and the two-sided p of its paired bootstrap samples (draws,), if there are any.

    p is twice the smaller share of draws on one side of zero (draws at zero count for both), with one draw added so
    that it is never 0: ``min(1, 2 (1 + k) / (1 + draws))``.

    >>> difference_of(2.0, np.array([1.0, 2.0, 3.0])).p
    0.5
    """
    if samples is None or np.isnan(samples).any():
        return Difference(value)
    tail = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    found = estimate_of(value, samples)
    return Difference(value, found.low, found.high, min(1.0, 2 * (1 + tail) / (1 + len(samples))))


def interval(
    measure: Callable[[ArrayLike, ArrayLike, Values], Values],
    labels: ArrayLike,
    scores: ArrayLike,
    identities: ArrayLike,
    *,
    draws: int = DRAWS,
) -> Estimate:
    """A measure with its 95 % bootstrap interval over identities, or none where a class has a single identity."""
    y, x = check(labels, scores)
    value = float(measure(y, x, np.ones((1, len(y))))[0])
    if math.isnan(value) or not enough_identities(y, identities):
        return Estimate(value)
    return estimate_of(value, bootstrap(lambda w: measure(y, x, w), y, identities, draws=draws))


def wilson(hits: int, total: int) -> Estimate:
    """A share of independent trials with its 95 % Wilson score interval; NaN without a trial.

    >>> found = wilson(0, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.0, 0.278)
    """
    if not total:
        return Estimate(math.nan)
    square = Z95**2
    center = (hits + square / 2) / (total + square)
    half = Z95 / (total + square) * math.sqrt(hits * (total - hits) / total + square / 4)
    return Estimate(hits / total, max(0.0, center - half), min(1.0, center + half))

"""Confidence intervals: bootstrap over identities, Wilson score interval.

Videos of one person are not independent: whole identities are drawn, real and forged videos separately (stratified).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facetell.engine.info import Z95
from facetell.metrics.ranking import Values

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
    """Bootstrap weights with a fixed seed: how often each video is drawn, in blocks (block, N) of ``draws`` rows.

    In each class as many of the N ``identities`` are drawn, with replacement, as it has, with all their videos of it.
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


def enough_identities(labels: ArrayLike, identities: ArrayLike) -> bool:
    """Whether each class that occurs has at least two identities; the variance between people is unknown otherwise."""
    y, group = np.asarray(labels), np.asarray(identities)
    return len(y) > 0 and all(len(np.unique(group[y == label])) > 1 for label in np.unique(y))


def estimate_of(value: float, samples: Values | None) -> Estimate:
    """A figure with the percentile interval of bootstrap samples (draws,), if any; NaN where a sample is NaN."""
    return Estimate(value) if samples is None else Estimate(value, *np.quantile(samples, [0.025, 0.975]).tolist())


def difference_of(value: float, samples: Values | None) -> Difference:
    """A difference with the interval and the two-sided p of its paired bootstrap samples (draws,), if there are any.

    p is twice the smaller share of draws on one side of zero (zero is on both), with one draw added: it is never 0.

    >>> difference_of(2.0, np.array([1.0, 2.0, 3.0])).p
    0.5
    """
    if samples is None or np.isnan(samples).any():
        return Difference(value)
    tail = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    found = estimate_of(value, samples)
    return Difference(value, found.low, found.high, min(1.0, 2 * (1 + tail) / (1 + len(samples))))


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

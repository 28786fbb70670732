"""Measures of the order of scores: how well do they part forged from real? (METHOD section 4.)

All take ``labels`` (1 forged, 0 real), ``scores`` of any scale (higher = more suspect) and, for resampling,
``weights`` (..., N). All are NaN where a class is missing: an order of one class says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.metrics.weighted import Values, Vector, check, weighted


@dataclass(frozen=True, slots=True)
class Roc:
    """An ROC curve: what is called forged at each threshold (a score at or above it is).

    Attributes:
        thresholds: (K + 1,), falling: infinity (nothing is called forged), then each score that occurs.
        fpr, tpr: (..., K + 1) in [0, 1], rising from 0 to 1: share of reals and of fakes called forged; NaN throughout
            where there is no real, no fake.
        reals, fakes: (...), their weight.
    """

    thresholds: Vector
    fpr: Values
    tpr: Values
    reals: Values
    fakes: Values

    def of_both(self, values: Values) -> Values:
        """The values, NaN where a class is missing."""
        return np.where((self.reals > 0) & (self.fakes > 0), values, np.nan)


def roc_curve(labels: ArrayLike, scores: ArrayLike, weights: Values | None = None) -> Roc:
    """The ROC curve, all its points (those on a straight line are kept).

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,), without NaN.
        weights: (..., N), one curve for each; None: one each.

    Raises:
        ValueError: a score is NaN, or the shapes or labels are wrong.

    >>> curve = roc_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> curve.fpr, curve.tpr
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]))
    """
    y, x = check(labels, scores)
    if np.isnan(x).any():
        raise ValueError("a score is NaN; leave out the videos that were not scored")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-x, kind="stable")
    y, x, w = y[order], x[order], w[..., order]
    ends = np.flatnonzero(np.append(x[1:] != x[:-1], np.ones(min(len(x), 1), dtype=bool)))  # ties are one step

    def counted(of: Values) -> Values:
        steps = np.cumsum(of, axis=-1)[..., ends]
        return np.concatenate([np.zeros((*steps.shape[:-1], 1)), steps], axis=-1)

    false, true = counted(w * (1 - y)), counted(w * y)
    reals, fakes = false[..., -1], true[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        fpr, tpr = false / reals[..., None], true / fakes[..., None]
    return Roc(np.append(np.inf, x[ends]), fpr, tpr, reals, fakes)


@weighted
def auc(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Area under the ROC curve: the chance that a fake scores higher than a real, a tie counting half.

    ``AUC = P(s_fake > s_real) + P(s_fake = s_real) / 2``, in O(N log N).

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,).
        weights: (..., N).

    Returns:
        In [0, 1]; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> auc([0, 0, 1, 1], [-1.0, 0.3, 0.3, 2.0])
    0.875
    """
    curve = roc_curve(labels, scores, weights)
    return curve.of_both(_area(curve.fpr, curve.tpr))


@weighted
def partial_auc(labels: Vector, scores: Vector, weights: Values, max_fpr: float = 0.1) -> Values:
    """Area under the ROC curve up to ``max_fpr``, standardised (McClish 1989): 0.5 is chance, 1 is perfect.

    ``(1 + (A - x² / 2) / (x - x² / 2)) / 2`` with A the area from FPR 0 to x, as scikit-learn's ``max_fpr``.

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,).
        weights: (..., N).
        max_fpr: x in (0, 1].

    Returns:
        In [0, 1]; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: ``max_fpr``, shapes or labels are wrong.

    >>> round(partial_auc([0, 0, 1, 1], [-1.0, 0.3, 0.3, 2.0], max_fpr=0.5), 3)
    0.833
    """
    _check_rate(max_fpr)
    curve = roc_curve(labels, scores, weights)
    left, right = curve.fpr[..., :-1], curve.fpr[..., 1:]
    low, high = curve.tpr[..., :-1], curve.tpr[..., 1:]
    width = np.clip(max_fpr - left, 0, right - left)  # what of each step lies left of max_fpr
    slope = np.divide(high - low, right - left, out=np.zeros_like(width), where=right > left)
    area = (width * (low + slope * width / 2)).sum(axis=-1)
    chance = max_fpr**2 / 2
    return curve.of_both((1 + (area - chance) / (max_fpr - chance)) / 2)


@weighted
def average_precision(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Average precision: the precision at each threshold, weighted by the fakes that it adds.

    ``AP = sum_k (R_k - R_(k-1)) P_k``, not interpolated, as scikit-learn's. It depends on the share of fakes: compare
    it on equal sets only.

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,).
        weights: (..., N).

    Returns:
        In [0, 1]; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> round(average_precision([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.8]), 3)
    0.833
    """
    curve = roc_curve(labels, scores, weights)
    true, false = curve.tpr * curve.fakes[..., None], curve.fpr * curve.reals[..., None]
    called = true + false
    precision = np.divide(true, called, out=np.zeros_like(called), where=called > 0)
    return curve.of_both((np.diff(curve.tpr, axis=-1) * precision[..., 1:]).sum(axis=-1))


@weighted
def eer(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Equal error rate: where as many reals are called forged as fakes are missed, ``FPR = 1 - TPR``.

    The ROC curve is taken as straight between its points (not as its convex hull), which is the same as tossing a coin
    between two thresholds.

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,).
        weights: (..., N).

    Returns:
        In [0, 1], 0 is perfect; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> eer([0, 0, 0, 1, 1], [-2.0, -1.0, 1.0, 0.0, 2.0])
    0.3333333333333333
    """
    curve = roc_curve(labels, scores, weights)
    both = curve.fpr + curve.tpr  # rises from 0 to 2, and is 1 where the errors are equal
    after = np.maximum(np.argmax(both >= 1, axis=-1), 1)[..., None]

    def at(values: Values, index: NDArray[np.int64]) -> Values:
        return np.take_along_axis(values, index, axis=-1)[..., 0]

    before = at(both, after - 1)
    share = (1 - before) / (at(both, after) - before)
    left = at(curve.fpr, after - 1)
    return curve.of_both(left + share * (at(curve.fpr, after) - left))


def eer_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """The threshold, of the scores that occur, at which FPR and 1 - TPR are closest; the highest such.

    A score at or above it is called forged. NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> eer_threshold([0, 0, 0, 1, 1], [-2.0, -1.0, 1.0, 0.0, 2.0])
    1.0
    """
    _, x = check(labels, scores)
    if np.isnan(x).any():
        return float("nan")
    curve = roc_curve(labels, scores)
    if not (curve.reals > 0 and curve.fakes > 0):
        return float("nan")
    unequal = np.abs(curve.fpr + curve.tpr - 1)[1:].round(12)  # equal ones are to be equal, whatever their rounding
    return float(curve.thresholds[1:][np.argmin(unequal)])


@weighted
def tpr_at_fpr(labels: Vector, scores: Vector, weights: Values, max_fpr: float = 0.01) -> Values:
    """The highest TPR among the thresholds whose FPR is at most ``max_fpr``; nothing is interpolated.

    With fewer than 1 / ``max_fpr`` reals this is the TPR without any false positive. It is 0 where the reals that score
    highest stand above, or level with, all fakes.

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,).
        weights: (..., N).
        max_fpr: in (0, 1].

    Returns:
        In [0, 1]; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: ``max_fpr``, shapes or labels are wrong.

    >>> tpr_at_fpr([0, 0, 0, 1, 1], [-2.0, -1.0, 1.0, 0.0, 2.0])
    0.5
    """
    _check_rate(max_fpr)
    curve = roc_curve(labels, scores, weights)
    return curve.of_both(np.where(curve.fpr <= max_fpr, curve.tpr, 0).max(axis=-1))


@weighted
def accuracy(labels: Vector, scores: Vector, weights: Values, threshold: float = 0.5) -> Values:
    """Share of right calls, a score at or above ``threshold`` being called forged. It depends on the share of fakes.

    Args:
        labels: (N,), 1 forged, 0 real; one class alone will do.
        scores: (N,), on the scale of the threshold.
        weights: (..., N).
        threshold: from which on a video is called forged.

    Returns:
        In [0, 1]; NaN where a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> accuracy([0, 0, 1], [0.1, 0.6, 0.5])
    0.6666666666666666
    """
    right = (scores >= threshold) == (labels > 0)
    return np.asarray(weights @ right.astype(np.float64) / weights.sum(axis=-1))


@weighted
def balanced_accuracy(labels: Vector, scores: Vector, weights: Values, threshold: float = 0.5) -> Values:
    """Mean of the shares of right calls among reals and among fakes: half is chance, whatever the share of fakes.

    Args:
        labels: (N,), 1 forged, 0 real.
        scores: (N,), on the scale of the threshold.
        weights: (..., N).
        threshold: from which on a video is called forged.

    Returns:
        In [0, 1]; NaN where a class is missing or a score is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> balanced_accuracy([0, 0, 1], [0.1, 0.6, 0.5])
    0.75
    """
    called = scores >= threshold
    caught, cleared = called & (labels > 0), ~called & (labels < 1)
    fakes, reals = weights @ labels, weights @ (1 - labels)
    return np.asarray((weights @ caught.astype(np.float64) / fakes + weights @ cleared.astype(np.float64) / reals) / 2)


def _area(x: Values, y: Values) -> Values:
    return np.asarray((np.diff(x, axis=-1) * (y[..., 1:] + y[..., :-1]) / 2).sum(axis=-1))


def _check_rate(max_fpr: float) -> None:
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr has to lie in (0, 1], not {max_fpr}")

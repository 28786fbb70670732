"""The contract of all measures, and the measures of the order of scores: how well they separate forged from real.

``labels`` (N,) are 1 for forged and 0 for real, ``scores`` (N,) are higher for "forged", ``weights`` (..., N) say how
often each video counts: a bootstrap draw is a weighting, so a measure sorts its scores once for all draws. Without
weights a measure returns a float, with weights an array (...). It is NaN without a video, where a score is NaN and, but
for :func:`accuracy`, where a class is missing. Scores from a threshold on count as forged. ValueError: bad arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
"""Float64 (N,): one number per video."""
Values = NDArray[np.float64]
"""Float64 of any shape (..., N) or (...)."""


class Measure(Protocol):
    """A measure: one number for N videos, or one per weighting."""

    @overload
    def __call__(self, labels: ArrayLike, scores: ArrayLike, weights: None = None, **parameters: float) -> float: ...
    @overload
    def __call__(self, labels: ArrayLike, scores: ArrayLike, weights: Values, **parameters: float) -> Values: ...


def weighted(function: Callable[..., Values]) -> Measure:
    """Turn a function of labels (N,), scores (N,) and weights (..., N) into a :class:`Measure`."""

    @wraps(function)
    def measure(
        labels: ArrayLike, scores: ArrayLike, weights: Values | None = None, **parameters: float
    ) -> float | Values:
        y, x = check(labels, scores)
        w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        if w.shape[-1:] != y.shape:
            raise ValueError(f"weights of shape {w.shape} do not fit {len(y)} videos")
        if not len(y) or np.isnan(x).any():
            values = np.full(w.shape[:-1], np.nan)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = function(y, x, w, **parameters)
        return float(values) if weights is None else values

    return cast("Measure", measure)


def check(labels: ArrayLike, scores: ArrayLike) -> tuple[Vector, Vector]:
    """Labels and scores as float64 (N,); ValueError where they are of other shapes or a label is neither 0 nor 1."""
    y, x = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape:
        raise ValueError(f"labels of shape {y.shape} and scores of shape {x.shape} are not one number per video")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 1 (forged) or 0 (real); leave out videos without a label")
    return y, x


@dataclass(frozen=True, slots=True)
class Roc:
    """An ROC curve: ``fpr`` and ``tpr`` (..., K + 1) ascend from 0 to 1 over K different scores, NaN without the class.

    ``reals`` and ``fakes`` (...) are the sums of their weights.
    """

    fpr: Values
    tpr: Values
    reals: Values
    fakes: Values

    def where_defined(self, values: Values) -> Values:
        """The values, NaN where a class is missing."""
        return np.where((self.reals > 0) & (self.fakes > 0), values, np.nan)


def roc_curve(labels: ArrayLike, scores: ArrayLike, weights: Values | None = None) -> Roc:
    """The ROC curve with all its points, collinear ones included; one per weighting. ValueError where a score is NaN.

    >>> curve = roc_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> curve.fpr, curve.tpr
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]))
    """
    y, x = check(labels, scores)
    if np.isnan(x).any():
        raise ValueError("a score is NaN; leave out videos that were not scored")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-x, kind="stable")
    y, x, w = y[order], x[order], w[..., order]
    ends = np.flatnonzero(np.append(x[1:] != x[:-1], np.ones(min(len(x), 1), dtype=bool)))  # ties are one step
    false, true = (np.insert(np.cumsum(w * of, axis=-1)[..., ends], 0, 0.0, axis=-1) for of in (1 - y, y))
    reals, fakes = false[..., -1], true[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        fpr, tpr = false / reals[..., None], true / fakes[..., None]
    return Roc(fpr, tpr, reals, fakes)


@weighted
def auc(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Area under the ROC curve: ``P(s_fake > s_real) + P(s_fake = s_real) / 2``, in O(N log N).

    >>> auc([0, 0, 1, 1], [-1.0, 0.3, 0.3, 2.0])
    0.875
    """
    curve = roc_curve(labels, scores, weights)
    return curve.where_defined(np.asarray(np.trapezoid(curve.tpr, curve.fpr, axis=-1)))


@weighted
def average_precision(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Average precision, not interpolated, as scikit-learn's. It depends on the share of forged videos."""
    curve = roc_curve(labels, scores, weights)
    true, false = curve.tpr * curve.fakes[..., None], curve.fpr * curve.reals[..., None]
    called = true + false
    precision = np.divide(true, called, out=np.zeros_like(called), where=called > 0)
    return curve.where_defined((np.diff(curve.tpr, axis=-1) * precision[..., 1:]).sum(axis=-1))


@weighted
def eer(labels: Vector, scores: Vector, weights: Values) -> Values:
    """Equal error rate: FPR where ``FPR = 1 - TPR``, the ROC curve interpolated linearly; 0 is perfect.

    >>> eer([0, 0, 0, 1, 1], [-2.0, -1.0, 1.0, 0.0, 2.0])
    0.3333333333333333
    """
    curve = roc_curve(labels, scores, weights)
    both = curve.fpr + curve.tpr  # ascends from 0 to 2, and is 1 where the errors are equal
    after = np.maximum(np.argmax(both >= 1, axis=-1), 1)[..., None]

    def at(values: Values, index: NDArray[np.int64]) -> Values:
        return np.take_along_axis(values, index, axis=-1)[..., 0]

    before = at(both, after - 1)
    share = (1 - before) / (at(both, after) - before)
    left = at(curve.fpr, after - 1)
    return curve.where_defined(left + share * (at(curve.fpr, after) - left))


@weighted
def tpr_at_fpr(labels: Vector, scores: Vector, weights: Values, max_fpr: float = 0.01) -> Values:
    """The highest TPR of all thresholds with an FPR of at most ``max_fpr`` in (0, 1], not interpolated."""
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must be in (0, 1], not {max_fpr}")
    curve = roc_curve(labels, scores, weights)
    return curve.where_defined(np.where(curve.fpr <= max_fpr, curve.tpr, 0).max(axis=-1))


@weighted
def accuracy(labels: Vector, scores: Vector, weights: Values, threshold: float = 0.0) -> Values:
    """Share of correct decisions. It depends on the share of forged videos."""
    right = (scores >= threshold) == (labels > 0)
    return np.asarray(weights @ right.astype(np.float64) / weights.sum(axis=-1))

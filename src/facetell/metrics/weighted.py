"""The contract of all measures: functions of labels, scores and weights, evaluated for many weightings at once.

``labels`` (N,) are 1 for forged and 0 for real, ``scores`` (N,) are higher for "forged", ``weights`` (..., N) say how
often each video counts. Without weights a measure returns a float, with weights an array (...). It returns NaN where
there is no video or a score is NaN, and raises ValueError where shapes, labels or parameters are wrong.

A bootstrap draw is a weighting, so a measure sorts and bins its scores once for all draws.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
"""Float64 (N,): one number per video."""
Values = NDArray[np.float64]
"""Float64 of any shape (..., N) or (...)."""
P = ParamSpec("P")


class Measure(Protocol[P]):
    """A measure: one number for N videos, or one per weighting."""

    @overload
    def __call__(
        self, labels: ArrayLike, scores: ArrayLike, weights: None = None, *args: P.args, **kwargs: P.kwargs
    ) -> float: ...
    @overload
    def __call__(
        self, labels: ArrayLike, scores: ArrayLike, weights: Values, *args: P.args, **kwargs: P.kwargs
    ) -> Values: ...


def weighted(function: Callable[Concatenate[Vector, Vector, Values, P], Values]) -> Measure[P]:
    """Turn a function of labels (N,), scores (N,) and weights (..., N) into a :class:`Measure`."""

    @wraps(function)
    def measure(
        labels: ArrayLike, scores: ArrayLike, weights: Values | None = None, *args: P.args, **kwargs: P.kwargs
    ) -> float | Values:
        y, x = check(labels, scores)
        w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        if w.shape[-1:] != y.shape:
            raise ValueError(f"weights of shape {w.shape} do not fit {len(y)} videos")
        if not len(y) or np.isnan(x).any():
            values = np.full(w.shape[:-1], np.nan)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = function(y, x, w, *args, **kwargs)
        return float(values) if weights is None else values

    return cast("Measure[P]", measure)


def check(labels: ArrayLike, scores: ArrayLike) -> tuple[Vector, Vector]:
    """Labels and scores as float64 (N,).

    Raises:
        ValueError: they are not two vectors of one length, or a label is neither 0 nor 1.
    """
    y, x = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape:
        raise ValueError(f"labels of shape {y.shape} and scores of shape {x.shape} are not one number per video")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 1 (forged) or 0 (real); leave out videos without a label")
    return y, x

"""Are the probabilities true? Brier score, expected calibration error, log-loss, the reliability curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from facetell.engine.info import Calibration, invalid_field
from facetell.metrics.intervals import wilson
from facetell.metrics.weighted import Values, Vector, check, weighted
from facetell.types import FacetellError

BINS = 15
"""Bins of the expected calibration error and the reliability curve: equally wide, [0, 1/15), ..., [14/15, 1]."""


@weighted
def brier(labels: Vector, probabilities: Vector, weights: Values) -> Values:
    """Brier score: mean of ``(p - y)²``; 0 is perfect, 0.25 is what a constant 0.5 gets.

    Args:
        labels: (N,), 1 forged, 0 real; one class alone will do.
        probabilities: (N,) of "forged", in [0, 1].
        weights: (..., N).

    Returns:
        In [0, 1]; NaN where a probability is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> brier([0, 1], [0.5, 1.0])
    0.125
    """
    return np.asarray(weights @ (probabilities - labels) ** 2 / weights.sum(axis=-1))


@weighted
def log_loss(labels: Vector, probabilities: Vector, weights: Values) -> Values:
    """Mean of ``-log p(label)``, in nats; probabilities are kept off 0 and 1 by the float's resolution (2e-16).

    Args:
        labels: (N,), 1 forged, 0 real; one class alone will do.
        probabilities: (N,) of "forged", in [0, 1].
        weights: (..., N).

    Returns:
        0 or more; NaN where a probability is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> round(log_loss([0, 1], [0.5, 1.0]), 4)
    0.3466
    """
    tiny = np.finfo(np.float64).eps
    p = np.clip(probabilities, tiny, 1 - tiny)
    return np.asarray(-(weights @ np.where(labels > 0, np.log(p), np.log1p(-p))) / weights.sum(axis=-1))


@weighted
def ece(labels: Vector, probabilities: Vector, weights: Values, bins: int = BINS) -> Values:
    """Expected calibration error: how far mean probability and share of fakes lie apart, averaged over the videos.

    ``ECE = sum_b n_b / N · |mean p in b - share of fakes in b|`` over ``bins`` equally wide bins of the probability of
    "forged", closed below, the last on both sides. It is biased upwards where there are few videos a bin.

    Args:
        labels: (N,), 1 forged, 0 real; one class alone will do.
        probabilities: (N,) of "forged", in [0, 1].
        weights: (..., N).
        bins: how many.

    Returns:
        In [0, 1]; NaN where a probability is NaN.

    Raises:
        ValueError: shapes or labels are wrong.

    >>> round(ece([0, 1, 1], [0.01, 0.02, 0.9]), 4)
    0.3567
    """
    member = np.eye(bins)[_bin(probabilities, bins)]  # (N, bins)
    gap = weights @ (member * (probabilities - labels)[:, None])
    return np.asarray(np.abs(gap).sum(axis=-1) / weights.sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability curve: in each bin of probability, what was foretold and what came.

    Attributes:
        edges: (B + 1,) of the bins, from 0 to 1.
        counts: (B,) videos.
        predicted: (B,) mean probability; NaN of an empty bin, as the following.
        observed: (B,) share of fakes.
        low, high: (B,) its 95 % Wilson interval.
    """

    edges: Vector
    counts: NDArray[np.int64]
    predicted: Vector
    observed: Vector
    low: Vector
    high: Vector


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Reliability:
    """The reliability curve over equally wide bins, as in :func:`ece`.

    Args:
        labels: (N,), 1 forged, 0 real.
        probabilities: (N,) of "forged", in [0, 1], without NaN.
        bins: how many.

    Raises:
        ValueError: shapes or labels are wrong, or a probability is NaN.

    >>> curve = reliability([0, 1, 1], [0.1, 0.2, 0.9], bins=2)
    >>> curve.counts.tolist(), curve.observed.tolist()
    ([2, 1], [0.5, 1.0])
    """
    y, p = check(labels, probabilities)
    if np.isnan(p).any():
        raise ValueError("a probability is NaN; leave out the videos that were not scored")
    where = _bin(p, bins)
    counts, hits = np.bincount(where, minlength=bins), np.bincount(where, y, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted, observed = np.bincount(where, p, minlength=bins) / counts, hits / counts
    low, high = np.array([wilson(int(h), int(c)) for h, c in zip(hits, counts, strict=True)]).T
    return Reliability(np.linspace(0, 1, bins + 1), counts, predicted, observed, low, high)


def _bin(probabilities: Vector, bins: int) -> NDArray[np.int64]:
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities, side="right")


def calibration_of(about: Mapping[str, Any]) -> Calibration:
    """The calibration recorded in a score file; where there is none, the logits are taken as they are.

    Raises:
        FacetellError: it has a field that is unknown, or a value that it cannot have.
    """
    try:
        return Calibration(**dict(about.get("calibration") or {}))
    except ValidationError as error:
        fault = invalid_field(error)
    except (TypeError, ValueError):
        fault = "it is not a table of fields"
    raise FacetellError(f"the calibration in the score file is not valid: {fault}; score again") from None


def probabilities(logits: ArrayLike, calibration: Calibration) -> Vector:
    """Calibrated probabilities (N,) of raw logits (N,); NaN stays NaN.

    >>> probabilities([0.0, np.nan], Calibration(temperature=2.0))
    array([0.5, nan])
    """
    x = np.asarray(logits, dtype=np.float64) / calibration.temperature + calibration.bias
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(-np.logaddexp(0, -x)))

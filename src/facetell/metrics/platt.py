"""Platt scaling: from raw video logits to probabilities, and the threshold, fitted on ``val``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from facetell.engine.info import Calibration, sigmoid
from facetell.metrics.intervals import draw_identities
from facetell.metrics.measures import Sample
from facetell.metrics.ranking import Vector, check
from facetell.types import needs_extra

_PENALTY = 0.01  # of log(slope)²: keeps the slope finite where the classes are separable
DRAWS = 500
FALSE_POSITIVES = 0.05
"""False positive rate on genuine videos that the threshold is chosen for."""


def fit_platt(
    labels: ArrayLike,
    logits: ArrayLike,
    weights: ArrayLike | None = None,
    start: tuple[float, float] = (1.0, 0.0),
    penalty: float = _PENALTY,
) -> tuple[float, float]:
    """Slope and bias of Platt scaling, ``p = sigmoid(slope · logit + bias)``, for N videos, searched from ``start`` on.

    Minimises the log-loss with equal weight of both classes, plus ``penalty · log(slope)²``, which keeps the slope
    finite. ValueError: a class is missing, or a logit is not finite. FacetellError: the ``bench`` extra is missing.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise needs_extra("calibrating", "bench") from None
    y, x = check(labels, logits)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    fakes, reals = float(w @ y), float(w @ (1 - y))
    if not (fakes > 0 and reals > 0 and np.isfinite(x).all()):
        raise ValueError("Platt scaling needs finite logits of real and of forged videos")
    share = w * np.where(y > 0, 0.5 / fakes, 0.5 / reals)

    def loss(parameters: Vector) -> tuple[float, Vector]:
        slope = np.exp(parameters[0])
        z = slope * x + parameters[1]
        by_z = share * (np.exp(-np.logaddexp(0, -z)) - y)
        value = share @ (np.logaddexp(0, z) - y * z) + penalty * parameters[0] ** 2
        return float(value), np.array([by_z @ x * slope + 2 * penalty * parameters[0], by_z.sum()])

    found = minimize(loss, np.array([np.log(start[0]), start[1]]), jac=True, method="BFGS").x
    return float(np.exp(found[0])), float(found[1])


def fit_calibration(sample: Sample, clip_std: float, *, draws: int = DRAWS) -> Calibration:
    """Platt scaling of a sample, its covariance from a bootstrap over identities, and the threshold, at least 0.5.

    Its expected false positive rate is :data:`FALSE_POSITIVES` (:func:`threshold_logit`); :func:`tail_scale` raises it
    for several faces. ``clip_std`` is the typical standard deviation of the clip logits within a video.
    """
    slope, bias = fit_platt(sample.labels, sample.logits)
    drawn = (w for block in draw_identities(sample.labels, sample.identities, draws=draws) for w in block)
    refitted = [fit_platt(sample.labels, sample.logits, weights, start=(slope, bias)) for weights in drawn]
    covariance = np.cov(np.transpose(refitted))
    a, b, c, d = (float(v) for v in covariance.reshape(-1))
    reals = sample.logits[sample.labels == 0]
    threshold = sigmoid(slope * threshold_logit(reals) + bias)
    return Calibration(
        temperature=1 / slope,
        bias=bias,
        covariance=(a, b, c, d),
        clip_std=clip_std,
        threshold=max(0.5, min(math.ceil(threshold * 1000) / 1000, 0.999)),  # rounded up: printed in full everywhere
        false_positives=FALSE_POSITIVES,
        tail=slope * tail_scale(reals),
    )


def threshold_logit(reals: ArrayLike) -> float:
    """The logit that a further genuine video reaches with the probability :data:`FALSE_POSITIVES`, of N >= 1 logits.

    The rank of one more is uniform over N + 1 ranks: it is read at ``(1 - FALSE_POSITIVES) · (N + 1)``, or the highest.
    """
    return float(np.quantile(np.asarray(reals, dtype=np.float64), 1 - FALSE_POSITIVES, method="weibull"))


def tail_scale(reals: ArrayLike) -> float:
    """Scale of the exponential upper tail of N >= 1 logits of reals: mean excess over the upper quartile, 0 if none.

    One standard error is added: too low a scale would raise the false positive rate (``docs/measures.md``).
    """
    x = np.asarray(reals, dtype=np.float64)
    quartile = np.quantile(x, 0.75)
    excess = x[x > quartile] - quartile
    return float(excess.mean() * (1 + 1 / math.sqrt(len(excess)))) if len(excess) else 0.0

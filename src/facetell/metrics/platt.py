"""Platt scaling: from raw video logits to probabilities, fitted on ``val``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.engine.info import Calibration, sigmoid
from facetell.evaluate.scores import Scores
from facetell.evaluate.tracks import deciding_tracks
from facetell.metrics.intervals import bootstrap
from facetell.metrics.measures import Sample, sample_of
from facetell.metrics.weighted import Values, Vector, check
from facetell.types import FacetellError, needs_extra

_PULL = 0.01  # of the slope to 1, on the scale of its logarithm: keeps it finite where the classes part wholly
_DRAWS = 500
FALSE_POSITIVES = 0.05
"""Share of genuine videos that the threshold lets through as forged."""


def fit_platt(
    labels: ArrayLike,
    logits: ArrayLike,
    weights: ArrayLike | None = None,
    start: tuple[float, float] = (1.0, 0.0),
    pull: float = _PULL,
) -> tuple[float, float]:
    """Slope and bias of Platt scaling: ``p = sigmoid(slope · logit + bias)``.

    Minimises the log-loss with both classes weighing the same, plus ``pull · log(slope)²``: the slope is positive, and
    finite even where the classes part wholly.

    Args:
        labels: (N,), 1 forged, 0 real.
        logits: (N,), finite.
        weights: (N,) how often each video counts; None: once each.
        start: slope and bias to search from.
        pull: of the slope to 1.

    Raises:
        ValueError: a class is missing, a logit is not finite, or shapes or labels are wrong.
        FacetellError: the ``bench`` extra is missing.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise needs_extra("calibrating", "bench") from None
    y, x = check(labels, logits)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    fakes, reals = float(w @ y), float(w @ (1 - y))
    if not (fakes > 0 and reals > 0 and np.isfinite(x).all()):
        raise ValueError("Platt scaling needs finite logits of reals and of fakes")
    share = w * np.where(y > 0, 0.5 / fakes, 0.5 / reals)

    def loss(parameters: Vector) -> tuple[float, Vector]:
        slope = np.exp(parameters[0])
        z = slope * x + parameters[1]
        pull_z = share * (np.exp(-np.logaddexp(0, -z)) - y)
        value = share @ (np.logaddexp(0, z) - y * z) + pull * parameters[0] ** 2
        return float(value), np.array([pull_z @ x * slope + 2 * pull * parameters[0], pull_z.sum()])

    found = minimize(loss, np.array([np.log(start[0]), start[1]]), jac=True, method="BFGS").x
    return float(np.exp(found[0])), float(found[1])


def calibrate(scores: Scores, *, draws: int = _DRAWS, seed: int = 0) -> Calibration:
    """Platt scaling of the video logits of a score file (of ``val``), its covariance bootstrapped over identities.

    The threshold is where :data:`FALSE_POSITIVES` of further reals are expected (:func:`threshold_logit`), but not
    below even odds; :func:`tail_scale` of the same reals raises it for videos with several faces.

    Args:
        scores: clips of labelled videos; what was not scored, or has no label, is passed over.
        draws, seed: of the bootstrap.

    Raises:
        FacetellError: no real or no forged video was scored.
    """
    sample = sample_of(scores.videos())
    if len(set(sample.labels.tolist())) < 2:
        raise FacetellError("the calibration needs scored videos of both kinds, real and forged; score more of val")
    whole = fit_platt(sample.labels, sample.logits)

    def refit(weights: Values) -> Values:
        return np.array([fit_platt(sample.labels, sample.logits, w, start=whole) for w in weights])

    covariance = np.cov(bootstrap(refit, sample.labels, sample.identities, draws=draws, seed=seed).T)
    a, b, c, d = (float(v) for v in covariance.reshape(-1))
    threshold = sigmoid(whole[0] * threshold_logit(sample.logits[sample.labels == 0]) + whole[1])
    threshold = max(0.5, min(math.ceil(threshold * 1000) / 1000, 0.999))  # told in full wherever it is told
    return Calibration(
        temperature=1 / whole[0],
        bias=whole[1],
        covariance=(a, b, c, d),
        clip_std=_clip_std(scores),
        threshold=threshold,
        false_positives=FALSE_POSITIVES,
        tail=whole[0] * tail_scale(sample.logits[sample.labels == 0]),
    )


def threshold_logit(reals: ArrayLike, false_positives: float = FALSE_POSITIVES) -> float:
    """The logit that a share of further reals is expected to reach.

    Of N reals and one more, the one more is as likely to take any of the N + 1 ranks: the quantile is read at
    ``(1 - share) · (N + 1)`` of the N sorted logits. Too few reals to tell of so small a share give the highest.

    Args:
        reals: (N,) video logits, N >= 1.
        false_positives: the share, in (0, 1).

    Example:
        >>> threshold_logit(range(1, 20))
        19.0
        >>> threshold_logit(range(1, 40))
        38.0
    """
    return float(np.quantile(np.asarray(reals, dtype=np.float64), 1 - false_positives, method="weibull"))


def tail_scale(reals: ArrayLike) -> float:
    """Scale of the exponential upper tail of the logits of reals, one standard error above its estimate.

    The estimate is the mean excess over the upper quartile. Of an exponential tail it is the same above any quantile;
    measured on 146 reals of ``val``: 1.7, 1.7, 1.7 and 1.6 above the 70, 75, 80 and 90 % quantile (a normal
    distribution has a lighter tail). The standard error guards against a scale that is too low, which would let
    through more than stated; ``docs/measures.md`` gives the resulting false positive rates.

    Args:
        reals: (N,) video logits, N >= 1.

    Returns:
        >= 0, on the scale of the logits; 0 where no real is above the upper quartile.

    Example:
        >>> tail_scale([0] * 15 + [2] * 4)
        3.0
    """
    x = np.asarray(reals, dtype=np.float64)
    quartile = np.quantile(x, 0.75)
    excess = x[x > quartile] - quartile
    return float(excess.mean() * (1 + 1 / math.sqrt(len(excess)))) if len(excess) else 0.0


def called_unseen(sample: Sample, calibration: Calibration) -> NDArray[np.bool_]:
    """Which videos (N,) are called forged at a threshold chosen without the reals of their identities.

    For several faces that threshold is raised as far as ``calibration`` raises its own. It estimates the rates on
    further videos better than the threshold that the same videos chose.
    """
    called = np.zeros(len(sample), dtype=bool)
    with np.errstate(divide="ignore"):  # a threshold that rounds to 1 is never reached
        odds = np.log(sample.thresholds) - np.log1p(-sample.thresholds)
    logits = sample.logits - calibration.temperature * (
        odds - math.log(calibration.threshold / (1 - calibration.threshold))
    )
    for person in np.unique(sample.identities):
        own = sample.identities == person
        others = sample.logits[~own & (sample.labels == 0)]
        if len(others):
            called[own] = logits[own] >= threshold_logit(others)
    return called


def _clip_std(scores: Scores) -> float:
    """Standard deviation of the clip logits within the track that speaks for a video, median over the videos."""
    logit = scores["logit"]
    spreads = [np.std(logit[rows], ddof=1) for rows in deciding_tracks(scores).values() if len(rows) > 1]
    return float(np.median(spreads)) if spreads else 0.0

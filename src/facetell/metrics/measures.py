"""Measures of probabilities, and all measures by name, as tables and comparisons refer to them.

The scores of :func:`brier` and :func:`ece` are probabilities of "forged"; both are defined for one class alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.engine.info import Calibration
from facetell.metrics.intervals import Estimate, wilson
from facetell.metrics.ranking import Values, Vector, accuracy, auc, average_precision, check, eer, tpr_at_fpr, weighted

BINS = 15
"""Bins of the expected calibration error and the reliability curve, equally wide: [0, 1/15), ..., [14/15, 1]."""


@weighted
def brier(labels: Vector, probabilities: Vector, weights: Values) -> Values:
    """Brier score: mean of ``(p - y)²``; 0 is perfect, 0.25 is the score of a constant 0.5.

    >>> brier([0, 1], [0.5, 1.0])
    0.125
    """
    return np.asarray(weights @ (probabilities - labels) ** 2 / weights.sum(axis=-1))


@weighted
def ece(labels: Vector, probabilities: Vector, weights: Values) -> Values:
    """Expected calibration error: ``sum_b n_b / N · |mean p in b - share of forged in b|`` over equally wide bins.

    Bins are closed below, the last one on both sides. It is biased upwards where bins hold few videos.

    >>> round(ece([0, 1, 1], [0.01, 0.02, 0.9]), 4)
    0.3567
    """
    gap = weights @ (np.eye(BINS)[_bin(probabilities)] * (probabilities - labels)[:, None])  # (..., bins)
    return np.asarray(np.abs(gap).sum(axis=-1) / weights.sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Bin:
    """``count`` videos: their mean probability, and the share of forged ones with its 95 % Wilson interval."""

    count: int
    predicted: float
    observed: Estimate


def reliability(labels: ArrayLike, probabilities: ArrayLike) -> list[Bin]:
    """The reliability curve of N videos: the bins of :func:`ece` that have one, ascending."""
    y, p = check(labels, probabilities)
    member = _bin(p)
    rows = [member == number for number in np.unique(member)]
    return [Bin(int(r.sum()), float(p[r].mean()), wilson(int(y[r].sum()), int(r.sum()))) for r in rows]


def _bin(probabilities: Vector) -> NDArray[np.int64]:
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], probabilities, side="right")


def probabilities(logits: ArrayLike, calibration: Calibration) -> Vector:
    """Calibrated probabilities (N,) of raw logits (N,); NaN stays NaN."""
    x = np.asarray(logits, dtype=np.float64) / calibration.temperature + calibration.bias
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(-np.logaddexp(0, -x)))


@dataclass(frozen=True, slots=True)
class Sample:
    """N scored videos with a label, 1 forged or 0 real; all fields are (N,).

    ``identities`` are equal for videos of one person, or copies of one video; ``thresholds`` are the minimum
    probabilities for "forged", for the number of faces of the video.
    """

    labels: Vector
    logits: Vector
    probabilities: Vector
    identities: NDArray[np.int64]
    thresholds: Vector

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Named:
    """A measure of a table: column ``title``, and ``compute`` from a sample and weights (block, N) to (block,)."""

    title: str
    higher_is_better: bool
    compute: Callable[[Sample, Values], Values]


MEASURES: Mapping[str, Named] = {
    "auc": Named("AUC", True, lambda s, w: auc(s.labels, s.logits, w)),
    "ap": Named("AP", True, lambda s, w: average_precision(s.labels, s.logits, w)),
    "eer": Named("EER", False, lambda s, w: eer(s.labels, s.logits, w)),
    "tpr_at_1": Named("TPR at FPR 1 %", True, lambda s, w: tpr_at_fpr(s.labels, s.logits, w, max_fpr=0.01)),
    "tpr_at_5": Named("TPR at FPR 5 %", True, lambda s, w: tpr_at_fpr(s.labels, s.logits, w, max_fpr=0.05)),
    "accuracy": Named("accuracy at 0.5", True, lambda s, w: accuracy(s.labels, s.logits, w)),
    "accuracy_calibrated": Named(
        "accuracy, calibrated", True, lambda s, w: accuracy(s.labels, s.probabilities - s.thresholds, w)
    ),
    "brier": Named("Brier", False, lambda s, w: brier(s.labels, s.probabilities, w)),
    "ece": Named("ECE", False, lambda s, w: ece(s.labels, s.probabilities, w)),
}
"""``accuracy`` is that of sigmoid(logit) at 0.5, as papers report it; ``accuracy_calibrated`` that of the calibrated
probability at the model's threshold for the number of faces of each video."""

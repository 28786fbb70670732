"""The measures by name, on one sample of scored videos: what tables, comparisons and selections refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetell.metrics.calibration import brier, ece, log_loss
from facetell.metrics.ranking import accuracy, auc, average_precision, balanced_accuracy, eer, partial_auc, tpr_at_fpr
from facetell.metrics.weighted import Values, Vector


@dataclass(frozen=True, slots=True)
class Sample:
    """N scored videos with a label.

    Attributes:
        labels: (N,), 1 forged, 0 real.
        logits: (N,), mean over the clips of the highest-scoring track.
        probabilities: (N,), calibrated.
        identities: (N,) integers, equal for videos of one person, or for the copies of one video of an unknown person.
        thresholds: (N,), minimum probability for "forged", for the number of faces of the video.
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
    "pauc": Named("pAUC at FPR ≤ 10 %", True, lambda s, w: partial_auc(s.labels, s.logits, w, max_fpr=0.1)),
    "tpr_at_1": Named("TPR at FPR 1 %", True, lambda s, w: tpr_at_fpr(s.labels, s.logits, w, max_fpr=0.01)),
    "tpr_at_5": Named("TPR at FPR 5 %", True, lambda s, w: tpr_at_fpr(s.labels, s.logits, w, max_fpr=0.05)),
    "accuracy": Named("accuracy at 0.5", True, lambda s, w: accuracy(s.labels, s.logits, w, threshold=0.0)),
    "accuracy_calibrated": Named(
        "accuracy, calibrated", True, lambda s, w: accuracy(s.labels, s.probabilities - s.thresholds, w, threshold=0.0)
    ),
    "balanced_accuracy": Named(
        "balanced accuracy, calibrated",
        True,
        lambda s, w: balanced_accuracy(s.labels, s.probabilities - s.thresholds, w, threshold=0.0),
    ),
    "brier": Named("Brier", False, lambda s, w: brier(s.labels, s.probabilities, w)),
    "log_loss": Named("log-loss", False, lambda s, w: log_loss(s.labels, s.probabilities, w)),
    "ece": Named("ECE", False, lambda s, w: ece(s.labels, s.probabilities, w)),
}
"""``accuracy`` is that of sigmoid(logit) at 0.5, as papers report it; ``accuracy_calibrated`` and ``balanced_accuracy``
are those of the calibrated probability at the model's threshold for the number of faces of each video."""

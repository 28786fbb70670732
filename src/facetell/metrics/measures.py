"""The measures that tables, comparisons and selections know by name, on one common sample of videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetell.engine.info import Calibration
from facetell.evaluate.scores import VideoScores
from facetell.metrics.calibration import brier, calibration_of, ece, log_loss, probabilities
from facetell.metrics.ranking import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    eer,
    partial_auc,
    tpr_at_fpr,
)
from facetell.metrics.weighted import Values, Vector


@dataclass(frozen=True, slots=True)
class Sample:
    """The scored videos of known label, as arrays.

    Attributes:
        labels: (N,), 1 forged, 0 real.
        logits: (N,), mean over the clips of the deciding track.
        probabilities: (N,), calibrated.
        identities: (N,) whole numbers: videos of one person of one dataset share theirs; where the person is not known,
            the copies of one video do.
        thresholds: (N,), minimum probability for "forged", for the number of faces of the video.
    """

    labels: Vector
    logits: Vector
    probabilities: Vector
    identities: NDArray[np.int64]
    thresholds: Vector

    def __len__(self) -> int:
        return len(self.labels)


def sample_of(videos: VideoScores) -> Sample:
    """The scored, labelled videos of a table; probabilities by the calibration in its ``about``.

    Raises:
        FacetellError: that calibration is garbled.
    """
    kept = videos.where(~np.isnan(videos["logit"]) & (videos["label"] >= 0))
    calibration = calibration_of(videos.about)
    logits = np.asarray(kept["logit"], dtype=np.float64)
    return Sample(
        np.asarray(kept["label"], dtype=np.float64),
        logits,
        probabilities(logits, calibration),
        identities_of(kept),
        _thresholds(calibration, kept["faces"] if "faces" in kept.columns else np.ones(len(kept), dtype=np.int64)),
    )


def _thresholds(calibration: Calibration, faces: NDArray[np.int64]) -> Vector:
    of = {count: calibration.threshold_of(count) for count in set(faces.tolist())}
    return np.array([of[count] for count in faces.tolist()], dtype=np.float64)


def identities_of(videos: VideoScores) -> NDArray[np.int64]:
    """One number (N,) a video, equal for what belongs together: one person of one dataset, or one unknown's video.

    Numbers follow the order of the names, so that a bootstrap does not depend on the order of the rows.
    """
    names = ("dataset", "identity", "video")
    rows = zip(*(videos[name].tolist() for name in names), strict=True)
    keys = [(dataset, identity, "" if identity else video) for dataset, identity, video in rows]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Named:
    """A measure as it stands in tables.

    Attributes:
        title: column heading.
        higher_is_better: which way it is read.
        compute: from a sample and weights (block, N) to (block,).
    """

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
"""By name. ``accuracy`` takes sigmoid(logit) ≥ 0.5 as forged, as papers do; ``accuracy_calibrated`` the calibrated
probability and the model's threshold for the number of faces of each video."""

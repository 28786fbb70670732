"""The standard figures of a set of videos: what every table shows of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facetell.evaluate.scores import VideoScores
from facetell.metrics.calibration import calibration_of
from facetell.metrics.intervals import DRAWS, Estimate, bootstrap, enough_people, percentiles
from facetell.metrics.measures import MEASURES, sample_of
from facetell.metrics.ranking import eer_threshold
from facetell.metrics.weighted import Values


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, and each measure of :data:`facetell.metrics.measures.MEASURES` with its 95 % interval, by its name.

    All figures are of videos, not of clips. A figure is NaN where it is not defined (AUC without a real, say), its
    interval NaN where a class has a single identity.

    Attributes:
        real, fake: videos that were scored and count in the figures.
        unscored_real, unscored_fake: videos that were not scored (no face, unreadable, ...).
        unlabelled: videos, scored or not, of which it is not known what they are.
        people: identities among the videos that count (a video of an unknown person counts as one).
        threshold: minimum probability for "forged" in a video with one face.
        eer_threshold: the logit at which the errors are most nearly equal.
        accuracy: of sigmoid(logit) at 0.5, not calibrated, as papers report it.
        accuracy_calibrated, balanced_accuracy: of the calibrated probability at the threshold for the video's
            number of faces.
        brier, log_loss, ece: of the calibrated probability.
    """

    real: int
    fake: int
    unscored_real: int
    unscored_fake: int
    unlabelled: int
    people: int
    threshold: float
    eer_threshold: float
    auc: Estimate
    ap: Estimate
    eer: Estimate
    pauc: Estimate
    tpr_at_1: Estimate
    tpr_at_5: Estimate
    accuracy: Estimate
    accuracy_calibrated: Estimate
    balanced_accuracy: Estimate
    brier: Estimate
    log_loss: Estimate
    ece: Estimate

    @property
    def unscored(self) -> int:
        """Videos of known label that were not scored."""
        return self.unscored_real + self.unscored_fake


def summarise(videos: VideoScores, *, draws: int = DRAWS, seed: int = 0) -> Summary:
    """The standard figures of some videos.

    Args:
        videos: one row a video; those not scored are counted, and left out of the figures.
        draws, seed: of the bootstrap over identities; 0 draws: no intervals.

    Raises:
        FacetellError: the calibration in ``videos.about`` is garbled.
    """
    sample = sample_of(videos)
    label, unscored = videos["label"], np.isnan(videos["logit"])

    def every(weights: Values) -> Values:
        return np.stack([measure.compute(sample, weights) for measure in MEASURES.values()], axis=-1)

    values = every(np.ones((1, len(sample))))[0]
    bounds = np.full((2, len(MEASURES)), math.nan)
    if draws and enough_people(sample.labels, sample.identities):
        bounds = percentiles(bootstrap(every, sample.labels, sample.identities, draws=draws, seed=seed))
    return Summary(
        real=int((sample.labels == 0).sum()),
        fake=int((sample.labels == 1).sum()),
        unscored_real=int((unscored & (label == 0)).sum()),
        unscored_fake=int((unscored & (label == 1)).sum()),
        unlabelled=int((label < 0).sum()),
        people=len(set(sample.identities.tolist())),
        threshold=calibration_of(videos.about).threshold,
        eer_threshold=eer_threshold(sample.labels, sample.logits),
        **{
            name: Estimate(float(value), float(low), float(high))
            for name, value, low, high in zip(MEASURES, values, *bounds, strict=True)
        },
    )

"""From score files to figures: samples with probabilities and identities, the calibration, measures of groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from facetell.engine.info import Calibration, invalid_field
from facetell.evaluate.scores import COPY, VIDEO, Scores, keys_of, numbered, stack
from facetell.metrics import platt
from facetell.metrics.intervals import DRAWS, Estimate, draw_identities, enough_identities, estimate_of
from facetell.metrics.measures import MEASURES, Sample, probabilities
from facetell.metrics.ranking import Values
from facetell.types import FacetellError


def calibration_of(about: Mapping[str, Any]) -> Calibration:
    """The calibration in a score file; the identity if there is none. FacetellError: a field is unknown or invalid."""
    try:
        return TypeAdapter(Calibration).validate_python(about.get("calibration") or {})
    except ValidationError as error:
        reason = invalid_field(error)
        raise FacetellError(f"the calibration in the score file is not valid: {reason}; score again") from None


def sample_of(videos: Scores) -> Sample:
    """The videos of a table that have a score and a label, with probabilities by the calibration in its ``about``."""
    counted, calibration = videos.counted, calibration_of(videos.about)
    logits = np.asarray(counted["logit"], dtype=np.float64)
    faces = counted["faces"].tolist()
    thresholds = {count: calibration.threshold_of(count) for count in set(faces)}
    return Sample(
        np.asarray(counted["label"], dtype=np.float64),
        logits,
        probabilities(logits, calibration),
        identities_of(counted),
        np.array([thresholds[count] for count in faces], dtype=np.float64),
    )


def identities_of(videos: Scores) -> NDArray[np.int64]:
    """An integer (N,) per video, equal for one person of one dataset, or for one video of an unknown person."""
    columns = keys_of(videos, ("dataset", "identity", "video"))
    keys = [(dataset, name, "" if name else video) for dataset, name, video in columns]
    # In order of the names: the bootstrap does not depend on the order of the rows.
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def calibrate(scores: Scores, *, draws: int = platt.DRAWS) -> Calibration:
    """The calibration of the labelled videos of a score file. FacetellError: no real or no forged video was scored."""
    sample = sample_of(scores.videos())
    if len(set(sample.labels.tolist())) < 2:
        raise FacetellError("the calibration needs scored videos of both kinds, real and forged; score more of val")
    return platt.fit_calibration(sample, _clip_std(scores), draws=draws)


def _clip_std(scores: Scores) -> float:
    """Standard deviation of the clip logits of a video's highest-scoring track, median over the videos."""
    videos: dict[tuple[Any, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    scored = scores.scored
    columns = (scored[name].tolist() for name in ("track", "logit"))
    for key, track, logit in zip(keys_of(scored, COPY), *columns, strict=True):
        videos[key][track].append(logit)
    highest = (max(tracks.values(), key=np.mean) for tracks in videos.values())
    spreads = [np.std(logits, ddof=1) for logits in highest if len(logits) > 1]
    return float(np.median(spreads)) if spreads else 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Videos (or clips) of a group: those with a score and a label, by class; the others; identities of the former."""

    real: int = 0
    fake: int = 0
    unscored_real: int = 0
    unscored_fake: int = 0
    unlabelled: int = 0
    identities: int = 0

    @property
    def unscored(self) -> int:
        """With a label and without a score."""
        return self.unscored_real + self.unscored_fake

    @property
    def reason(self) -> str:
        """Why nothing can be measured; "" where both classes were scored."""
        if self.real and self.fake:
            return ""
        return f"no {'forged ' if self.real else 'real ' if self.fake else ''}video was scored"


@dataclass(frozen=True, slots=True)
class Summary:
    """What was measured of a group; ``reason`` says why measures are NaN, "" where none is."""

    counts: Counts
    measures: Mapping[str, Estimate]
    reason: str = ""

    def __getitem__(self, name: str) -> Estimate:
        return self.measures[name]


def summarise(videos: Scores, *, draws: int = DRAWS) -> Summary:
    """Counts and all measures, NaN where a class is missing, with intervals unless ``draws`` is 0."""
    counts = count(videos)
    if counts.reason:
        return Summary(counts, dict.fromkeys(MEASURES, Estimate(math.nan)), counts.reason)
    (found,) = sample_jointly([videos], list(MEASURES), draws=draws)
    return Summary(counts, {name: estimate_of(*sampled) for name, sampled in found.items()})


def count(videos: Scores) -> Counts:
    """The videos of a group by class and state."""
    label, unscored = videos["label"], np.isnan(videos["logit"])
    return Counts(
        real=int((~unscored & (label == 0)).sum()),
        fake=int((~unscored & (label == 1)).sum()),
        unscored_real=int((unscored & (label == 0)).sum()),
        unscored_fake=int((unscored & (label == 1)).sum()),
        unlabelled=int((label < 0).sum()),
        identities=len(set(identities_of(videos.counted).tolist())),
    )


def sample_jointly(
    groups: Sequence[Scores], names: Sequence[str], *, draws: int = DRAWS
) -> list[dict[str, tuple[float, Values | None]]]:
    """Measures of each group by name, with samples (draws,) of a bootstrap that draws the same identities for all.

    So a mean over groups, or a difference, can be sampled. A group has one row per video, or, if it is the only one,
    per clip. There are no samples of a group in which a class has a single identity.
    """
    samples = [sample_of(group) for group in groups]
    rows = stack([group.counted for group in groups])
    places = np.arange(len(rows)) if len(groups) == 1 else numbered(keys_of(rows, VIDEO))
    _, first = np.unique(places, return_index=True)
    labels, identities = rows["label"][first], identities_of(rows)[first]
    of = np.split(places, np.cumsum([len(sample) for sample in samples])[:-1])
    enough = [enough_identities(sample.labels, identities[at]) for sample, at in zip(samples, of, strict=True)]

    def measure(sample: Sample, weights: Values) -> Values:
        return np.stack([MEASURES[name].compute(sample, weights) for name in names])

    drawn: list[list[Values]] = [[] for _ in groups]
    for weights in draw_identities(labels, identities, draws=draws) if any(enough) else ():
        for number in np.flatnonzero(enough).tolist():
            drawn[number].append(measure(samples[number], weights[:, of[number]]))
    found = []
    for sample, blocks in zip(samples, drawn, strict=True):
        values = measure(sample, np.ones((1, len(sample))))[:, 0].tolist()
        columns = np.concatenate(blocks, axis=1) if blocks else [None] * len(names)
        found.append({name: (value, column) for name, value, column in zip(names, values, columns, strict=True)})
    return found

"""Counts and measures of groups of videos, with 95 % intervals from a bootstrap over identities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetell.evaluate.sample import identities_of, sample_of
from facetell.evaluate.scores import VIDEO, VideoScores, keys_of, numbered, stack
from facetell.metrics.intervals import DRAWS, Estimate, draw_identities, enough_identities, estimate_of
from facetell.metrics.measures import MEASURES, Sample
from facetell.metrics.ranking import Values

Sampled = tuple[float, Values | None]
"""A figure and its bootstrap samples (draws,)."""


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
        missing = "" if not self.real and not self.fake else "forged " if self.real else "real "
        return f"no {missing}video was scored"


@dataclass(frozen=True, slots=True)
class Summary:
    """What was measured of a group; ``reason`` says why measures are NaN, "" where none is."""

    counts: Counts
    measures: Mapping[str, Estimate]
    reason: str = ""

    def __getitem__(self, name: str) -> Estimate:
        return self.measures[name]


def summarise(videos: VideoScores, *, draws: int = DRAWS) -> Summary:
    """Counts and all measures (NaN where a class is missing), with intervals unless ``draws`` is 0.

    Raises:
        FacetellError: the calibration in ``videos.about`` is not valid.
    """
    counts = count(videos)
    if counts.reason:
        return Summary(counts, dict.fromkeys(MEASURES, Estimate(math.nan)), counts.reason)
    (found,) = sample_jointly([videos], list(MEASURES), draws=draws)
    return Summary(counts, {name: estimate_of(*sampled) for name, sampled in found.items()})


def count(videos: VideoScores) -> Counts:
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
    groups: Sequence[VideoScores], names: Sequence[str], *, draws: int = DRAWS
) -> list[dict[str, Sampled]]:
    """Measures of each group by name, with samples of a bootstrap that draws the same identities for all groups.

    So a mean over groups, or a difference of two, can be sampled. A group has one row per video, or, if it is the only
    one, per clip. There are no samples of a group in which a class has a single identity.
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

"""Counts and measures of groups of videos, with 95 % intervals from a bootstrap over identities."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from facetell.evaluate.sample import identities_of, sample_of
from facetell.evaluate.scores import VIDEO, VideoScores, keys_of, stack
from facetell.metrics.intervals import DRAWS, Estimate, draw_identities, enough_identities, estimate_of
from facetell.metrics.measures import MEASURES
from facetell.metrics.weighted import Values

K = TypeVar("K", bound=Hashable)


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
    values, samples = sample_jointly({"": videos}, list(MEASURES), draws=draws)[""]
    drawn = [None] * len(values) if samples is None else list(samples.T)
    return Summary(counts, {name: estimate_of(float(v), s) for name, v, s in zip(MEASURES, values, drawn, strict=True)})


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
    groups: Mapping[K, VideoScores], names: Sequence[str], *, draws: int = DRAWS
) -> dict[K, tuple[Values, Values | None]]:
    """M measures of each group, and their samples under a bootstrap that draws the same identities for all groups.

    Joint draws allow an interval of a mean over groups, such as the distorted copies of the same videos.

    Args:
        groups: at least one, of one row per video each (or of clips, if there is one group).
        names: of :data:`facetell.metrics.measures.MEASURES`.
        draws: of the bootstrap.

    Returns:
        Values (M,) and samples (draws, M) by group; None instead of samples where a class has a single identity.
    """
    samples = {at: sample_of(group) for at, group in groups.items()}
    rows = stack([group.counted for group in groups.values()])
    numbers: dict[tuple[str, ...], int] = {}
    places = np.array([numbers.setdefault(key, len(numbers)) for key in keys_of(rows, VIDEO)], dtype=np.int64)
    if len(groups) == 1:
        places = np.arange(len(rows))
    _, first = np.unique(places, return_index=True)
    labels, identities = rows["label"][first], identities_of(rows)[first]
    ends = np.cumsum([len(sample) for sample in samples.values()])
    of = dict(zip(groups, np.split(places, ends[:-1]), strict=True))

    def measure(at: K, weights: Values) -> Values:
        return np.stack([MEASURES[name].compute(samples[at], weights) for name in names], axis=-1)

    drawn: dict[K, list[Values]] = {
        at: [] for at, sample in samples.items() if draws and enough_identities(sample.labels, identities[of[at]])
    }
    for weights in draw_identities(labels, identities, draws=draws) if drawn else ():
        for at, blocks in drawn.items():
            blocks.append(measure(at, weights[:, of[at]]))
    return {
        at: (measure(at, np.ones((1, len(sample))))[0], np.concatenate(drawn[at]) if at in drawn else None)
        for at, sample in samples.items()
    }

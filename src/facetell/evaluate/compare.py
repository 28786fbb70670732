"""Compare two models on the videos that both scored: difference of a measure with interval and p."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facetell.evaluate.figures import of_split
from facetell.evaluate.protocols import ALL
from facetell.evaluate.sample import count, sample_jointly
from facetell.evaluate.scores import COPY, Scores, keys_of
from facetell.metrics.intervals import DRAWS, Difference, Estimate, difference_of, estimate_of
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError

SIGNIFICANT = 0.05
"""The p below which one model is called better."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of two models on the ``real`` and ``fake`` videos that both scored, and A minus B.

    The paired bootstrap is over ``identities``, 0 where none is known and videos are drawn. ``left_out``: by reason.
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Difference
    real: int
    fake: int
    identities: int
    left_out: Mapping[str, int]

    @property
    def better(self) -> str:
        """ "a", "b", or "" where neither is significantly better (p of :data:`SIGNIFICANT` or more, or no p)."""
        if not self.difference.p < SIGNIFICANT:
            return ""
        return "a" if (self.difference.value > 0) == MEASURES[self.measure].higher_is_better else "b"


def compare(
    a: Scores,
    b: Scores,
    *,
    split: str = ALL,
    measure: str = "auc",
    names: tuple[str, str] = ("A", "B"),
    draws: int = DRAWS,
) -> Comparison:
    """Compare two models by a measure on the clean videos of a split, or of all, that both scored.

    FacetellError: the files have no videos in common, labels that disagree, or too few videos for the measure.
    """
    tables = [
        of_split(scores.select(distortion=""), split, name).videos() for scores, name in zip((a, b), names, strict=True)
    ]
    places = [{key: row for row, key in enumerate(keys_of(table, COPY))} for table in tables]
    if not (common := [key for key in places[0] if key in places[1]]):
        raise FacetellError(
            f"{' and '.join(names)} have no video in common (by dataset and path); score the same manifest with each"
        )
    both = [table.where(np.array([of[key] for key in common])) for table, of in zip(tables, places, strict=True)]
    labels = np.stack([table["label"] for table in both])
    labelled = (labels >= 0).all(axis=0)
    if len(wrong := np.flatnonzero(labelled & (labels[0] != labels[1]))):
        raise FacetellError(
            f"{' and '.join(names)} disagree on the labels of {len(wrong)} videos, such as {common[wrong[0]][1]}; "
            "score the same manifest with each"
        )
    missing = np.isnan([table["logit"] for table in both])
    first, second = (table.where(np.asarray(labelled & ~missing.any(axis=0))) for table in both)
    counts = count(first)
    (value_a, samples_a), (value_b, samples_b) = (
        group[measure] for group in sample_jointly([first, second], [measure], draws=draws)
    )
    if np.isnan([value_a, value_b]).any():
        raise FacetellError(
            f"{f'of the split {split} ' * (split != ALL)}both scored {counts.real} real and {counts.fake} forged "
            f"videos, too few for {MEASURES[measure].title}; score more, or choose another split"
        )
    paired = None if samples_a is None or samples_b is None else samples_a - samples_b
    return Comparison(
        measure=measure,
        a=estimate_of(value_a, samples_a),
        b=estimate_of(value_b, samples_b),
        difference=difference_of(value_a - value_b, paired),
        real=counts.real,
        fake=counts.fake,
        identities=counts.identities if (first["identity"] != "").any() else 0,
        left_out={
            "not scored by A": int(missing[0].sum()),
            "not scored by B": int(missing[1].sum()),
            "without a label": int((~labelled).sum()),
            "only in A": len(tables[0]) - len(common),
            "only in B": len(tables[1]) - len(common),
        },
    )

"""Compare two models on the videos that both scored: difference of a measure with interval and p."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facetell.evaluate.protocols import ALL
from facetell.evaluate.sample import count, sample_jointly
from facetell.evaluate.scores import COPY, Scores, keys_of
from facetell.metrics.intervals import DRAWS, Difference, Estimate, delong_test, difference_of, estimate_of
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError

SIGNIFICANT = 0.05
"""The p below which one model is called better."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of two models on the ``real`` and ``fake`` videos that both scored.

    ``difference`` is A minus B, by the paired bootstrap over identities; ``delong`` the same by DeLong's test, which
    takes videos as independent, None unless the measure is the AUC. ``left_out`` counts videos by the reason.
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Difference
    delong: Difference | None
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
    split: str = "test",
    measure: str = "auc",
    names: tuple[str, str] = ("A", "B"),
    draws: int = DRAWS,
) -> Comparison:
    """Compare two models by a measure on the clean videos of a split that both scored.

    Each is evaluated with the calibration in its score file; ``names`` of the files are for error messages.

    Raises:
        FacetellError: the files have no videos in common, labels that disagree, or too few videos for the measure.
    """
    clean = [scores.select(distortion="") for scores in (a, b)]
    tables = [(scores if split == ALL else scores.select(split=split)).videos() for scores in clean]
    for table, scores, name in zip(tables, clean, names, strict=True):
        if not len(table):
            there = ", ".join(sorted(set(scores["split"].tolist()) - {""}))
            there = there or ("videos without a split" if len(scores) else "no undistorted video")
            raise FacetellError(
                f"{name} has no video of the split {split} (it has {there}); choose another with --split, or all"
            )
    places = [{key: row for row, key in enumerate(keys_of(table, COPY))} for table in tables]
    common = [key for key in places[0] if key in places[1]]
    if not common:
        raise FacetellError(
            f"{' and '.join(names)} have no video in common (by dataset and path); score the same manifest with each"
        )
    both = [table.where(np.array([of[key] for key in common])) for table, of in zip(tables, places, strict=True)]
    labels = np.stack([table["label"] for table in both])
    label = labels.max(axis=0)  # one that only one file has is used in both
    wrong = np.flatnonzero(((labels >= 0) & (labels != label)).any(axis=0))
    if len(wrong):
        raise FacetellError(
            f"{' and '.join(names)} disagree on the labels of {len(wrong)} videos, such as {common[wrong[0]][1]}; "
            "score the same manifest with each"
        )
    missing_a, missing_b = (np.isnan(table["logit"]) for table in both)
    scored = ~missing_a & ~missing_b & (label >= 0)
    first, second = (replace(t, columns={**t.columns, "label": label}).where(scored) for t in both)
    counts = count(first)
    (value_a, samples_a), (value_b, samples_b) = (
        group[measure] for group in sample_jointly([first, second], [measure], draws=draws)
    )
    if np.isnan([value_a, value_b]).any():
        raise FacetellError(
            f"of the split {split} both scored {counts.real} real and {counts.fake} forged videos, too few for "
            f"{MEASURES[measure].title}; score more, or choose another split"
        )
    paired = None if samples_a is None or samples_b is None else samples_a - samples_b
    return Comparison(
        measure=measure,
        a=estimate_of(value_a, samples_a),
        b=estimate_of(value_b, samples_b),
        difference=difference_of(value_a - value_b, paired),
        delong=delong_test(first["label"], first["logit"], second["logit"]) if measure == "auc" else None,
        real=counts.real,
        fake=counts.fake,
        identities=counts.identities,
        left_out={
            "not scored by A": int(((label >= 0) & missing_a & ~missing_b).sum()),
            "not scored by B": int(((label >= 0) & missing_b & ~missing_a).sum()),
            "scored by neither": int(((label >= 0) & missing_a & missing_b).sum()),
            "without a label": int((label < 0).sum()),
            "only in A": len(tables[0]) - len(both[0]),
            "only in B": len(tables[1]) - len(both[1]),
        },
    )

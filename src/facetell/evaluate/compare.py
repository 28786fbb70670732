"""Is one model better than another? Both on the videos that both scored, with an interval and a p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facetell.evaluate.scores import COPY, Scores, VideoScores, keys_of
from facetell.metrics.intervals import (
    DRAWS,
    Difference,
    Estimate,
    bootstrap,
    delong_test,
    difference_of,
    enough_people,
    estimate_of,
)
from facetell.metrics.measures import MEASURES, Sample, sample_of
from facetell.metrics.weighted import Values
from facetell.types import FacetellError

SURE = 0.05
"""The p below which one model is called better."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same videos.

    Attributes:
        measure: its name in :data:`facetell.metrics.measures.MEASURES`.
        a, b: the figure of either model on the common videos.
        difference: A minus B, by the paired bootstrap over identities.
        delong: the same by DeLong's test, which takes videos as independent; None unless the measure is the AUC.
        real, fake: videos that both scored.
        people: identities among them.
        only_a, only_b: videos of the split that the other file does not know.
        unscored_a, unscored_b, unscored_both: videos of both files that one model, or neither, could score.
        unlabelled: videos of both files of which it is not known what they are.
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Difference
    delong: Difference | None
    real: int
    fake: int
    people: int
    only_a: int
    only_b: int
    unscored_a: int
    unscored_b: int
    unscored_both: int
    unlabelled: int

    @property
    def better(self) -> str:
        """ "a", "b", or "" where that cannot be said (p of :data:`SURE` or more, or no p)."""
        if not self.difference.p < SURE:
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
    seed: int = 0,
) -> Comparison:
    """Compare two models by a measure on the clean videos of a split that both scored.

    Args:
        a, b: their score files; each is judged with its own calibration.
        split: "train", "val" or "test".
        measure: of :data:`facetell.metrics.measures.MEASURES`.
        names: of the files, for the errors.
        draws, seed: of the paired bootstrap.

    Raises:
        FacetellError: the files have no videos in common, labels that disagree, or too few videos for the measure.
    """
    tables = [_clean(scores, split, name) for scores, name in zip((a, b), names, strict=True)]
    both = align(tables, names)
    missing_a, missing_b = (np.isnan(table["logit"]) for table in both)
    known = both[0]["label"] >= 0
    first, second = (sample_of(table.where(~missing_a & ~missing_b & known)) for table in both)
    compute = MEASURES[measure].compute

    def figures(weights: Values) -> Values:
        return np.stack([compute(first, weights), compute(second, weights)], axis=-1)

    values = figures(np.ones((1, len(first))))[0]
    if np.isnan(values).any():
        raise FacetellError(_too_few(first, measure, split))
    samples = None
    if enough_people(first.labels, first.identities):
        samples = bootstrap(figures, first.labels, first.identities, draws=draws, seed=seed)
    return Comparison(
        measure=measure,
        a=estimate_of(float(values[0]), None if samples is None else samples[:, 0]),
        b=estimate_of(float(values[1]), None if samples is None else samples[:, 1]),
        difference=difference_of(
            float(values[0] - values[1]), None if samples is None else samples[:, 0] - samples[:, 1]
        ),
        delong=delong_test(first.labels, first.logits, second.logits) if measure == "auc" else None,
        real=int((first.labels == 0).sum()),
        fake=int((first.labels == 1).sum()),
        people=len(set(first.identities.tolist())),
        only_a=len(tables[0]) - len(both[0]),
        only_b=len(tables[1]) - len(both[1]),
        unscored_a=int((known & missing_a & ~missing_b).sum()),
        unscored_b=int((known & missing_b & ~missing_a).sum()),
        unscored_both=int((known & missing_a & missing_b).sum()),
        unlabelled=int((~known).sum()),
    )


def align(tables: Sequence[VideoScores], names: Sequence[str]) -> list[VideoScores]:
    """The videos that all tables contain, scored or not, in the order of the first table.

    Videos are matched by dataset, path, distortion and level. A label that only some tables have is used in all.

    Args:
        tables: of one model each.
        names: of the tables, for the error messages.

    Raises:
        FacetellError: the tables have no video in common, or disagree on the label of one.
    """
    places = [{key: row for row, key in enumerate(keys_of(table, COPY))} for table in tables]
    common = [key for key in places[0] if all(key in of for of in places)]
    if not common:
        raise FacetellError(
            f"{' and '.join(names)} have no video in common (by dataset and path); score the same manifest with each"
        )
    rows = [np.array([of[key] for key in common]) for of in places]
    labels = np.stack([table["label"][r] for table, r in zip(tables, rows, strict=True)])
    label = labels.max(axis=0)
    wrong = np.flatnonzero(((labels >= 0) & (labels != label)).any(axis=0))
    if len(wrong):
        raise FacetellError(
            f"{' and '.join(names)} do not agree on whether {common[wrong[0]][1]} is forged"
            f"{f' (nor on {len(wrong) - 1} others)' if len(wrong) > 1 else ''}; score the same manifest with each"
        )
    aligned = []
    for table, r in zip(tables, rows, strict=True):
        columns = {name: column[r] for name, column in table.columns.items()}
        aligned.append(VideoScores({**columns, "label": label}, table.about))
    return aligned


def _clean(scores: Scores, split: str, name: str) -> VideoScores:
    """The undistorted videos of a split; refused where there is none."""
    chosen = scores.select(split=split, distortion="").videos()
    if not len(chosen):
        there = sorted(set(scores.select(distortion="")["split"].tolist()))
        hint = f"it has {', '.join(there)}" if there else "it has no undistorted video at all"
        raise FacetellError(f"{name} has no video of the split {split} ({hint}); choose another split or file")
    return chosen


def _too_few(sample: Sample, measure: str, split: str) -> str:
    real, fake = int((sample.labels == 0).sum()), int((sample.labels == 1).sum())
    return (
        f"of the split {split} both scored {real} real and {fake} forged videos, too few for "
        f"{MEASURES[measure].title}; score more, or choose another split"
    )

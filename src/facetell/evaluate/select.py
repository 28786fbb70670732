"""Model selection that cannot touch a test split: it looks at ``val`` of the training set and at nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facetell.evaluate.compare import align
from facetell.evaluate.intervals import DRAWS, Estimate, bootstrap, enough_people, estimate_of
from facetell.evaluate.measures import MEASURES, sample_of
from facetell.evaluate.scores import Scores, VideoScores
from facetell.evaluate.weighted import Values
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen candidate, and what every one reached.

    Attributes:
        chosen: its name.
        measure: name in :data:`facetell.evaluate.measures.MEASURES`.
        figures: by candidate, on the videos of ``val`` that all of them scored, with 95 % intervals.
        videos: how many those are.
        unscored: by candidate, how many videos of ``val`` it could not score.
    """

    chosen: str
    measure: str
    figures: Mapping[str, Estimate]
    videos: int
    unscored: Mapping[str, int]


def select(
    candidates: Mapping[str, Scores], dataset: str, *, measure: str = "auc", draws: int = DRAWS, seed: int = 0
) -> Selection:
    """Choose the candidate with the best figure on ``val`` of its training set; of equal ones the first.

    Only rows of split "val", of ``dataset`` and without distortion are looked at; there is no argument to change that.

    Args:
        candidates: score files by name, at least one.
        dataset: the training set, as it is named in the files.
        measure: of :data:`facetell.evaluate.measures.MEASURES`.
        draws, seed: of the bootstrap over identities, the same draws for all.

    Raises:
        FacetellError: no candidate; one without such rows, or with others than the first has; no video that all
            scored; too few for the measure.
    """
    if not candidates:
        raise FacetellError("there is no candidate to choose from; give at least one score file")
    names = list(candidates)
    tables = [_val(scores, dataset, name) for name, scores in candidates.items()]
    aligned = align(tables, names)
    for name, table in zip(names, tables, strict=True):
        if len(table) != len(aligned[0]):
            raise FacetellError(f"{name} was not scored on the same videos of val as the others; score all of val")
    scored = np.all([~np.isnan(table["logit"]) for table in aligned], axis=0)
    samples = [sample_of(table.where(scored)) for table in aligned]
    compute, sign = MEASURES[measure].compute, 1 if MEASURES[measure].higher_is_better else -1

    def figures(weights: Values) -> Values:
        return np.stack([compute(sample, weights) for sample in samples], axis=-1)

    labels, identities = samples[0].labels, samples[0].identities
    values = figures(np.ones((1, len(labels))))[0]
    if np.isnan(values).any():
        raise FacetellError(
            f"of val, all candidates scored {int((labels == 0).sum())} real and {int((labels == 1).sum())} forged "
            f"videos, too few for {MEASURES[measure].title}; score more of val"
        )
    drawn = None
    if enough_people(labels, identities):
        drawn = bootstrap(figures, labels, identities, draws=draws, seed=seed)
    return Selection(
        chosen=names[int(np.argmax(sign * values))],
        measure=measure,
        figures={
            name: estimate_of(float(values[i]), None if drawn is None else drawn[:, i]) for i, name in enumerate(names)
        },
        videos=len(labels),
        unscored={name: int(np.isnan(table["logit"]).sum()) for name, table in zip(names, aligned, strict=True)},
    )


def _val(scores: Scores, dataset: str, name: str) -> VideoScores:
    chosen = scores.select(split="val", dataset=dataset, distortion="").videos()
    if not len(chosen):
        raise FacetellError(
            f"{name} has no undistorted video of the split val of {dataset or 'the training set'}; score val with it, "
            "for nothing else may choose a model"
        )
    return chosen

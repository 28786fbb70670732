"""Out-of-fold results by kind of forgery: AUC, rates at a threshold, spread over folds and seeds, drift of the reals.

Scores are raw logits of rows of a manifest, NaN where a row is left out; the score of a video is that of score files.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.datasets.folds import REAL, group_of, kind_of
from facetell.datasets.manifest import Entry
from facetell.evaluate.protocols import ALL
from facetell.evaluate.sample import identities_of, sample_jointly
from facetell.evaluate.scores import VIDEO, Scores, from_rows, keys_of, row_of
from facetell.evaluate.tables import Cell, Table, written
from facetell.metrics.intervals import DRAWS, Estimate, estimate_of, wilson
from facetell.metrics.ranking import auc

LEAST = 5
"""Fewest videos of a kind, and of reals of a repository, for which a figure is given."""


@dataclass(frozen=True, slots=True)
class KindResult:
    """``fakes`` forgeries of one kind against all reals: ``auc``, and ``tpr``, the share that reaches the threshold."""

    fakes: int
    auc: Estimate
    tpr: Estimate


@dataclass(frozen=True, slots=True)
class Results:
    """Out-of-fold results: of the scored ``reals`` of ``identities`` the share ``fpr`` reaches ``threshold``, a logit.

    ``kinds`` are "all", then each kind with :data:`LEAST` or more videos, by number of videos.
    """

    reals: int
    identities: int
    threshold: float
    fpr: Estimate
    kinds: Mapping[str, KindResult]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (n - 1) of an AUC over all folds of all seeds, and over seeds with pooled folds."""

    folds: tuple[float, float]
    seeds: tuple[float, float]


def by_kind(entries: Sequence[Entry], scores: ArrayLike, threshold: float = 0.0) -> Results:
    """Results of each kind of forgery against all reals, from N labelled rows and (N,) out-of-fold logits."""
    videos, _, kinds = _videos(entries, scores)
    real, called = kinds == REAL, videos["logit"] >= threshold
    counts = Counter(kinds[~real].tolist())
    found = {}
    for kind, count in [(ALL, counts.total()), *counts.most_common()]:
        if kind == ALL or count >= LEAST:
            of_kind = ~real if kind == ALL else kinds == kind
            (sampled,) = sample_jointly([videos.where(real | of_kind)], ["auc"])
            found[kind] = KindResult(count, estimate_of(*sampled["auc"]), wilson(int(called[of_kind].sum()), count))
    identities = len(set(identities_of(videos.where(real)).tolist()))
    fpr = wilson(int(called[real].sum()), int(real.sum()))
    return Results(int(real.sum()), identities, threshold, fpr, found)


def spread(entries: Sequence[Entry], scores: ArrayLike, folds: ArrayLike) -> dict[str, Spread]:
    """Spread of the AUC of each kind, from N labelled rows, (S, N) logits of S seeds and (S, N) folds."""
    of_folds: dict[str, list[float]] = defaultdict(list)
    of_seeds: dict[str, list[float]] = defaultdict(list)
    for logits, fold_of in zip(np.asarray(scores), np.asarray(folds), strict=True):
        for fold in [None, *np.unique(fold_of)]:
            inside = np.full(len(entries), True) if fold is None else fold_of == fold
            videos, _, kinds = _videos([entries[i] for i in np.flatnonzero(inside).tolist()], logits[inside])
            for kind in [ALL, *set(kinds.tolist()) - {REAL}]:
                rows = (kinds == REAL) | (kinds == kind) | (kind == ALL)
                value = auc(videos["label"][rows], videos["logit"][rows])
                if not math.isnan(value):  # a fold may lack reals
                    (of_seeds if fold is None else of_folds)[kind].append(value)
    return {kind: Spread(_mean_std(of_folds[kind]), _mean_std(values)) for kind, values in of_seeds.items()}


def drift_of_reals(entries: Sequence[Entry], scores: ArrayLike) -> dict[str, tuple[float, int]]:
    """Mean logit and number of the real videos of each repository with :data:`LEAST` or more of them, lowest first."""
    logits: dict[str, list[float]] = defaultdict(list)
    videos, owners, _ = _videos(entries, scores)
    for entry, logit in zip(owners, videos["logit"].tolist(), strict=True):
        if entry.label == 0:
            logits[group_of(entry)].append(logit)
    means = {name: (float(np.mean(of)), len(of)) for name, of in logits.items() if len(of) >= LEAST}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def within_sources(entries: Sequence[Entry], scores: ArrayLike) -> dict[str, tuple[float, int]]:
    """AUC of forged against real videos of each repository with both, and how many there are of the rarer class."""
    videos, owners, _ = _videos(entries, scores)
    groups, labels = np.array([group_of(entry) for entry in owners]), videos["label"]
    found = {}
    for group in np.unique(groups):
        inside = groups == group
        rarer = int(min((labels[inside] == label).sum() for label in (0, 1)))
        if rarer:
            found[str(group)] = float(auc(labels[inside], videos["logit"][inside])), rarer
    return found


def mean_within(found: Mapping[str, tuple[float, int]], draws: int = DRAWS) -> Estimate:
    """Mean of :func:`within_sources`, weighted by the numbers, with a bootstrap over repositories; NaN without any."""
    if not found:
        return Estimate(math.nan)
    values, weights = np.array([*found.values()]).T
    drawn = np.random.default_rng(0).multinomial(len(values), np.full(len(values), 1 / len(values)), draws) * weights
    return estimate_of(float(np.average(values, weights=weights)), drawn @ values / drawn.sum(axis=1))


def kind_table(results: Results, spreads: Mapping[str, Spread] | None = None) -> Table:
    """A table of the results by kind, with the spread of the AUC where it is given."""
    fpr, between = written(results.fpr, "tpr")
    caption = (
        f"Each kind against {results.reals} reals of {results.identities} identities. "
        f"At logit {results.threshold:.2f} the false positive rate is {fpr} % [{between}]. Percent, 95 % intervals"
    )
    head = ("forgery", "videos", "AUC", "TPR", *(("AUC of folds", "AUC of seeds") if spreads else ()))
    rows = []
    for kind, found in results.kinds.items():
        row = [Cell(kind), Cell(str(found.fakes)), Cell(*written(found.auc, "auc")), Cell(*written(found.tpr, "tpr"))]
        for mean, std in (spreads[kind].folds, spreads[kind].seeds) if spreads else ():
            row.append(Cell(f"{100 * mean:.1f} ± {100 * std:.1f}"))
        rows.append(tuple(row))
    return Table("Results by kind of forgery", caption, head, 1, tuple(rows))


def drift_table(drift: Mapping[str, tuple[float, int]]) -> Table:
    """A table of :func:`drift_of_reals`, with the range of the means in its caption."""
    means = [mean for mean, _ in drift.values()]
    between = max(means) - min(means) if means else math.nan
    caption = f"Repositories with {LEAST} or more reals; range of the means {between:.2f}"
    rows = tuple((Cell(name), Cell(str(count)), Cell(f"{mean:+.2f}")) for name, (mean, count) in drift.items())
    return Table("Mean logit of the reals", caption, ("repository", "videos", "mean logit"), 1, rows)


def _videos(entries: Sequence[Entry], scores: ArrayLike) -> tuple[Scores, list[Entry], NDArray[np.object_]]:
    """The scored videos, an entry of each, and their kinds."""
    rows = [row_of(entry) | {"logit": float(x)} for entry, x in zip(entries, np.asarray(scores), strict=True)]
    videos = from_rows(rows, {}).videos().scored
    entry_of = {(entry.dataset, entry.video): entry for entry in entries}
    owners = [entry_of[key] for key in keys_of(videos, VIDEO)]
    return videos, owners, np.array([kind_of(entry) for entry in owners], dtype=object)


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    mean = float(np.mean(values)) if values else math.nan
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else math.nan

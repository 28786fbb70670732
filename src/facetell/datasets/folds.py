"""Grouped cross-validation: training rows share no repository, family or identity with the videos that are scored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.datasets.layout import identities_of
from facetell.datasets.manifest import Entry
from facetell.types import FacetellError

REAL, OTHER = "real", "other"
JITTER = 0.3  # relative; by how much the seed changes the order in which repositories are assigned
BALANCE = 0.75  # exponent: 0 weighs every row alike, 1 every group


def kind_of(entry: Entry) -> str:
    """Kind of an entry: "real", the kind of forgery, or "other" for a forgery whose kind is not known."""
    return REAL if entry.label == 0 else entry.kind or OTHER


def group_of(entry: Entry) -> str:
    """Name of what must be in one fold: the repository; if unknown the identity; if unknown the recording."""
    return entry.repository or entry.identity or entry.source or entry.video


def grouped_folds(entries: Sequence[Entry], count: int = 5, seed: int = 0) -> NDArray[np.int64]:
    """Fold (N,) of each entry, 0 to ``count`` - 1; all entries of one repository are in the same fold.

    Repositories are assigned one by one, the largest first, each to the fold in which it least increases the sum of the
    squared shares of the kinds, so that kinds are spread evenly. ``seed`` changes the order and resolves ties.
    FacetellError: a label is unknown, or there are fewer than ``count`` repositories.
    """
    _check_labels(entries)
    kinds_of: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        kinds_of[group_of(entry)][kind_of(entry)] += 1
    if not 2 <= count <= len(kinds_of):
        raise FacetellError(f"{len(kinds_of)} repositories cannot be divided into {count} folds: give fewer, 2 or more")
    total = Counter(kind_of(entry) for entry in entries)
    rng = np.random.default_rng(seed)

    def size(group: str) -> float:
        return sum(n / total[kind] for kind, n in kinds_of[group].items()) * (1 + JITTER * float(rng.random()))

    def increase(load: Counter[str], added: Counter[str]) -> float:
        """Of the sum of squared shares of the kinds in a fold."""
        return sum(((load[kind] + n) / total[kind]) ** 2 - (load[kind] / total[kind]) ** 2 for kind, n in added.items())

    loads: list[Counter[str]] = [Counter() for _ in range(count)]
    fold_of: dict[str, int] = {}
    for group in sorted(kinds_of, key=size, reverse=True):
        costs = [(increase(load, kinds_of[group]), float(rng.random())) for load in loads]
        fold_of[group] = costs.index(min(costs))
        loads[fold_of[group]].update(kinds_of[group])
    return np.array([fold_of[group_of(entry)] for entry in entries], dtype=np.int64)


def training_rows(entries: Sequence[Entry], folds: ArrayLike, fold: int) -> NDArray[np.bool_]:
    """The entries (N,) outside ``fold`` of ``folds`` (N,) whose repositories, families and identities are not in it."""
    return _apart(entries, np.asarray(folds) == fold)


def leave_kind_out(entries: Sequence[Entry], kind: str) -> NDArray[np.bool_]:
    """Entries (N,) that share no repository, family or identity with a kind. FacetellError: there is no such kind."""
    held = np.array([kind_of(entry) == kind for entry in entries])
    if not held.any():
        raise FacetellError(f"no entry is of the kind '{kind}'")
    return _apart(entries, held)


def balanced_weights(entries: Sequence[Entry], rows: ArrayLike) -> NDArray[np.float64]:
    """Sampling weights (N,) of the training ``rows`` (bool, (N,)), with mean 1; 0 for all other rows.

    A row of a group with n rows has the weight ``n ** -0.75`` within its class. Reals are grouped by repository,
    forgeries by family (else by method). Both classes have the same total. FacetellError: no label, or one class alone.
    """
    _check_labels(entries)
    chosen: list[int] = np.flatnonzero(rows).tolist()
    weights = np.zeros(len(entries))
    for label in (0, 1):
        if not (of_class := [row for row in chosen if entries[row].label == label]):
            raise FacetellError(f"the training rows have no {'forged' if label else 'real'} entry")
        groups = [e.family or e.method if label else group_of(e) for e in (entries[row] for row in of_class)]
        counts = Counter(groups)
        share = np.array([counts[group] ** -BALANCE for group in groups])
        weights[of_class] = share / share.sum() * len(chosen) / 2
    return weights


def _apart(entries: Sequence[Entry], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The entries (N,) that are not held out and have no name in common with one that is."""
    names = set().union(*(_names(entry) for entry, out in zip(entries, held, strict=True) if out))
    return np.array([not out and names.isdisjoint(_names(entry)) for entry, out in zip(entries, held, strict=True)])


def _names(entry: Entry) -> set[tuple[str, str]]:
    found = {("group", group_of(entry)), *(("person", person) for person in identities_of(entry))}
    return found | ({("family", entry.family)} if entry.family else set())


def _check_labels(entries: Sequence[Entry]) -> None:
    if unknown := next((entry.path for entry in entries if entry.label is None), None):
        raise FacetellError(f"{unknown} has no label; leave out the rows without one")

"""Splits by identity, for benchmarks that publish none: drawn once with a seed, then kept in a file.

A person is in one split only. A forgery shows one person and holds another: where the two are in different splits it
belongs to neither and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import SPLITS, Entry, Split
from facetell.files import write_text
from facetell.types import FacetellError

SPLIT_FILE = "facetell-split.json"
SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}


def draw_split(identities: Iterable[str], shares: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """Identities dealt out by ``shares`` (summing to 1): as near to them as whole people allow, at least one each.

    >>> sorted(draw_split("abcdefghij", {"train": 0.8, "test": 0.2}, 0).values()).count("test")
    2
    """
    people = sorted(set(identities))
    np.random.default_rng(seed).shuffle(people)
    drawn: dict[str, Split] = {}
    for split, share in sorted(shares.items(), key=lambda item: item[1]):
        if split != max(shares, key=lambda name: shares[name]):
            count = max(1, round(share * len(people)))
            drawn |= dict.fromkeys(people[len(drawn) : len(drawn) + count], split)
    rest = max(shares, key=lambda name: shares[name])
    return drawn | dict.fromkeys(people[len(drawn) :], rest)


def kept_split(identities: Iterable[str], shares: Mapping[Split, float], seed: int, path: Path) -> dict[str, Split]:
    """The split kept in ``path``; drawn and written where there is none yet.

    Raises:
        FacetellError: the file cannot be read or written, or does not know all identities.
    """
    people = set(identities)
    if not path.exists():
        drawn = draw_split(people, shares, seed)
        try:
            write_text(path, json.dumps({"seed": seed, "identities": dict(sorted(drawn.items()))}, indent=1) + "\n")
        except FacetellError as error:
            raise FacetellError(f"the split by identity must be kept, but {error} (--split-file FILE)") from None
        return drawn
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["identities"]
        split = {str(name): SPLITS[SPLITS.index(value)] for name, value in kept.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FacetellError(f"{path} is not a split by identity ({error}); take it away to draw one anew") from None
    unknown = sorted(people - split.keys())
    if unknown:
        raise FacetellError(
            f"the split in {path} does not know {len(unknown)} identities ({', '.join(unknown[:3])}...): "
            "add them to it, or take it away to draw one anew"
        )
    return split


def split_by_identity(
    entries: Sequence[Entry], root: Path, options: ReadOptions, shares: Mapping[Split, float] = SHARES
) -> list[Entry]:
    """Entries with the split of their people; those of two people in different splits are left out, with a note.

    Raises:
        FacetellError: as :func:`kept_split`.
    """
    if options.all_test:
        return [replace(entry, split="test") for entry in entries]
    path = options.split_file or root / SPLIT_FILE
    split = kept_split((person for entry in entries for person in people_of(entry)), shares, options.seed, path)
    placed = []
    for entry in entries:
        places = {split[person] for person in people_of(entry)}
        if len(places) == 1:
            placed.append(replace(entry, split=places.pop()))
    options.note(f"there is no official split: one by identity is kept in {path}")
    if len(placed) < len(entries):
        options.note(f"{len(entries) - len(placed)} forgeries of two people in different splits are left out")
    return placed


def check_official(options: ReadOptions, what: str) -> None:
    """Refuse options of a split by identity where none is drawn: ``what`` then has splits of its own.

    Raises:
        FacetellError: one is given.
    """
    for name, given in (("--all-test", options.all_test), ("--seed", options.seed)):
        if given:
            raise FacetellError(f"{what}: {name} is for sets that are split by identity here, leave it out")


def carve_val(entries: Sequence[Entry], root: Path, options: ReadOptions) -> list[Entry]:
    """Entries of which the share ``options.val`` of the training identities became ``val``; the test stays as it is.

    Raises:
        FacetellError: as :func:`kept_split` and :func:`check_official`, or the share is not below 1.
    """
    if options.val == 0:
        check_official(options, "without --val the published splits are used as they are")
        return list(entries)
    if not 0 < options.val < 1:
        raise FacetellError(f"the share for val is {options.val:g}; give one between 0 and 1, such as 0.1")
    train = [entry for entry in entries if entry.split == "train"]
    shares: dict[Split, float] = {"train": 1 - options.val, "val": options.val}
    carved = split_by_identity(train, root, options, shares) if train else []
    return carved + [entry for entry in entries if entry.split != "train"]


def people_of(entry: Entry) -> tuple[str, ...]:
    """The identities that an entry holds; its own path where none is known."""
    return tuple(person for person in (entry.identity, entry.donor) if person) or (entry.source or entry.path,)

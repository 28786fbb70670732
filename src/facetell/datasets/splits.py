"""Splits by identity, for benchmarks that publish none: drawn once with a seed, then stored in a file.

An identity is in one split only. A forgery of two identities in different splits is left out.
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
    """Split by identity: ``shares`` (of sum 1) as nearly as whole identities allow, at least one in each split."""
    names = sorted(set(identities))
    np.random.default_rng(seed).shuffle(names)
    largest = max(shares, key=lambda split: shares[split])
    drawn: dict[str, Split] = {}
    for split, share in sorted(shares.items(), key=lambda item: item[1]):
        if split != largest:
            count = max(1, round(share * len(names)))
            drawn |= dict.fromkeys(names[len(drawn) : len(drawn) + count], split)
    return drawn | dict.fromkeys(names[len(drawn) :], largest)


def stored_split(identities: Iterable[str], shares: Mapping[Split, float], seed: int, path: Path) -> dict[str, Split]:
    """The split in ``path``, which is drawn and written if there is no such file.

    Raises:
        FacetellError: the file cannot be read or written, or lacks an identity.
    """
    names = set(identities)
    if not path.exists():
        drawn = draw_split(names, shares, seed)
        try:
            write_text(path, json.dumps({"seed": seed, "identities": dict(sorted(drawn.items()))}, indent=1) + "\n")
        except FacetellError as error:
            raise FacetellError(f"the split by identity must be stored, but {error} (--split-file FILE)") from None
        return drawn
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["identities"]
        split = {str(name): SPLITS[SPLITS.index(value)] for name, value in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FacetellError(f"{path} is not a split by identity ({error}); remove it to draw a new one") from None
    unknown = sorted(names - split.keys())
    if unknown:
        raise FacetellError(
            f"the split in {path} lacks {len(unknown)} identities ({', '.join(unknown[:3])}...): "
            "add them, or remove the file to draw a new one"
        )
    return split


def split_by_identity(
    entries: Sequence[Entry], root: Path, options: ReadOptions, shares: Mapping[Split, float] = SHARES
) -> list[Entry]:
    """Entries with the split of their identities; those with identities in several splits are left out, with a note."""
    if options.all_test:
        return [replace(entry, split="test") for entry in entries]
    path = options.split_file or root / SPLIT_FILE
    split = stored_split((name for entry in entries for name in identities_of(entry)), shares, options.seed, path)
    splits_of = [(entry, {split[name] for name in identities_of(entry)}) for entry in entries]
    placed = [replace(entry, split=splits.pop()) for entry, splits in splits_of if len(splits) == 1]
    options.note(f"there is no official split: one by identity is stored in {path}")
    if len(placed) < len(entries):
        options.note(f"{len(entries) - len(placed)} forgeries of identities in different splits are left out")
    return placed


def carve_val(entries: Sequence[Entry], root: Path, options: ReadOptions) -> list[Entry]:
    """Entries with the share ``options.val`` of the training identities in ``val``; the test split is not changed."""
    if options.val == 0:
        return list(entries)
    if not 0 < options.val < 1:
        raise FacetellError(f"the share for val is {options.val:g}; give one between 0 and 1, such as 0.1")
    train = [entry for entry in entries if entry.split == "train"]
    shares: dict[Split, float] = {"train": 1 - options.val, "val": options.val}
    carved = split_by_identity(train, root, options, shares) if train else []
    return carved + [entry for entry in entries if entry.split != "train"]


def identities_of(entry: Entry) -> tuple[str, ...]:
    """The identities in a video; its source, or its own path, if none is known."""
    return tuple(name for name in (entry.identity, entry.donor) if name) or (entry.source or entry.path,)

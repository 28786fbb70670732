"""What all readers share: options, the folder of a benchmark with errors that describe the expected files, and splits.

Benchmarks without splits get one by identity, drawn with a seed; a forgery of two identities in two splits is left out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facetell.datasets.manifest import Entry, Split
from facetell.types import FacetellError
from facetell.video.kinds import Kind, is_hidden, kind_of

BY_IDENTITY = frozenset({"all_test", "seed"})  # options of benchmarks that are split by identity
CARVED = frozenset({"val", "seed"})  # options of benchmarks of which ``val`` is a part of the training identities
SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of the readers; each takes those named in its :attr:`Benchmark.options`."""

    compressions: tuple[str, ...] = ("c23",)  # of "raw", "c23", "c40"
    methods: tuple[str, ...] = ()  # forgeries to read; empty: all that are there
    protocol: str = "A"  # of DeeperForensics-1.0: A, B or lists
    ffpp: Path | None = None  # root of FaceForensics++, for benchmarks that take their reals from it
    val: float = 0.0  # share of the training identities that becomes val, for benchmarks that publish none
    all_test: bool = False  # put every video of a benchmark without official splits into test
    seed: int = 0  # of splits by identity
    note: Callable[[str], None] = lambda message: None  # called with messages for the user


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark that can be read."""

    name: str
    about: str
    tree: str  # the expected files under its root
    read: Callable[[Folder, ReadOptions], Iterable[Entry]]
    options: frozenset[str] = frozenset()  # the fields of ReadOptions that ``read`` takes


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a benchmark on disk. Names that it takes and returns are relative to ``root``, with ``/``.

    Its methods raise ``FacetellError`` with the first missing or malformed file and the expected files.
    """

    root: Path
    benchmark: Benchmark

    def fault(self, missing: str) -> FacetellError:
        """The error for a missing or malformed file."""
        return FacetellError(f"{missing}; {self.benchmark.name} should hold {self.benchmark.tree}")

    def folder(self, *names: str) -> str:
        """The first of ``names`` that is a folder."""
        return self.file(*names, what="folder", there=Path.is_dir)

    def file(self, *names: str, what: str = "file", there: Callable[[Path], bool] = Path.is_file) -> str:
        """The first of ``names`` that is a file."""
        if not self.root.is_dir():
            raise self.fault(f"there is no folder {self.root}")
        if (found := next((name for name in names if there(self.root / name)), None)) is None:
            raise self.fault(f"{self.root} lacks the {what} {' (or '.join(names) + ')' * (len(names) - 1)}")
        return found

    def videos(self, folder: str) -> list[str]:
        """The videos of a folder, or of the folder ``videos`` in it, as some copies have it; sorted, at least one."""
        folder = f"{folder}/videos" if (self.root / folder / "videos").is_dir() else folder
        files = (path for path in (self.root / folder).glob("*") if path.is_file() and not is_hidden(path.name))
        if not (found := sorted(path.name for path in files if kind_of(path) is Kind.VIDEO)):
            raise self.fault(f"{self.root / folder} holds no video")
        return [f"{folder}/{name}" for name in found]

    def subfolders(self, folder: str) -> list[str]:
        """The visible subfolders, sorted."""
        paths = (self.root / folder).iterdir()
        return [f"{folder}/{name}" for name in sorted(p.name for p in paths if p.is_dir() and not is_hidden(p.name))]

    def check_methods(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        """Raise if a method in ``wanted`` is not in ``known``."""
        if (unknown := next((name for name in wanted if name not in known), None)) is not None:
            raise FacetellError(f"'{unknown}' is no method of {self.benchmark.name}; choose of {', '.join(known)}")

    def json(self, file: str) -> Any:
        """The content of a JSON file."""
        try:
            return json.loads((self.root / file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.fault(f"{self.root / file} cannot be read as JSON ({error})") from None

    def lines(self, file: str) -> list[str]:
        """The non-empty lines of a text file, stripped; at least one."""
        try:
            text = (self.root / file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise self.fault(f"{self.root / file} cannot be read as a list ({error})") from None
        if not (lines := [line.strip() for line in text.splitlines() if line.strip()]):
            raise self.fault(f"{self.root / file} is empty")
        return lines

    def rows(self, file: str, columns: Sequence[str]) -> list[dict[str, str]]:
        """The rows of a CSV file that has at least ``columns``."""
        try:
            return [{name: row[name].strip() for name in columns} for row in csv.DictReader(self.lines(file))]
        except csv.Error as error:
            raise self.fault(f"{self.root / file} cannot be read as a CSV table ({error})") from None
        except (KeyError, AttributeError):
            raise self.fault(f"{self.root / file} lacks a value of {', '.join(columns)}") from None


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


def split_by_identity(
    entries: Sequence[Entry], options: ReadOptions, shares: Mapping[Split, float] = SHARES
) -> list[Entry]:
    """Entries with the split of their identities; those with identities in several splits are left out, with a note."""
    if options.all_test:
        return [replace(entry, split="test") for entry in entries]
    split = draw_split((name for entry in entries for name in identities_of(entry)), shares, options.seed)
    splits_of = [(entry, {split[name] for name in identities_of(entry)}) for entry in entries]
    placed = [replace(entry, split=splits.pop()) for entry, splits in splits_of if len(splits) == 1]
    options.note(f"there is no official split: one by identity is drawn with the seed {options.seed}")
    if len(placed) < len(entries):
        options.note(f"{len(entries) - len(placed)} forgeries of identities in different splits are left out")
    return placed


def carve_val(entries: Sequence[Entry], options: ReadOptions) -> list[Entry]:
    """Entries with the share ``options.val`` of the training identities in ``val``; the test split is not changed."""
    if options.val == 0:
        return list(entries)
    if not 0 < options.val < 1:
        raise FacetellError(f"the share for val is {options.val:g}; give one between 0 and 1, such as 0.1")
    train = [entry for entry in entries if entry.split == "train"]
    shares: dict[Split, float] = {"train": 1 - options.val, "val": options.val}
    carved = split_by_identity(train, options, shares) if train else []
    return carved + [entry for entry in entries if entry.split != "train"]


def identities_of(entry: Entry) -> tuple[str, ...]:
    """The identities in a video; its source, or its own path, if none is known."""
    return tuple(name for name in (entry.identity, entry.donor) if name) or (entry.source or entry.path,)

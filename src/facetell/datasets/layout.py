"""What all readers share: their options, and looking into folders with a sentence for whatever is missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetell.types import FacetellError
from facetell.video.kinds import IMAGE_SUFFIXES, Kind, is_hidden, kind_of


def _say_nothing(note: str) -> None:
    """Where no caller listens."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What can be chosen when a benchmark is read; each reader takes those that its row in the registry names.

    Attributes:
        compressions: of "raw", "c23", "c40".
        methods: forgeries to take; empty for all that lie on disk.
        protocol: of DeeperForensics-1.0, "A", "B" or "lists" (:mod:`facetell.datasets.dfo`).
        ffpp: root of FaceForensics++, where another benchmark takes its reals.
        val: share of the identities of the training set that becomes ``val``, where a benchmark publishes none.
        all_test: take every video of a set without official split for testing, as cross-dataset papers do.
        seed: of splits by identity.
        split_file: where a split by identity is kept; by default ``facetell-split.json`` in the benchmark's root.
        note: called with sentences that a user should see.
    """

    compressions: tuple[str, ...] = ("c23",)
    methods: tuple[str, ...] = ()
    protocol: str = "A"
    ffpp: Path | None = None
    val: float = 0.0
    all_test: bool = False
    seed: int = 0
    split_file: Path | None = None
    note: Callable[[str], None] = _say_nothing


@dataclass(frozen=True, slots=True)
class Layout:
    """How a benchmark lies on disk: its ``title`` and the ``tree`` that a user should find under its root."""

    title: str
    tree: str

    def fault(self, missing: str) -> FacetellError:
        """The one sentence on what is missing and how it should look."""
        return FacetellError(f"{missing}; {self.title} should hold {self.tree}")

    def root(self, root: Path) -> Path:
        """The root, if it is a folder.

        Raises:
            FacetellError: it is none.
        """
        if not root.is_dir():
            raise self.fault(f"there is no folder {root}")
        return root

    def folder(self, root: Path, *names: str) -> Path:
        """The first of several spellings of a folder that is there.

        Raises:
            FacetellError: none is.
        """
        self.root(root)
        found = next((root / name for name in names if (root / name).is_dir()), None)
        if found is None:
            raise self.fault(f"{root} lacks the folder {' (or '.join(names) + ')' * (len(names) - 1)}")
        return found

    def file(self, root: Path, *names: str) -> Path:
        """The first of several names of a file that is there.

        Raises:
            FacetellError: none is.
        """
        self.root(root)
        found = next((root / name for name in names if (root / name).is_file()), None)
        if found is None:
            raise self.fault(f"{root} lacks the file {' (or '.join(names) + ')' * (len(names) - 1)}")
        return found

    def videos(self, folder: Path) -> list[Path]:
        """The videos of a folder, sorted.

        Raises:
            FacetellError: there is none.
        """
        found = sorted(path for path in _entries(folder) if path.is_file() and kind_of(path) is Kind.VIDEO)
        if not found:
            raise self.fault(f"{folder} holds no video")
        return found

    def check_methods(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        """See to it that the methods that are asked for are there.

        Raises:
            FacetellError: one is not.
        """
        unknown = next((name for name in wanted if name not in known), None)
        if unknown is not None:
            raise FacetellError(f"'{unknown}' is no method of {self.title}; choose of {', '.join(known)}")

    def json(self, path: Path) -> Any:
        """What a JSON file holds.

        Raises:
            FacetellError: it cannot be read.
        """
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.fault(f"{path} cannot be read as JSON ({error})") from None

    def lines(self, path: Path) -> list[str]:
        """The lines of a list that are not empty, stripped.

        Raises:
            FacetellError: it cannot be read, or has none.
        """
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise self.fault(f"{path} cannot be read as a list ({error})") from None
        found = [line for line in lines if line]
        if not found:
            raise self.fault(f"{path} is empty")
        return found

    def rows(self, path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
        """The rows of a CSV file that has at least ``columns``.

        Raises:
            FacetellError: it cannot be read, or lacks a column.
        """
        try:
            reader = csv.DictReader(self.lines(path))
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = list(reader)
        except csv.Error as error:
            raise self.fault(f"{path} cannot be read as a CSV table ({error})") from None
        if missing:
            raise self.fault(f"{path} lacks the column {missing[0]}")
        for row in rows:
            yield {name: (row[name] or "").strip() for name in columns}


def has_pictures(folder: Path) -> bool:
    """Whether a folder holds visible images."""
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in _entries(folder))


def subfolders(folder: Path) -> list[Path]:
    """The visible folders of a folder, sorted."""
    return sorted(path for path in _entries(folder) if path.is_dir())


def below(root: Path, path: Path) -> str:
    """A path relative to the root, with POSIX slashes."""
    return path.relative_to(root).as_posix()


def _entries(folder: Path) -> Iterator[Path]:
    """What is visible in a folder; nothing where there is none."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return (path for path in entries if not is_hidden(path.name))

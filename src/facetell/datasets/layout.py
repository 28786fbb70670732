"""What all readers share: options, and the folder of a benchmark with errors that describe the expected files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetell.datasets.manifest import Manifest
from facetell.types import FacetellError
from facetell.video.kinds import Kind, is_hidden, kind_of

BY_IDENTITY = frozenset({"all_test", "seed", "split_file"})
"""Options of benchmarks that are split by identity."""
CARVED = frozenset({"val", "seed", "split_file"})
"""Options of benchmarks of which ``val`` is a part of the training identities."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of the readers; each takes those named in its :attr:`Benchmark.options`.

    Attributes:
        compressions: of "raw", "c23", "c40".
        methods: forgeries to read; empty: all that are there.
        protocol: of DeeperForensics-1.0, "A", "B" or "lists" (:func:`facetell.datasets.faceforensics.read_dfo`).
        ffpp: root of FaceForensics++, for benchmarks that take their reals from it.
        val: share of the training identities that becomes ``val``, for benchmarks that publish none.
        all_test: put every video of a benchmark without official splits into ``test``.
        seed: of splits by identity.
        split_file: where a split by identity is stored; default: ``facetell-split.json`` in the root.
        note: called with messages for the user.
    """

    compressions: tuple[str, ...] = ("c23",)
    methods: tuple[str, ...] = ()
    protocol: str = "A"
    ffpp: Path | None = None
    val: float = 0.0
    all_test: bool = False
    seed: int = 0
    split_file: Path | None = None
    note: Callable[[str], None] = lambda message: None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark that can be read.

    ``about`` is its description, ``tree`` the expected files under its root, and ``options`` the fields of
    :class:`ReadOptions` that ``read`` takes.
    """

    name: str
    about: str
    tree: str
    read: Callable[[Folder, ReadOptions], Manifest]
    options: frozenset[str] = frozenset()


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
        return self._first(names, "folder", Path.is_dir)

    def file(self, *names: str) -> str:
        """The first of ``names`` that is a file."""
        return self._first(names, "file", Path.is_file)

    def _first(self, names: Sequence[str], what: str, there: Callable[[Path], bool]) -> str:
        if not self.root.is_dir():
            raise self.fault(f"there is no folder {self.root}")
        found = next((name for name in names if there(self.root / name)), None)
        if found is None:
            raise self.fault(f"{self.root} lacks the {what} {' (or '.join(names) + ')' * (len(names) - 1)}")
        return found

    def videos(self, folder: str) -> list[str]:
        """The videos of a folder, or of the folder ``videos`` in it, as some copies have it; sorted, at least one."""
        folder = f"{folder}/videos" if (self.root / folder / "videos").is_dir() else folder
        paths = (self.root / folder).iterdir() if (self.root / folder).is_dir() else ()
        found = sorted(
            path.name for path in paths if not is_hidden(path.name) and path.is_file() and kind_of(path) is Kind.VIDEO
        )
        if not found:
            raise self.fault(f"{self.root / folder} holds no video")
        return [f"{folder}/{name}" for name in found]

    def subfolders(self, folder: str) -> list[str]:
        """The visible subfolders, sorted."""
        paths = (self.root / folder).iterdir()
        return [f"{folder}/{name}" for name in sorted(p.name for p in paths if p.is_dir() and not is_hidden(p.name))]

    def check_methods(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        """Raise if a method in ``wanted`` is not in ``known``."""
        unknown = next((name for name in wanted if name not in known), None)
        if unknown is not None:
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
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
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

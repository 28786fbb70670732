"""What all readers share: options, the expected files of a benchmark, and errors that describe them.

A reader takes the root folder and :class:`ReadOptions` and returns a manifest with paths relative to the root. It
raises ``FacetellError``, which names the first missing or malformed file and the expected layout.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetell.datasets.manifest import Manifest
from facetell.types import FacetellError
from facetell.video.kinds import IMAGE_SUFFIXES, Kind, is_hidden, kind_of


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of the readers; each takes those named in its :attr:`Benchmark.options`.

    Attributes:
        compressions: of "raw", "c23", "c40".
        methods: forgeries to read; empty: all that are there.
        protocol: of DeeperForensics-1.0, "A", "B" or "lists" (:mod:`facetell.datasets.dfo`).
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
class Layout:
    """The expected files of a benchmark: its ``title`` and the ``tree`` under its root."""

    title: str
    tree: str

    def fault(self, missing: str) -> FacetellError:
        """The error for a missing or malformed file."""
        return FacetellError(f"{missing}; {self.title} should hold {self.tree}")

    def folder(self, root: Path, *names: str) -> Path:
        """The first of ``names`` that is a folder under ``root``."""
        return self._first(root, names, "folder", Path.is_dir)

    def file(self, root: Path, *names: str) -> Path:
        """The first of ``names`` that is a file under ``root``."""
        return self._first(root, names, "file", Path.is_file)

    def _first(self, root: Path, names: Sequence[str], what: str, there: Callable[[Path], bool]) -> Path:
        if not root.is_dir():
            raise self.fault(f"there is no folder {root}")
        found = next((root / name for name in names if there(root / name)), None)
        if found is None:
            raise self.fault(f"{root} lacks the {what} {' (or '.join(names) + ')' * (len(names) - 1)}")
        return found

    def videos(self, folder: Path) -> list[Path]:
        """The videos of a folder, or of the folder ``videos`` in it, as some copies have it; sorted, at least one."""
        folder = folder / "videos" if (folder / "videos").is_dir() else folder
        found = sorted(path for path in _visible(folder) if path.is_file() and kind_of(path) is Kind.VIDEO)
        if not found:
            raise self.fault(f"{folder} holds no video")
        return found

    def check_methods(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        """Raise if a method in ``wanted`` is not in ``known``."""
        unknown = next((name for name in wanted if name not in known), None)
        if unknown is not None:
            raise FacetellError(f"'{unknown}' is no method of {self.title}; choose of {', '.join(known)}")

    def json(self, path: Path) -> Any:
        """The content of a JSON file."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.fault(f"{path} cannot be read as JSON ({error})") from None

    def lines(self, path: Path) -> list[str]:
        """The non-empty lines of a text file, stripped; at least one."""
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise self.fault(f"{path} cannot be read as a list ({error})") from None
        if not lines:
            raise self.fault(f"{path} is empty")
        return lines

    def rows(self, path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
        """The rows of a CSV file that has at least ``columns``."""
        try:
            reader = csv.DictReader(self.lines(path))
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = list(reader)
        except csv.Error as error:
            raise self.fault(f"{path} cannot be read as a CSV table ({error})") from None
        if missing:
            raise self.fault(f"{path} lacks the column {missing[0]}")
        return [{name: (row[name] or "").strip() for name in columns} for row in rows]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark that can be read.

    Attributes:
        about: one line of description.
        layout: the expected files under the root.
        read: the reader.
        options: the fields of :class:`ReadOptions` that the reader takes.
    """

    about: str
    layout: Layout
    read: Callable[[Path, ReadOptions], Manifest]
    options: frozenset[str] = frozenset()


BY_IDENTITY = frozenset({"all_test", "seed", "split_file"})
CARVED = frozenset({"val", "seed", "split_file"})


def has_images(folder: Path) -> bool:
    """Whether a folder holds visible image files."""
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in _visible(folder))


def subfolders(folder: Path) -> list[Path]:
    """The visible subfolders, sorted."""
    return sorted(path for path in _visible(folder) if path.is_dir())


def below(root: Path, path: Path) -> str:
    """A path relative to the root, with POSIX slashes."""
    return path.relative_to(root).as_posix()


def _visible(folder: Path) -> Iterator[Path]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return (path for path in entries if not is_hidden(path.name))

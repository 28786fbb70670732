"""The manifest: one table of videos and their labels, whatever benchmark they are from.

On disk it is a CSV file with a header line; paths are relative to the folder of the file. A row is a video, or a
prepared clip. Rows without a label can be scored, but not evaluated.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from facetell.files import write_text
from facetell.types import FacetellError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_LABELS = {"1": 1, "fake": 1, "forged": 1, "0": 0, "real": 0, "genuine": 0, "": None}
_ALIASES = {"file": "path", "generator": "method", "source_repo": "repository", "video": "path"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; a text is "" where it is unknown or does not apply."""

    path: str  # a file or a folder of images, relative to the folder of the manifest (POSIX slashes) or absolute
    label: int | None  # 1 forged, 0 real, None unknown
    split: Split
    identity: str = ""  # the person whose face is visible
    donor: str = ""  # of a forgery, the other person whose face or motion was used
    method: str = ""  # what made the forgery
    dataset: str = ""  # short name of the benchmark
    compression: str = ""  # "raw", "c23", "c40", ..., or a distortion
    source: str = ""  # path of the real video in this manifest that a forgery was made from, frame for frame
    start: float | None = None  # of a prepared clip, seconds in its video; None for a whole video
    end: float | None = None
    origin: str = ""  # in a prepared folder, the path of the video in the manifest that was prepared
    track: int = -1  # of a prepared clip, the number of the face in its video; -1 for a whole video
    kind: str = ""  # what a forgery does ("face-swap", "lip-sync", "talking-head", ...)
    family: str = ""  # name that generators of one method share, such as the versions of one model
    repository: str = ""  # where the video was published; its videos share people, cameras and coding

    @property
    def video(self) -> str:
        """The video that scores are grouped by: the row itself, or what it was cropped from."""
        return self.origin or self.path

    @property
    def is_clip(self) -> bool:
        """Whether it is a prepared clip of one face."""
        return self.track >= 0


COLUMNS = tuple(field.name for field in fields(Entry))
GROUPS = ("kind", "family", "repository")
"""Columns on which neither prepared clips nor scores depend."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Entries, and the folder that their paths are relative to."""

    root: Path
    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def file(self, entry: Entry) -> Path:
        """The file (or folder of images) of an entry."""
        return self.root / entry.path

    def where(self, keep: Callable[[Entry], bool]) -> Manifest:
        """The manifest of the entries for which ``keep`` is true."""
        return replace(self, entries=tuple(entry for entry in self.entries if keep(entry)))


def row_text(entry: Entry, *, groups: bool) -> bytes:
    """A line of JSON to hash a row by, with the :data:`GROUPS` that have a value if ``groups`` (0.1.0 had none)."""
    cells = {name: value for name, value in asdict(entry).items() if name not in GROUPS or (groups and value)}
    return json.dumps(cells, sort_keys=True).encode() + b"\n"


def fingerprint(entries: Iterable[Entry]) -> dict[str, Any]:
    """Number and SHA-256 of rows (``rows``, ``sha256``), without the columns :data:`GROUPS`."""
    digest, count = hashlib.sha256(), 0
    for entry in entries:
        digest.update(row_text(entry, groups=False))
        count += 1
    return {"rows": count, "sha256": digest.hexdigest()}


def read_manifest(path: Path | str) -> Manifest:
    """Read a CSV file, or ``manifest.csv`` in a folder.

    The columns ``path``, ``label`` and ``split`` are required, the others of :class:`Entry` optional, further ones are
    ignored. Other names are accepted where a column is missing: ``file`` or ``video`` for ``path``, ``generator`` for
    ``method``, ``source_repo`` for ``repository``. Labels are 1/0, fake/real, forged/genuine or empty. FacetellError:
    the file is missing, is no table, lacks a column, or has an invalid cell.
    """
    path = Path(path)
    path = path / "manifest.csv" if path.is_dir() else path
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        given = [name.strip() for name in reader.fieldnames or ()]
        names = [name if _ALIASES.get(name) in given else _ALIASES.get(name, name) for name in given]
        reader.fieldnames = names
        rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise FacetellError(f"there is no manifest at {path}; give a CSV file or a folder with manifest.csv") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FacetellError(f"{path} cannot be read as a CSV table ({error}); give a manifest") from None
    if lacking := next((name for name in ("path", "label", "split") if name not in names), None):
        raise FacetellError(
            f"{path} lacks the column {lacking}; a manifest needs a header line with path, label, split"
        )
    if doubled := next((name for name in COLUMNS if names.count(name) > 1), None):
        raise FacetellError(f"{path} has the column {doubled} twice; keep one of them")
    if not rows:
        raise FacetellError(f"{path} has a header line but no row; add one row per video")
    return Manifest(path.parent, tuple(_entry(row, f"{path}, line {line}") for line, row in rows))


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the CSV file; paths under its folder become relative to it, others absolute.

    FacetellError: the file cannot be written, or the name of a video is not UTF-8.
    """
    old, new = manifest.root.resolve(), path.parent.resolve()

    def moved(name: str) -> str:
        whole = (manifest.root / name).resolve()
        return (whole.relative_to(new) if whole.is_relative_to(new) else whole).as_posix()

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in manifest:
        if old != new:
            entry = replace(entry, path=moved(entry.path), source=moved(entry.source) if entry.source else "")
        writer.writerow(astuple(entry))  # None is written as an empty cell
    try:
        write_text(path, out.getvalue())
    except UnicodeEncodeError as error:
        name = error.object[: error.end].rpartition("\n")[2]
        raise FacetellError(f"the name that begins with {name!a} is not UTF-8; rename the file") from None


def _entry(row: Mapping[str, str | None], where: str) -> Entry:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not cells["path"]:
        raise FacetellError(f"{where}: the path is empty; name a video")
    label = cells["label"].lower()
    if label not in _LABELS:
        raise FacetellError(f"{where}: the label '{cells['label']}' is not known; write 1 for forged or 0 for real")
    if cells["split"] not in SPLITS:
        raise FacetellError(f"{where}: the split '{cells['split']}' is not known; write one of {', '.join(SPLITS)}")
    try:
        track = int(cells["track"] or -1)
        start, end = (float(cells[name]) if cells[name] else None for name in ("start", "end"))
    except ValueError as error:
        raise FacetellError(f"{where}: track, start and end are numbers, or empty ({error})") from None
    if track < 0 and (start, end) != (None, None):
        raise FacetellError(f"{where}: start and end are for prepared clips; cut the part out and name its file")
    paths = {name: cells[name].replace("\\", "/") for name in ("path", "source", "origin")}
    known: dict[str, Any] = {"label": _LABELS[label], "start": start, "end": end, "track": track}
    return Entry(**{**cells, **paths, **known})

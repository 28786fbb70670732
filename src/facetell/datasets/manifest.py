"""The manifest: one table of videos with what is known of each, whatever benchmark they come from.

On disk it is a CSV file with a header line; paths are relative to the file's own folder. One row is one video, or one
part of it where ``start`` and ``end`` are given; a row without ``label`` can be scored but not judged.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from facetell.files import write_text
from facetell.types import FacetellError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_LABELS = {"1": 1, "fake": 1, "forged": 1, "0": 0, "real": 0, "genuine": 0, "": None}
# Column names that others use.
_ALIASES = {"file": "path", "generator": "method", "source_repo": "repository", "video": "path"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One video of a benchmark.

    Attributes:
        path: relative to the manifest's folder (POSIX slashes), or absolute; a file, or a folder of pictures.
        label: 1 = forged, 0 = real, None = not known. Benchmarks that count the other way round are turned by their
            readers.
        split: "train", "val" or "test".
        identity: whose face is seen; "" where it is not known.
        donor: in a forgery, the other person whose face or motion went into it; "" where there is none or unknown.
        method: what made the forgery; "" of a real.
        dataset: short name of the benchmark.
        compression: "raw", "c23", "c40"...; "" where the benchmark has one only.
        source: ``path`` of the real video of this manifest that a forgery was made from, frame for frame; "" unknown.
        start, end: seconds; the part of the video that the row speaks of, None for the whole.
        origin: in a prepared folder, the ``path`` that the video had in the manifest it was prepared from; else "".
        track: of a prepared clip, the number of the face within its video; -1 of a whole video.
        kind: what a forgery does ("face-swap", "lip-sync", "talking-head", ...); "" of a real, and where unknown.
        family: name that generators of one method share, such as the versions of one model; "" of a real or unknown.
        repository: where the video was published; "" unknown. Its videos share people, cameras and coding.
    """

    path: str
    label: int | None
    split: Split
    identity: str = ""
    donor: str = ""
    method: str = ""
    dataset: str = ""
    compression: str = ""
    source: str = ""
    start: float | None = None
    end: float | None = None
    origin: str = ""
    track: int = -1
    kind: str = ""
    family: str = ""
    repository: str = ""

    @property
    def video(self) -> str:
        """What the row's scores are gathered under: the video it is, or was cut from."""
        return self.origin or self.path

    @property
    def is_clip(self) -> bool:
        """Whether it is a clip of one face that was cut out already."""
        return self.track >= 0


COLUMNS = tuple(field.name for field in fields(Entry))
GROUPS = ("kind", "family", "repository")
"""Columns that say what a video belongs to. Neither its prepared clips nor its scores depend on them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Entries and the folder that their paths are relative to."""

    root: Path
    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def file(self, entry: Entry) -> Path:
        """Where an entry's video lies."""
        return self.root / entry.path

    def where(self, keep: Callable[[Entry], bool]) -> Manifest:
        """The manifest of the entries that ``keep`` accepts."""
        return replace(self, entries=tuple(entry for entry in self.entries if keep(entry)))

    @property
    def doubled(self) -> int:
        """How many entries name what an earlier one names, too."""
        return len(self.entries) - len({(entry.path, entry.start, entry.end, entry.track) for entry in self.entries})

    def fingerprint(self) -> dict[str, Any]:
        """Number and SHA-256 of the rows, without the columns :data:`GROUPS` and without the manifest's folder."""
        return fingerprint(self.entries)

    def counts(self) -> Counter[tuple[str, str, int | None]]:
        """Number of entries by (split, method, label)."""
        return Counter((entry.split, entry.method, entry.label) for entry in self.entries)


def row_text(entry: Entry, *, groups: bool) -> bytes:
    """One line of JSON to hash a row by; an empty column of :data:`GROUPS` is left out, as older versions had none.

    Args:
        entry: the row.
        groups: include the columns :data:`GROUPS` that have a value.
    """
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
    """A manifest from its CSV file, or from a folder that holds ``manifest.csv``.

    The columns ``path``, ``label`` and ``split`` are needed, the others of :class:`Entry` are optional, further ones
    are ignored. Where one of them is missing, another name is accepted: ``file`` or ``video`` for ``path``,
    ``generator`` for ``method``, ``source_repo`` for ``repository``. Labels may be 1/0, fake/real, forged/genuine or
    empty.

    Raises:
        FacetellError: the file is missing, no table, lacks a column, or a cell cannot be understood.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.csv"
    try:
        names, rows = _table(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FacetellError(f"there is no manifest at {path}; give a CSV file or a folder with manifest.csv") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FacetellError(f"{path} cannot be read as a CSV table ({error}); give a manifest") from None
    missing = [name for name in ("path", "label", "split") if name not in names]
    if missing:
        raise FacetellError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            "a manifest needs a header line with path, label and split"
        )
    doubled = next((name for name in COLUMNS if names.count(name) > 1), None)
    if doubled:
        raise FacetellError(f"{path} has the column {doubled} twice; leave one of them")
    entries = tuple(_entry(row, f"{path}, line {line}") for line, row in rows)
    if not entries:
        raise FacetellError(f"{path} has a header line but no row; add one a video")
    return Manifest(path.parent, entries)


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the CSV file; paths are made relative to its folder where they lie under it, else absolute.

    Raises:
        FacetellError: the file cannot be written, or the name of a video is no text.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in manifest:
        cells = (getattr(_moved(entry, manifest.root, path.parent), name) for name in COLUMNS)
        writer.writerow("" if cell is None else cell for cell in cells)
    text = out.getvalue()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition(",")[0]
        raise FacetellError(f"the name of {line!a} is not UTF-8; rename the file") from None
    write_text(path, text)


def _moved(entry: Entry, old: Path, new: Path) -> Entry:
    """The entry with paths relative to another folder."""
    if old.resolve() == new.resolve():
        return entry

    def move(path: str) -> str:
        whole = (old / path).resolve()
        base = new.resolve()
        return (whole.relative_to(base) if whole.is_relative_to(base) else whole).as_posix()

    return replace(
        entry,
        path=move(entry.path),
        source=move(entry.source) if entry.source else "",
    )


def _table(text: str) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """Names of the columns, and the rows with the number of the line that each ends in."""
    reader = csv.DictReader(io.StringIO(text))
    given = [name.strip() for name in reader.fieldnames or ()]
    names = [name if _ALIASES.get(name) in given else _ALIASES.get(name, name) for name in given]
    reader.fieldnames = names
    return names, [(reader.line_num, row) for row in reader]


def _entry(row: Mapping[str, str | None], where: str) -> Entry:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not cells["path"]:
        raise FacetellError(f"{where}: the path is empty; name a video")
    label = cells["label"].lower()
    if label not in _LABELS:
        raise FacetellError(f"{where}: the label '{cells['label']}' is not known; write 1 for forged or 0 for real")
    if cells["split"] not in SPLITS:
        raise FacetellError(f"{where}: the split '{cells['split']}' is not known; write one of {', '.join(SPLITS)}")
    start, end = (_seconds(cells[name], name, where) for name in ("start", "end"))
    if start is not None and end is not None and end <= start:
        raise FacetellError(f"{where}: the end ({end:g} s) does not come after the start ({start:g} s)")
    try:
        track = int(cells["track"] or -1)
    except ValueError:
        raise FacetellError(f"{where}: the track '{cells['track']}' is not a whole number") from None
    words = {name: cells[name] for name in ("identity", "donor", "method", "dataset", "compression", *GROUPS)}
    paths = {name: cells[name].replace("\\", "/") for name in ("path", "source", "origin")}
    return Entry(label=_LABELS[label], split=cells["split"], start=start, end=end, track=track, **words, **paths)


def _seconds(cell: str, name: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise FacetellError(f"{where}: the {name} '{cell}' is not a number of seconds, 0 or more")
    return value

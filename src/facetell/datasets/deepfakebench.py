"""JSON files of DeepfakeBench and DF40: {dataset: {label: {split: {[compression]: {video: {label, frames}}}}}}.

Videos are folders of pictures. Paths may hold backslashes, and are relative to some folder above the JSON file. These
files name the same videos for validation and testing (or for all three): here each is taken once, for testing first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from facetell.datasets.layout import Layout, ReadOptions
from facetell.datasets.manifest import Entry, Manifest, Split

LAYOUT = Layout(
    "a DeepfakeBench file",
    "JSON of the form {dataset: {label: {split: {[compression]: {video: {label, frames: [...]}}}}}}, with the frames' "
    "paths relative to a folder above it, or to datasets/rgb there",
)
_ORDER: tuple[Split, ...] = ("test", "train", "val")
_COMPRESSIONS = ("raw", "c23", "c40")
_NUMBERED = re.compile(r"(\d{3})(?:_(\d{3}))?")
_CELEBRITY = re.compile(r"(id\d+)(?:_(id\d+))?_\d+")


def read_deepfakebench(root: Path, options: ReadOptions) -> Manifest:
    """One JSON file of DeepfakeBench or DF40.

    Args:
        root: the file.
        options: ``compressions`` (where the file has several), ``methods``.

    Raises:
        FacetellError: the file has another form, or its frames are nowhere.
    """
    path = LAYOUT.file(root.parent, root.name)
    table = LAYOUT.json(path)
    entries: dict[str, Entry] = {}
    doubled = 0
    try:
        found = list(_rows(table))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise LAYOUT.fault(f"{path} has another form") from None
    LAYOUT.check_methods(options.methods, sorted({entry.method for entry in found} - {""}))
    for entry in sorted(found, key=lambda entry: _ORDER.index(entry.split)):
        if entry.compression and entry.compression not in options.compressions:
            continue
        if entry.method and options.methods and entry.method not in options.methods:
            continue
        kept = entries.setdefault(entry.path, entry)
        doubled += kept.split != entry.split
    if not entries:
        raise LAYOUT.fault(f"{path} names no video of these compressions and methods")
    if doubled:
        options.note(f"{doubled} videos stand in several splits: each is taken once, for testing first")
    base = _base(path, next(iter(entries)))
    return Manifest(base, tuple(entries.values()))


def _rows(table: dict[str, Any]) -> Iterator[Entry]:
    for dataset, labels in table.items():
        for label, splits in labels.items():
            for split, videos in splits.items():
                if split not in _ORDER:
                    raise ValueError(split)
                for compression, group in _groups(videos):
                    for name, row in group.items():
                        if row["frames"]:
                            entry = _entry(name, row, row.get("label", label), split)
                            yield replace(entry, dataset=dataset, compression=compression)


def _groups(videos: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The level of compressions, where there is one."""
    if videos and all(name in _COMPRESSIONS for name in videos):
        yield from videos.items()
    else:
        yield "", videos


def _entry(name: str, row: dict[str, Any], label: str, split: Split) -> Entry:
    folder = PurePosixPath(str(row["frames"][0]).replace("\\", "/")).parent
    forged = re.search(r"(^|[-_])real$", label.lower()) is None
    people = _NUMBERED.fullmatch(name) or _CELEBRITY.fullmatch(name)
    return Entry(
        folder.as_posix(),
        int(forged),
        split,
        identity=people[1] if people else "",
        donor=(people[2] or "") if people and forged else "",
        method=label if forged else "",
    )


def _base(path: Path, first: str) -> Path:
    """The folder that paths are relative to: above the file, or where DeepfakeBench keeps its pictures."""
    places = (above / below for above in path.resolve().parents for below in ("", "rgb", "datasets", "datasets/rgb"))
    found = next((place for place in places if (place / first).is_dir()), None)
    if found is None:
        raise LAYOUT.fault(f"the frames that {path} names, such as those of {first}, are in no folder above it")
    return found

"""JSON files of DeepfakeBench and DF40: {dataset: {label: {split: {[compression]: {video: {label, frames}}}}}}.

Videos are folders of images. Paths may have backslashes, and are relative to a folder above the JSON file. These files
have the same videos in validation and test (or in all three splits): here each is taken once, first for testing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from facetell.datasets.layout import Benchmark, Layout, ReadOptions
from facetell.datasets.manifest import Entry, Manifest, Split

LAYOUT = Layout(
    "a DeepfakeBench file",
    "JSON of the form {dataset: {label: {split: {[compression]: {video: {label, frames: [...]}}}}}}, with the frames' "
    "paths relative to a folder above it, or to datasets/rgb there",
)
_ORDER: tuple[Split, ...] = ("test", "train", "val")
_COMPRESSIONS = ("raw", "c23", "c40")
_NAME = re.compile(r"(\d{3})(?:_(\d{3}))?|(id\d+)(?:_(id\d+))?_\d+")


def read_deepfakebench(root: Path, options: ReadOptions) -> Manifest:
    """The JSON file ``root``."""
    path = LAYOUT.file(root.parent, root.name)
    table = LAYOUT.json(path)
    try:
        found = list(_rows(table))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise LAYOUT.fault(f"{path} has another form") from None
    LAYOUT.check_methods(options.methods, sorted({entry.method for entry in found} - {""}))
    entries: dict[str, Entry] = {}
    doubled = 0
    for entry in sorted(found, key=lambda entry: _ORDER.index(entry.split)):
        known_method = not entry.method or not options.methods or entry.method in options.methods
        if known_method and entry.compression in ("", *options.compressions):
            doubled += entries.setdefault(entry.path, entry).split != entry.split
    if not entries:
        raise LAYOUT.fault(f"{path} names no video of these compressions and methods")
    if doubled:
        options.note(f"{doubled} videos are in several splits: each is taken once, first for testing")
    first = next(iter(entries))
    places = (above / below for above in path.resolve().parents for below in ("", "rgb", "datasets", "datasets/rgb"))
    base = next((place for place in places if (place / first).is_dir()), None)
    if base is None:
        raise LAYOUT.fault(f"the frames that {path} names, such as those of {first}, are in no folder above it")
    return Manifest(base, tuple(entries.values()))


def _rows(table: dict[str, Any]) -> Iterator[Entry]:
    for dataset, labels in table.items():
        for label, splits in labels.items():
            for split, videos in splits.items():
                if split not in _ORDER:
                    raise ValueError(split)
                # The level of compressions is missing in some files.
                nested = videos and all(name in _COMPRESSIONS for name in videos)
                for compression, group in videos.items() if nested else [("", videos)]:
                    for name, row in group.items():
                        if row["frames"]:
                            yield _entry(name, row, row.get("label", label), split, dataset, compression)


def _entry(name: str, row: dict[str, Any], label: str, split: Split, dataset: str, compression: str) -> Entry:
    folder = PurePosixPath(str(row["frames"][0]).replace("\\", "/")).parent.as_posix()
    forged = re.search(r"(^|[-_])real$", label.lower()) is None
    match = _NAME.fullmatch(name)
    identity, donor = (match[1] or match[3], match[2] or match[4] or "") if match else ("", "")
    if not forged:
        return Entry(folder, 0, split, identity, dataset=dataset, compression=compression)
    return Entry(folder, 1, split, identity, donor, label, dataset, compression)


BENCHMARKS = {
    "deepfakebench": Benchmark(
        "a JSON file of DeepfakeBench or DF40", LAYOUT, read_deepfakebench, frozenset({"compressions", "methods"})
    )
}

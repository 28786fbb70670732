"""The lists of frames of DeepfakeBench and DF40 (docs/datasets.md): read as a manifest, and written from one.

``{dataset: {label: {split: {[compression]: {video: {label, frames: [...]}}}}}}``, paths relative to the file's folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from facetell.datasets.layout import Folder, ReadOptions
from facetell.datasets.manifest import SPLITS, Entry, Manifest
from facetell.datasets.prepared import read_clip
from facetell.files import write_text
from facetell.types import FacetellError
from facetell.video.find import images_in
from facetell.video.image import write_image

REAL = re.compile(r"(?:.*[-_])?real", re.IGNORECASE)  # "real", "FF-real", "CelebDFv2_real", "DFDC_Real"


def read_deepfakebench(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """The folders of images that the JSON files of a folder name. One in several splits is taken for testing."""
    entries: dict[str, Entry] = {}
    for file in sorted((at.root / at.folder(".")).glob("*.json")):
        try:
            for entry in _entries(at.json(file.name)):
                entries.setdefault(entry.path, entry)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise at.fault(f"{file} has another form") from None
    if not entries:
        raise at.fault(f"{at.root} has no JSON file that names a frame")
    yield from entries.values()


def _entries(table: Mapping[str, Any]) -> Iterator[Entry]:
    for split in reversed(SPLITS):
        for dataset, labels in table.items():
            for splits in labels.values():
                for name, row in splits.get(split, {}).items():
                    compression = "" if "frames" in row else name
                    for video in row.values() if compression else [row]:
                        path = PurePosixPath(video["frames"][0].replace("\\", "/")).parent.as_posix()
                        method = "" if REAL.fullmatch(video["label"]) else video["label"]
                        yield Entry(path, int(bool(method)), split, "", "", method, dataset, compression)


def write_deepfakebench(manifest: Manifest, out: Path, progress: Callable[[float], None]) -> dict[str, int]:
    """Write the labelled videos of a manifest to NAME.json; their dataset is called NAME.

    Videos are folders of images, or prepared clips, whose frames are written to ``NAME/frames/CLIP/000.png`` beside the
    file. ``progress`` is called with the share done. Returns the classes of the labels ("real" and the methods, or
    "fake"), which its configuration has to hold. FacetellError: a video is something else, or is not below the file.
    """
    labelled = [entry for entry in manifest if entry.label is not None]
    # Beside clips, a prepared folder has rows of videos without one.
    if not (rows := [entry for entry in labelled if entry.is_clip] or labelled):
        raise FacetellError("the manifest has no row with a label; there is nothing to export")
    classes, table = dict[str, int](), dict[str, dict[str, dict[str, Any]]]()
    for number, entry in enumerate(rows, 1):
        frames = (_write_clip if entry.is_clip else _frames)(manifest.file(entry), out)
        label = "real" if entry.label == 0 else entry.method or "fake"
        classes[label] = int(label != "real")
        splits = table.setdefault(label, {split: {} for split in SPLITS})
        splits[entry.split][frames[0].rpartition("/")[0]] = {"label": label, "frames": frames}
        progress(number / len(rows))
    write_text(out, json.dumps({out.stem: table}, indent=1) + "\n")
    return classes


def _write_clip(clip: Path, out: Path) -> list[str]:
    images = {f"{out.stem}/frames/{clip.stem}/{n:03d}.png": image for n, image in enumerate(read_clip(clip).frames)}
    for name, image in images.items():
        write_image(out.parent / name, image)
    return list(images)


def _frames(folder: Path, out: Path) -> list[str]:
    base, images = out.parent.resolve(), images_in(folder.resolve()) if folder.is_dir() else []
    if not images or not all(image.is_relative_to(base) and image.stem.isdecimal() for image in images):
        raise FacetellError(
            f"{folder} is not a folder of images named by numbers, below that of {out}; crop videos with "
            "`facetell prepare`, and export its folder"
        )
    return [image.relative_to(base).as_posix() for image in images]

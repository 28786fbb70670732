"""The training corpus: every clip decoded once, its face followed once, kept as arrays that are mapped, not read.

For each row of a manifest (columns ``file``, ``label``, ``generator``, ``identity``, ``split``) three files are made:
``NAME.frames.npy`` uint8 (F, H, W, 3), ``NAME.landmarks.npy`` float32 (F, 468, 2) in pixels, and ``NAME.json``. Frames
are those that detection would see (:class:`facetell.clips.FrameSampler`), the longest unbroken run of the main face.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.lib.format

from facetell.clips import FrameSampler
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker, SceneCuts
from facetell.media.reader import VideoReader
from facetell.types import Box, FacetellError, FloatArray, Frame, UInt8Array


@dataclass(frozen=True, slots=True)
class Row:
    """One clip of the manifest; ``label`` is 1 for forged, ``generator`` empty for real."""

    file: str
    label: int
    generator: str
    identity: str
    split: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A prepared clip: ``frames`` (F, H, W, 3) uint8 mapped from disk, ``landmarks`` (F, 468, 2) in pixels."""

    row: Row
    frames: UInt8Array
    landmarks: FloatArray

    def boxes(self, start: int, length: int) -> list[Box]:
        """Bounding boxes of the mesh in the frames ``start`` to ``start + length``."""
        part = self.landmarks[start : start + length]
        return [Box(*map(float, (*low, *high))) for low, high in zip(part.min(axis=1), part.max(axis=1), strict=True)]


def read_manifest(path: Path) -> list[Row]:
    """Rows of a manifest.

    Raises:
        FacetellError: the file is missing or lacks a column.
    """
    if not path.is_file():
        raise FacetellError(f"there is no manifest at {path}; give the folder that holds manifest.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    needed = {"file", "label", "generator", "identity", "split"}
    if not lines or not needed <= lines[0].keys():
        raise FacetellError(f"{path} needs a header line and the columns {', '.join(sorted(needed))}")
    return [
        Row(line["file"], int(line["label"] == "fake"), line["generator"], line["identity"], line["split"])
        for line in lines
    ]


def prepare(data: Path, out: Path, rate: float) -> Iterator[tuple[Row, str]]:
    """Prepare every clip of ``data/manifest.csv`` under ``out``; goes on where an earlier run stopped.

    Args:
        data: folder of the manifest; its ``file`` column is relative to it.
        out: folder for the arrays.
        rate: frame rate of the model in frames per second.

    Yields:
        Each row as it is done, with "" or the reason why it could not be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    detector, mesh = FaceDetector(), FaceMesh()
    for row in read_manifest(data / "manifest.csv"):
        name = Path(row.file).stem
        if (out / f"{name}.json").exists():
            yield row, ""
            continue
        try:
            frames, landmarks = _main_face(data / row.file, rate, FaceTracker(detector, mesh))
        except FacetellError as error:
            yield row, str(error)
            continue
        np.save(out / f"{name}.frames.npy", frames)
        np.save(out / f"{name}.landmarks.npy", landmarks)
        # The description comes last: where it stands, the arrays are whole.
        (out / f"{name}.json").write_text(json.dumps(asdict(row)), encoding="utf-8")
        yield row, ""


def load(out: Path, split: str, min_frames: int) -> list[Recording]:
    """Prepared clips of one split with at least ``min_frames`` frames, in the order of their names."""
    recordings = []
    for path in sorted(out.glob("*.json")):
        row = Row(**json.loads(path.read_text(encoding="utf-8")))
        if row.split == split:
            frames = numpy.lib.format.open_memmap(path.with_suffix(".frames.npy"), mode="r")
            landmarks = np.load(path.with_suffix(".landmarks.npy"))
            if len(frames) >= min_frames:
                recordings.append(Recording(row, frames, landmarks))
    if not recordings:
        raise FacetellError(
            f"{out} holds no prepared clips of the split '{split}'; run `python -m facetell.train prepare`"
        )
    return recordings


def _main_face(path: Path, rate: float, tracker: FaceTracker) -> tuple[UInt8Array, FloatArray]:
    """Frames and landmarks of the longest unbroken run of one track."""
    runs: dict[int, list[tuple[int, UInt8Array, FloatArray]]] = {}
    best: list[tuple[int, UInt8Array, FloatArray]] = []
    cuts = SceneCuts()
    with VideoReader(path) as reader:
        sampler = FrameSampler(reader.info.fps, rate)
        for raw in reader:
            number = sampler.take(raw.time)
            if number is None:
                continue
            if cuts(raw.luma_thumbnail()):
                tracker.cut()
            image = raw.rgb()
            for track_id, face in tracker.update(Frame(raw.index, raw.time, image)).items():
                run = runs.setdefault(track_id, [])
                if run and run[-1][0] != number - 1:
                    run.clear()
                run.append((number, image, face.landmarks))
                if len(run) > len(best):
                    best = list(run)
    if not best:
        raise FacetellError(f"no face was found in {path.name}")
    return np.stack([image for _, image, _ in best]), np.stack([landmarks for _, _, landmarks in best])

"""Read what ``facetell prepare`` wrote, with NumPy and OpenCV alone: a machine that trains may have nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Manifest, read_manifest
from facetell.types import Box, FacetellError, FloatArray, UInt8Array

CLIPS, MANIFEST, LEDGER, ABOUT = "clips", "manifest.csv", "ledger.jsonl", "prepare.json"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClip:
    """Frames of one face, uint8 RGB (F, S, S, 3), all cropped from its video by one ``square`` in pixels.

    ``landmarks`` float32 (F, 468, 2) are in pixels of the frames; ``times`` float64 (F,) are seconds in the video.
    """

    frames: UInt8Array
    landmarks: FloatArray
    times: NDArray[np.float64]
    square: Box


def read_prepared(folder: Path | str) -> Manifest:
    """The clips of a prepared folder. FacetellError: the folder is not complete, or holds no clip."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        begun = (folder / ABOUT).is_file()
        raise FacetellError(
            f"{folder} is not complete; run the same `facetell prepare` again to resume"
            if begun
            else f"{folder} is not a prepared folder; make one with `facetell prepare MANIFEST --out {folder}`"
        )
    clips = read_manifest(folder / MANIFEST).where(lambda entry: entry.is_clip)
    if not len(clips):
        raise FacetellError(f"{folder} holds no clip; its {LEDGER} has the reasons")
    return clips


def read_clip(path: Path | str) -> PreparedClip:
    """A prepared clip with its ``.npz``. FacetellError: one is missing or damaged, or they do not belong together."""
    path = Path(path)
    try:
        with np.load(path.with_suffix(".npz")) as beside:
            landmarks, times = beside["landmarks"], beside["times"]
            square = Box(*map(float, beside["square"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise FacetellError(f"{path.with_suffix('.npz')} cannot be read ({error}); prepare its video again") from None
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (image := capture.read()[1]) is not None:
        frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    if not frames or not len(frames) == len(times) == len(landmarks):
        raise FacetellError(f"{path} has {len(frames)} frames of {len(times)}; prepare its video again")
    return PreparedClip(np.stack(frames).astype(np.uint8, copy=False), landmarks, times, square)

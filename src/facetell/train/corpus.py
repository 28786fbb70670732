"""The clips of prepared folders, decoded once into array files of which any window can be read, up to a size."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry, Manifest, row_text
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.faces.clips import whole_step
from facetell.faces.crop import face_pose
from facetell.files import file_sha256, temporary_beside, write_text
from facetell.processes import unordered
from facetell.train.config import DataConfig
from facetell.types import FacetellError, FloatArray, Pose, UInt8Array

CACHE = ".decoded"
POINTS = 468
SPLITS = ("train", "val")

Item = TypeVar("Item", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Recording:
    """A prepared clip of one face."""

    entry: Entry  # its manifest row
    file: Path  # the prepared clip
    shape: tuple[int, int, int]  # (F, H, W)
    landmarks: Path  # array file of the face mesh
    times: NDArray[np.float64]  # (F,) seconds in the source video
    source: Path | None  # of a forgery: the prepared clip of the real video behind it, frame by frame, if known
    decoded: Path | None  # array file of the frames; None beyond the size of the cache
    sha256: str  # of the prepared clip and its landmarks

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def interval(self) -> float:
        """Median interval of the frames in seconds."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 1.0

    def frames(self, window: slice) -> UInt8Array:
        """The frames of a window, uint8 RGB (T, H, W, 3)."""
        if self.decoded is None:
            return read_clip(self.file).frames[window]
        return _read(self.decoded, np.uint8, (*self.shape[1:], 3), window)

    def mesh(self, window: slice) -> FloatArray:
        """The face mesh of a window, float32 (T, 468, 2) in pixels of the frames."""
        return _read(self.landmarks, np.float32, (POINTS, 2), window)

    def poses(self, window: slice) -> list[Pose]:
        """Face poses of a window, in pixels of the frames."""
        return [face_pose(points) for points in self.mesh(window)]

    def step(self, rate: float) -> int:
        """Distance of the frames of a clip at about ``rate`` frames per second, as in detection."""
        return whole_step(self.interval, rate)

    def starts(self, length: int, step: int) -> range:
        """First frames of the windows of ``length`` frames, one of every ``step``."""
        return range(len(self) - (length - 1) * step)

    def windows(self, length: int, rate: float) -> list[slice]:
        """Windows of ``length`` frames at about ``rate`` frames per second, one every second."""
        step, stride = self.step(rate), max(1, round(1 / self.interval))
        return [window_at(start, length, step) for start in self.starts(length, step)[::stride]]


def window_at(start: int, length: int, step: int) -> slice:
    """A window of ``length`` frames, one of every ``step``.

    >>> [*range(100)][window_at(3, 4, 2)]
    [3, 5, 7, 9]
    """
    return slice(start, start + (length - 1) * step + 1, step)


def load_recordings(config: DataConfig, split: str, min_frames: int) -> list[Recording]:
    """The clips of one split with at least ``min_frames`` frames, in manifest order.

    At a low frame rate some may be too short for a clip: training shows them at a higher rate, validation reports them.
    FacetellError: there is none, or :func:`decode_all` has not been called.
    """
    manifests, cache = _manifests(config), _cache_of(config)
    found = (_open(manifest, entry, cache) for manifest in manifests for entry in manifest if entry.split == split)
    if not (recordings := [recording for recording in found if len(recording) >= min_frames]):
        raise FacetellError(
            f"{' and '.join(config.folders)} hold no usable clip of the split '{split}'; prepare some first"
        )
    return recordings


def fingerprint(recordings: Sequence[Recording]) -> dict[str, Any]:
    """Number of clips, and sha256 of their manifest rows and of their contents, wherever the folders are."""
    rows, contents = hashlib.sha256(), hashlib.sha256()
    for recording in recordings:
        rows.update(row_text(recording.entry, groups=True))
        contents.update(recording.sha256.encode())
    return {"clips": len(recordings), "rows": rows.hexdigest(), "contents": contents.hexdigest()}


def decode_all(config: DataConfig, workers: int) -> None:
    """Store the frames of every clip of ``train`` and ``val`` that are not stored yet; 0 workers: in this process."""
    files = [m.file(e) for m in _manifests(config) for e in m if e.split in SPLITS]
    cache = _cache_of(config)
    if not (missing := [file for file in files if not _name(cache, file, "json").exists()]):
        return
    cache.mkdir(parents=True, exist_ok=True)
    room = config.cache_gb * 1e9 - sum(path.stat().st_size for path in cache.glob("*.rgb"))
    tasks = ((file, cache, room > 0) for file in missing)  # evaluated one after the other, with the room left then
    children = (cv2.setNumThreads, (1,), lambda task: str(task[0]))
    for size in unordered(_decode, tasks, workers, *children) if workers else map(_decode, tasks):
        room -= size


def _decode(task: tuple[Path, Path, bool]) -> int:
    """Store one clip, with its frames if there is room; returns the bytes of these."""
    file, cache, keep = task
    clip = read_clip(file)
    frames = np.ascontiguousarray(clip.frames)
    arrays: dict[str, NDArray[Any]] = {"rgb": frames} if keep else {}
    arrays |= {"landmarks": clip.landmarks.astype(np.float32), "times": clip.times.astype(np.float64)}
    for kind, array in arrays.items():
        temporary = temporary_beside(_name(cache, file, kind))
        array.tofile(temporary)
        temporary.replace(_name(cache, file, kind))
    sha256 = hashlib.sha256(f"{file_sha256(file)} {file_sha256(file.with_suffix('.npz'))}".encode()).hexdigest()
    about = {"file": str(file), "shape": frames.shape[:3], "kept": keep, "sha256": sha256}
    # Written last: if it exists, the arrays are complete.
    write_text(_name(cache, file, "json"), json.dumps(about) + "\n")
    return frames.nbytes if keep else 0


def _open(manifest: Manifest, entry: Entry, cache: Path) -> Recording:
    file = manifest.file(entry)
    try:
        about = json.loads(_name(cache, file, "json").read_text(encoding="utf-8"))
    except OSError:
        raise FacetellError(f"{file} has not been decoded into {cache}; start the training again") from None
    return Recording(
        entry,
        file,
        tuple(about["shape"]),
        _name(cache, file, "landmarks"),
        np.fromfile(_name(cache, file, "times"), np.float64),
        manifest.root / entry.source if entry.source else None,
        _name(cache, file, "rgb") if about["kept"] else None,
        about["sha256"],
    )


def _read(path: Path, kind: type[Item], shape: tuple[int, ...], window: slice) -> NDArray[Item]:
    """A window of an array file (F, *shape), read and not mapped: a process can hold only so many mapped files."""
    size = math.prod(shape)
    offset = window.start * size * np.dtype(kind).itemsize
    flat = np.fromfile(path, kind, (window.stop - window.start) * size, offset=offset)
    return flat.reshape(-1, *shape)[:: window.step]


def _name(cache: Path, file: Path, kind: str) -> Path:
    """A file of the cache; another one if the clip has been prepared again."""
    try:
        stat = file.stat()
    except OSError as error:
        raise FacetellError(f"{file} cannot be read ({error.strerror}); prepare its folder again") from None
    key = hashlib.sha256(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:20]
    return cache / f"{key}.{kind}"


def _cache_of(config: DataConfig) -> Path:
    return Path(config.cache) if config.cache else Path(config.folders[0]) / CACHE


def _manifests(config: DataConfig) -> list[Manifest]:
    """The prepared folders, without the entries that the configuration excludes."""
    if not config.folders:
        raise FacetellError(
            "there is nothing to train on; set data.folders=[FOLDER] to an output of `facetell prepare`"
        )

    def wanted(entry: Entry) -> bool:
        right = not config.compression or entry.compression in ("", config.compression)
        return right and entry.method not in config.without and entry.label is not None

    return [read_prepared(folder).where(wanted) for folder in config.folders]

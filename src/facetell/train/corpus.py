"""The clips that training draws from: prepared folders, decoded once.

To draw eight frames out of a clip, a decoder has to go through all that lie before them. So every clip's pictures are
written down once as plain arrays, of which any window can be read by itself, as far as the configured room goes.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry, Manifest
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.faces.clips import whole_step
from facetell.faces.crop import face_pose
from facetell.files import file_sha256, write_text
from facetell.processes import end_with_parent
from facetell.runtime import signals_blocked
from facetell.train.config import DataConfig
from facetell.types import Box, FacetellError, FloatArray, Pose, UInt8Array

CACHE = ".decoded"
POINTS = 468

Item = TypeVar("Item", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Recording:
    """A prepared clip of one face.

    Attributes:
        entry: what is known of it.
        file: the prepared clip.
        shape: (F, H, W).
        landmarks: array file of the face mesh.
        times: float64 (F,) seconds in the video that it was cut from.
        source: in a forgery, the prepared clip of the real that it was made from, frame for frame; None unknown.
        decoded: array file of the pictures; None where there was no room for one.
        sha256: of the prepared clip and its landmarks.
    """

    entry: Entry
    file: Path
    shape: tuple[int, int, int]
    landmarks: Path
    times: NDArray[np.float64]
    source: Path | None
    decoded: Path | None
    sha256: str

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def interval(self) -> float:
        """Seconds from frame to frame, in the middle."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 1.0

    def pictures(self, window: slice) -> UInt8Array:
        """The frames of a window, uint8 RGB (T, H, W, 3)."""
        if self.decoded is None:
            whole: UInt8Array = read_clip(self.file).frames
            return whole[window]
        _, height, width = self.shape
        return _read(self.decoded, np.uint8, (height, width, 3), window)

    def mesh(self, window: slice) -> FloatArray:
        """The face mesh in the frames of a window, float32 (T, 468, 2) in their pixels."""
        return _read(self.landmarks, np.float32, (POINTS, 2), window)

    def poses(self, window: slice) -> list[Pose]:
        """Poses of the mesh in the frames of a window, in their pixels."""
        return [face_pose(points) for points in self.mesh(window)]

    @property
    def face_width(self) -> float:
        """Median width of the face in pixels of the video, from which the clip may have been scaled down."""
        with np.load(self.file.with_suffix(".npz")) as beside:
            scale = Box(*map(float, beside["square"])).width / self.shape[2]
        return scale * statistics.median(pose.width for pose in self.poses(slice(0, len(self))))

    def step(self, rate: float) -> int:
        """Frames from one of a clip to the next at about ``rate`` frames per second, as detection takes them."""
        return whole_step(self.interval, rate)

    def starts(self, length: int, step: int) -> range:
        """Frames on which a window of ``length`` frames, one of every ``step``, may begin."""
        return range(len(self) - (length - 1) * step)

    def windows(self, length: int, seconds: float, rate: float) -> list[slice]:
        """Windows of ``length`` frames at about ``rate`` frames per second, one every so many seconds."""
        step, stride = self.step(rate), max(1, round(seconds / self.interval))
        return [window_at(start, length, step) for start in self.starts(length, step)[::stride]]


def window_at(start: int, length: int, step: int) -> slice:
    """A window of ``length`` frames, one of every ``step``.

    >>> [*range(100)][window_at(3, 4, 2)]
    [3, 5, 7, 9]
    """
    return slice(start, start + (length - 1) * step + 1, step)


def load_recordings(config: DataConfig, split: str, min_frames: int) -> list[Recording]:
    """The clips of one split with at least ``min_frames`` frames, in the order of their manifests.

    At a low frame rate some of them may be too short for a clip: training then shows them at a higher one, and
    validation tells them from those it has scored.

    Raises:
        FacetellError: there is none, or :func:`decode_all` has not been here.
    """
    recordings = []
    for manifest in _manifests(config):
        for entry in manifest:
            if entry.split == split:
                recording = _open(manifest, entry, _cache_of(config))
                if len(recording) >= min_frames:
                    recordings.append(recording)
    if not recordings:
        raise FacetellError(
            f"{' and '.join(config.folders)} hold no clip of the split '{split}' that could be used; prepare some"
        )
    return recordings


def decode_all(config: DataConfig, workers: int) -> Iterator[tuple[int, int]]:
    """Write down the pictures of every clip of ``train`` and ``val``; what has been is left alone.

    Args:
        config: where the clips lie, and how much room there is.
        workers: processes that decode; 0 for none but this.

    Yields:
        How many clips are done, and how many there are.
    """
    files = [m.file(e) for m in _manifests(config) for e in m if e.split in ("train", "val")]
    cache, room = _cache_of(config), config.cache_gb * 1e9
    missing = [file for file in files if not _name(cache, file, "json").exists()]
    room -= sum(path.stat().st_size for path in cache.glob("*.rgb")) if cache.exists() else 0
    done = len(files) - len(missing)
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        pool = None
        if workers:
            pool = ProcessPoolExecutor(workers, get_context("forkserver"), initializer=end_with_parent)
            stack.enter_context(pool)
        pending: deque[Future[int]] = deque()
        for file in missing:
            if pool is None:
                room -= _decode(file, cache, room > 0)
            else:
                with signals_blocked():  # this may start the process from which all workers of a run are forked
                    pending.append(pool.submit(_decode, file, cache, room > 0))
                if len(pending) > 2 * workers:
                    room -= pending.popleft().result()
            done += 1
            yield done - len(pending), len(files)
        for future in pending:
            room -= future.result()
        yield len(files), len(files)


def _decode(file: Path, cache: Path, keep: bool) -> int:
    """Write down one clip, its pictures only if they are to be kept; returns the bytes of these."""
    clip = read_clip(file)
    frames = np.ascontiguousarray(clip.frames)
    arrays: dict[str, NDArray[Any]] = {
        "landmarks": np.asarray(clip.landmarks, dtype=np.float32),
        "times": np.asarray(clip.times, dtype=np.float64),
    }
    for kind, array in (arrays | ({"rgb": frames} if keep else {})).items():
        temporary = _name(cache, file, f"{kind}.tmp")
        array.tofile(temporary)
        temporary.replace(_name(cache, file, kind))
    about = {"file": str(file), "shape": frames.shape[:3], "kept": keep, "sha256": _sha256(file)}
    # The description comes last: where it stands, the arrays are whole.
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
        about.get("sha256") or _sha256(file),  # caches of earlier versions lack it
    )


def _sha256(file: Path) -> str:
    """Of a prepared clip: its pictures, then what is beside them."""
    return hashlib.sha256(f"{file_sha256(file)} {file_sha256(file.with_suffix('.npz'))}".encode()).hexdigest()


def _read(path: Path, kind: type[Item], shape: tuple[int, ...], window: slice) -> NDArray[Item]:
    """A window of an array file (F, *shape).

    It is read rather than mapped: thousands of mapped files are more than a process may hold open.
    """
    size = math.prod(shape)
    offset = window.start * size * np.dtype(kind).itemsize
    flat = np.fromfile(path, kind, (window.stop - window.start) * size, offset=offset)
    return flat.reshape(-1, *shape)[:: window.step]


def _name(cache: Path, file: Path, kind: str) -> Path:
    """A file of the cache; another one where the clip has been prepared anew."""
    try:
        stat = file.stat()
    except OSError as error:
        raise FacetellError(f"{file} cannot be read ({error.strerror}); prepare its folder again") from None
    key = hashlib.sha256(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:20]
    return cache / f"{key}.{kind}"


def _cache_of(config: DataConfig) -> Path:
    return Path(config.cache) if config.cache else Path(config.folders[0]) / CACHE


def _manifests(config: DataConfig) -> list[Manifest]:
    """The prepared folders, without what the configuration leaves out."""
    if not config.folders:
        raise FacetellError("there is nothing to train on; set data.folders=[FOLDER] to what `facetell prepare` made")

    def wanted(entry: Entry) -> bool:
        right = not config.compression or entry.compression in ("", config.compression)
        return right and entry.method not in config.without and entry.label is not None

    return [read_prepared(Path(folder)).where(wanted) for folder in config.folders]

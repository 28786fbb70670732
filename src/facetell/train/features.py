"""Features of a frozen network for every view of every recording, and for changed frames, computed once and stored.

A view is a single frame. A plain view is cropped as in detection; a varied one is also forged or degraded. Varied views
of both classes are degraded by the same distribution, and the two of a pair by the same draw, so that resolution,
coding, brightness and framing do not discriminate the classes.

The network is run from its exported file, with weights as they are released, so that the classifier is trained on the
features of detection. Every recording has its own file; what exists is not computed again.

For the limits of a probe, one frame of every few clips is changed before the crop: a smaller face, or a distortion.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.datasets.cues import cues_of
from facetell.distort.kinds import KINDS, PUBLISHED, parameter
from facetell.distort.video import distort_frame
from facetell.engine.engines import openvino_precision
from facetell.faces.runtime import openvino_core
from facetell.files import file_sha256, write_bytes
from facetell.forge.degrade import Coder, recode_within
from facetell.forge.pixels import apply_sharpness
from facetell.models.export import export_onnx
from facetell.models.network import ClipNetwork
from facetell.processes import unordered
from facetell.train.batches import Sampler
from facetell.train.config import BatchConfig, ProbeConfig
from facetell.train.corpus import Recording, window_at
from facetell.train.validate import crop_recording
from facetell.types import FloatArray, UInt8Array

TOGETHER = 8  # frames computed at once
PLAIN, REAL, FORGED = "plain", "real", "forged"
EVERY = 5  # one clip of so many is changed
LEVEL = 3  # of the distortions
OF_PATCHES = ", patches"  # suffix of a name
WIDTHS = (64, 48, 32)  # of smaller faces, in pixels

Result = TypeVar("Result")


class View(NamedTuple):
    """One frame."""

    frame: UInt8Array  # RGB (S, S, 3)
    label: int  # 1 forged, 0 real
    source: str  # "plain", "real" (degraded), "forged" (of a forged recording, degraded), or the kind of pseudo-fake
    time: float  # seconds in the video


class Vectors(NamedTuple):
    """What a network gives for V frames."""

    values: NDArray[np.float16]  # (V, D)
    patches: NDArray[np.float16]  # (V, P, C); (V, 0, 0) without a part of the classifier for patches


@dataclass(frozen=True, slots=True)
class Features:
    """Features of V views."""

    values: NDArray[np.float16]  # (V, D)
    labels: NDArray[np.int64]  # (V,), 1 forged
    sources: NDArray[np.str_]  # (V,), see View
    recordings: NDArray[np.int64]  # (V,), index of the recording
    times: NDArray[np.float64]  # (V,), seconds in the video
    patches: NDArray[np.float16]  # (V, P, C), with a part of the classifier for patches, else (V, 0, 0)
    changed: NDArray[np.float16]  # (V, P), mean absolute difference of a pseudo-fake from the view before, 0 to 255
    cues: NDArray[np.float64]  # (V, C), see facetell.datasets.cues.cues_of


class FeatureStore:
    """The stored features of recordings by a frozen network, with the views of a configuration."""

    def __init__(
        self, folder: Path, network: ClipNetwork, config: ProbeConfig, recordings: Sequence[Recording]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config, self.recordings = folder, config, recordings
        self.trunk = export_onnx(network, folder / "trunk.onnx", metadata={}, precision="w8", output="features")
        settings: dict[str, Any] = {"trunk": file_sha256(self.trunk), "seed": config.seed}
        settings |= {"batch": asdict(config.batch), "views": asdict(config.views), "patches": config.local is not None}
        self.key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def file(self, number: int) -> Path:
        """The file of a recording."""
        name = hashlib.sha256(f"{self.key} {self.recordings[number].sha256}".encode()).hexdigest()
        return self.folder / f"{name[:24]}.npz"

    def compute(self) -> Iterator[int]:
        """Compute what is missing; yields the number of recordings that are done."""
        count = len(self.recordings)
        missing = [number for number in range(count) if not self.file(number).exists()]
        yield count - len(missing)
        for done, _ in enumerate(self._run(compute_views, missing), count - len(missing) + 1):
            yield done

    def read(self) -> Features:
        """The features of all views after :meth:`compute`."""
        parts: list[dict[str, NDArray[Any]]] = []
        for number in range(len(self.recordings)):
            with np.load(self.file(number)) as stored:
                parts.append(dict(stored))
        recordings = np.repeat(np.arange(len(parts)), [len(part["labels"]) for part in parts])
        joined = {name: np.concatenate([part.pop(name) for part in parts]) for name in [*parts[0]]}
        return Features(**joined, recordings=recordings)

    def limits(self) -> tuple[NDArray[np.int64], dict[str, Vectors]]:
        """Indices (M,) of every few recordings, and features of a frame of each under each change, by name."""
        chosen = list(range(0, len(self.recordings), EVERY))
        path = self.folder / f"limits-{self.key[:16]}.npz"
        if not path.exists():
            found = dict(self._run(compute_changes, chosen))
            store_arrays(path, **{name: np.stack([found[number][name] for number in chosen]) for name in found[0]})
        with np.load(path) as stored:
            names = [name for name in stored if not name.endswith(OF_PATCHES)]
            return np.array(chosen), {name: Vectors(stored[name], stored[name + OF_PATCHES]) for name in names}

    def _run(self, work: Callable[[int], Result], numbers: Sequence[int]) -> Iterator[Result]:
        """Results of ``work`` for recordings, in any order, by processes with an extractor."""
        workers = max(1, self.config.workers)
        return unordered(work, numbers, workers, _start, (self,), lambda number: str(self.recordings[number].file))


class Extractor:
    """Computes features in one process."""

    def __init__(self, store: FeatureStore) -> None:
        core = openvino_core()
        model = core.read_model(store.trunk)
        size = store.config.batch.size
        model.reshape({"clip": [TOGETHER, 1, 3, size, size]})
        precision = openvino_precision(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), None)
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        self._request = core.compile_model(model, "CPU", options).create_infer_request()
        self.store = store
        self.sampler = Sampler(store.recordings, store.config.batch, store.config.seed)

    def __call__(self, frames: UInt8Array) -> Vectors:
        """Features of frames (V, S, S, 3)."""
        found: list[list[FloatArray]] = []
        for first in range(0, len(frames), TOGETHER):
            part = frames[first : first + TOGETHER].transpose(0, 3, 1, 2)[:, None].astype(np.float32) / np.float32(255)
            full = np.zeros((TOGETHER, *part.shape[1:]), np.float32)
            full[: len(part)] = part
            result = self._request.infer({"clip": full})
            found.append([result[name][: len(part)].astype(np.float16) for name in ("features", "patches")])
        values, patches = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Vectors(values, patches if self.store.config.local else patches[:, :0, :0])


extractor: Extractor  # of this process


def _start(store: FeatureStore) -> None:
    global extractor
    cv2.setNumThreads(1)
    extractor = Extractor(store)


def compute_views(number: int) -> None:
    """Compute and store the features of all views of one recording."""
    store = extractor.store
    recording, config = store.recordings[number], store.config
    count = config.views.pairs if recording.entry.label == 0 else config.views.forged
    plain = plain_views(recording, config.batch, config.views.clip_frames, config.views.plain)
    views = [*plain, *varied_views(recording, extractor.sampler, count, config.seed)]
    frames = np.stack([view.frame for view in views])
    values, patches = extractor(frames)
    changed = np.zeros(patches.shape[:2], np.float16)
    for at, view in enumerate(views if patches.size else ()):
        if view.source not in (PLAIN, REAL, FORGED):
            changed[at] = _changed(frames[at - 1], view.frame, patches.shape[1])
    store_arrays(
        store.file(number),
        values=values,
        patches=patches,
        changed=changed,
        labels=np.array([view.label for view in views]),
        sources=np.array([view.source for view in views]),
        times=np.array([view.time for view in views]),
        cues=cues_of(frames),
    )


def compute_changes(number: int) -> tuple[int, dict[str, NDArray[np.float16]]]:
    """A recording's number, and the features (D,) of its middle frame under each change."""
    recording, config = extractor.store.recordings[number], extractor.store.config
    window = plain_window(recording, config.batch, config.views.clip_frames, 0.5)
    width = float(np.median([pose.width for pose in recording.poses(window)]))
    changed = changes(recording.frames(window), width)
    crops = [crop_recording(recording, window, config.batch, frames) for frames in changed.values()]
    values, patches = extractor(np.stack([crop[len(crop) // 2] for crop in crops]))
    of_patches = zip((name + OF_PATCHES for name in changed), patches, strict=True)
    return number, dict(zip(changed, values, strict=True)) | dict(of_patches)


def _changed(one: UInt8Array, other: UInt8Array, patches: int) -> NDArray[np.float64]:
    """Mean absolute difference (P,) of two frames (S, S, 3) in each patch of a square grid."""
    grid = math.isqrt(patches)
    difference = np.abs(one.astype(np.float64) - other).mean(axis=2)
    return np.asarray(difference.reshape(grid, len(one) // grid, grid, -1).mean(axis=(1, 3)).ravel())


def store_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an .npz file; it is complete or does not exist."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub takes every name for its own option
    write_bytes(path, stream.getvalue())


def plain_window(recording: Recording, batch: BatchConfig, length: int, place: float) -> slice:
    """The clip of ``length`` frames at a relative position in [0, 1]; shorter if the recording is."""
    step = recording.step(batch.frame_rate)
    while step > 1 and not recording.starts(length, step):
        step -= 1
    length = min(length, len(recording))
    return window_at(round(place * (len(recording.starts(length, step)) - 1)), length, step)


def plain_views(recording: Recording, batch: BatchConfig, length: int, count: int) -> Iterator[View]:
    """``count`` evenly spaced frames as detection crops them; fewer of a short recording.

    Each is the middle frame of a clip of ``length`` frames, with the crop of the whole clip.
    """
    places = (np.arange(count) + 0.5) / count
    windows = {window.start: window for window in (plain_window(recording, batch, length, place) for place in places)}
    for window in windows.values():
        clip, times = crop_recording(recording, window, batch), recording.times[window]
        middle = len(clip) // 2
        yield View(clip[middle], int(recording.entry.label or 0), PLAIN, float(times[middle]))


def varied_views(recording: Recording, sampler: Sampler, count: int, seed: int) -> Iterator[View]:
    """``count`` pairs of a real recording, or ``count`` frames of a forged one.

    The seed and the content of the recording determine every draw except the donor of a swap.
    """
    key = int.from_bytes(hashlib.sha256(recording.sha256.encode()).digest()[:8], "big")
    for number in range(count):
        rng = np.random.default_rng([seed, key, number])
        if recording.entry.label == 0:
            clips, times, kind = sampler.pair_of(recording, rng)
            shown = zip(clips, (0, 1), (REAL, kind), strict=True)
        else:
            clip, times = sampler.alone(recording, rng)
            shown = zip((clip,), (1,), (FORGED,), strict=True)
        which = int(rng.integers(len(times)))
        for clip, label, source in shown:
            yield View(clip[which], label, source, float(times[which]))


def changes(clip: UInt8Array, width: float) -> dict[str, UInt8Array]:
    """The changes, by name, of a clip (T, H, W, 3) in which the face is ``width`` pixels wide."""
    narrowed = {f"faces {target} pixels wide": apply_sharpness(clip, min(1.0, target / width)) for target in WIDTHS}
    distorted = {f"{KINDS[code].name}, level {LEVEL}": _distorted(clip, code) for code in PUBLISHED}
    return {"as it is": clip, **narrowed, **distorted}


def _distorted(clip: UInt8Array, code: str) -> UInt8Array:
    if code == "VC":
        options = {"crf": f"{parameter(code, LEVEL):g}", "threads": "1", "x264-params": "mbtree=0"}
        return recode_within(clip, Coder("libx264", options, 25), 0)
    rng = np.random.default_rng(LEVEL)
    return np.stack([distort_frame(frame, code, LEVEL, rng) for frame in clip])

"""Features of a frozen network for every view of every recording, computed once and stored.

A view is a single frame. A plain view is cropped as in detection; a varied one is also forged or degraded. Varied views
of both classes are degraded by the same distribution, and the two of a pair by the same draw, so that resolution,
coding, brightness and framing do not discriminate the classes.

The network is run from its exported file, with weights as they are released, so that the classifier is trained on the
features of detection. Every recording has its own file; what exists is not computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.datasets.cues import cues_of
from facetell.engine.engines import openvino_precision
from facetell.files import file_sha256, temporary_beside
from facetell.models.export import export_features
from facetell.models.network import ClipNetwork
from facetell.processes import unordered
from facetell.train.batches import Sampler
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording, window_at
from facetell.train.probe_config import ViewConfig
from facetell.train.validate import crop_recording
from facetell.types import FloatArray, UInt8Array

TOGETHER = 8  # frames computed at once
TRUNK = "trunk.onnx"
PLAIN, REAL, FORGED = "plain", "real", "forged"

Result = TypeVar("Result")


class View(NamedTuple):
    """One frame."""

    frame: UInt8Array  # RGB (S, S, 3)
    label: int  # 1 forged, 0 real
    source: str  # "plain", "real" (degraded), "forged" (of a forged recording, degraded), or the kind of pseudo-fake
    time: float  # seconds in the video


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
            which = int(rng.integers(len(times)))
            for label, (clip, source) in enumerate(zip(clips, (REAL, kind), strict=True)):
                yield View(clip[which], label, source, float(times[which]))
        else:
            clip, times = sampler.alone(recording, rng)
            which = int(rng.integers(len(times)))
            yield View(clip[which], 1, FORGED, float(times[which]))


@dataclass(frozen=True, slots=True)
class Features:
    """Features of V views."""

    values: NDArray[np.float16]  # (V, D)
    labels: NDArray[np.int64]  # (V,), 1 forged
    sources: NDArray[np.str_]  # (V,), see View
    recordings: NDArray[np.int64]  # (V,), index of the recording
    times: NDArray[np.float64]  # (V,), seconds in the video
    cues: NDArray[np.float64]  # (V, C), see facetell.datasets.cues.cues_of


class FeatureStore:
    """The stored features of one frozen network under one configuration of views, drawn with ``seed``."""

    def __init__(self, folder: Path, network: ClipNetwork, batch: BatchConfig, views: ViewConfig, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.trunk = export_features(network, folder / TRUNK)
        settings = {"trunk": file_sha256(self.trunk), "batch": asdict(batch), "views": asdict(views), "seed": seed}
        self.key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.folder, self.batch, self.views, self.seed = folder, batch, views, seed

    def file(self, recording: Recording) -> Path:
        """The file of a recording."""
        name = hashlib.sha256(f"{self.key} {recording.sha256}".encode()).hexdigest()
        return self.folder / f"{name[:24]}.npz"

    def compute(self, recordings: Sequence[Recording], workers: int) -> Iterator[tuple[int, int]]:
        """Compute what is missing; yields the number of recordings that are done, and that of all."""
        missing = [number for number, recording in enumerate(recordings) if not self.file(recording).exists()]
        done = len(recordings) - len(missing)
        yield done, len(recordings)
        for number, _ in enumerate(self.run(compute_views, missing, recordings, workers), done + 1):
            yield number, len(recordings)

    def run(
        self,
        work: Callable[[int], Result],
        numbers: Sequence[int],
        recordings: Sequence[Recording],
        workers: int,
    ) -> Iterator[Result]:
        """Results of ``work`` for the recordings of these numbers, in any order, by processes with an extractor."""
        return unordered(work, numbers, max(1, workers), _start, (self, recordings))

    def read(self, recordings: Sequence[Recording]) -> Features:
        """The features of all views of recordings after :meth:`compute`."""
        parts = [dict(np.load(self.file(recording))) for recording in recordings]
        counts = [len(part["labels"]) for part in parts]
        joined = {
            name: np.concatenate([part[name] for part in parts])
            for name in ("values", "labels", "sources", "times", "cues")
        }
        return Features(**joined, recordings=np.repeat(np.arange(len(parts)), counts))


class Extractor:
    """Computes features in one process."""

    def __init__(self, store: FeatureStore, recordings: Sequence[Recording]) -> None:
        from facetell.faces.runtime import openvino_core

        core = openvino_core()
        model = core.read_model(store.trunk)
        size = store.batch.size
        model.reshape({"clip": [TOGETHER, 1, 3, size, size]})
        precision = openvino_precision(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), None)
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        # With pinning, several processes would use the same core.
        compiled = core.compile_model(model, "CPU", {**options, "ENABLE_CPU_PINNING": False})
        self._request = compiled.create_infer_request()
        self.store, self.recordings = store, recordings
        self.sampler = Sampler(recordings, store.batch, store.seed)

    def __call__(self, frames: UInt8Array) -> FloatArray:
        """Features (V, D) of frames (V, S, S, 3)."""
        found = []
        for first in range(0, len(frames), TOGETHER):
            part = frames[first : first + TOGETHER].transpose(0, 3, 1, 2)[:, None].astype(np.float32) / np.float32(255)
            full = np.zeros((TOGETHER, *part.shape[1:]), np.float32)
            full[: len(part)] = part
            found.append(np.array(self._request.infer({"clip": full})["features"])[: len(part)])
        return np.concatenate(found)


extractor: Extractor  # of this process


def _start(store: FeatureStore, recordings: Sequence[Recording]) -> None:
    global extractor
    cv2.setNumThreads(1)
    extractor = Extractor(store, recordings)


def compute_views(number: int) -> None:
    """Compute and store the features of all views of one recording."""
    store, recording = extractor.store, extractor.recordings[number]
    count = store.views.pairs if recording.entry.label == 0 else store.views.forged
    plain = plain_views(recording, store.batch, store.views.clip_frames, store.views.plain)
    views = [*plain, *varied_views(recording, extractor.sampler, count, store.seed)]
    frames = np.stack([view.frame for view in views])
    store_arrays(
        store.file(recording),
        values=extractor(frames).astype(np.float16),
        labels=np.array([view.label for view in views]),
        sources=np.array([view.source for view in views]),
        times=np.array([view.time for view in views]),
        cues=cues_of(frames),
    )


def store_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an .npz file; it is complete or does not exist."""
    temporary = temporary_beside(path)
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub takes every name for its own option
    temporary.replace(path)

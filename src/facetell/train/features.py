"""Features of a frozen network, computed once for every view of every recording and kept on disk.

The network computes them from its exported file, with weights stored as they are released: the head is trained on what
it sees in use. One file a recording holds the features of its views; what is there is not computed again, so that a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from facetell.train.corpus import Recording
from facetell.train.views import View, plain_views, varied_views
from facetell.types import FloatArray, UInt8Array

TOGETHER = 8  # frames computed at once
TRUNK = "trunk.onnx"


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """Which views there are of a recording, see :mod:`facetell.train.views`.

    Attributes:
        clip_frames: T of the clips that detection takes; a plain view is the middle frame of one.
        plain: frames as detection crops them.
        pairs: varied frames of a real recording, each beside a pseudo-fake of itself.
        forged: varied frames of a forged recording.
    """

    clip_frames: int = 8
    plain: int = 6
    pairs: int = 6
    forged: int = 4


@dataclass(frozen=True, slots=True)
class Features:
    """Features of V views.

    Attributes:
        values: float16 (V, D).
        labels: int (V,), 1 forged.
        sources: str (V,), see :class:`facetell.train.views.View`.
        recordings: int (V,), the number of the recording.
        times: float (V,), seconds in the video.
        cues: float (V, C), see :func:`facetell.datasets.cues.cues_of`.
    """

    values: NDArray[np.float16]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    recordings: NDArray[np.int64]
    times: NDArray[np.float64]
    cues: NDArray[np.float64]


class FeatureStore:
    """The folder of features of one network under one configuration.

    Args:
        folder: created where it is missing.
        network: the frozen network.
        batch: how views are cropped, forged and degraded.
        views: which there are.
        seed: of their draws.
    """

    def __init__(self, folder: Path, network: ClipNetwork, batch: BatchConfig, views: ViewConfig, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.trunk = export_features(network, folder / TRUNK)
        settings = {"trunk": file_sha256(self.trunk), "batch": asdict(batch), "views": asdict(views), "seed": seed}
        self.key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.folder, self.batch, self.views, self.seed = folder, batch, views, seed

    def file(self, recording: Recording) -> Path:
        """Where the features of a recording lie."""
        name = hashlib.sha256(f"{self.key} {recording.sha256}".encode()).hexdigest()
        return self.folder / f"{name[:24]}.npz"

    def compute(self, recordings: Sequence[Recording], workers: int) -> Iterator[tuple[int, int]]:
        """Compute what is missing; yields how many recordings are done, and how many there are."""
        missing = [number for number, recording in enumerate(recordings) if not self.file(recording).exists()]
        done = len(recordings) - len(missing)
        yield done, len(recordings)
        for _ in unordered(_work, missing, max(1, workers), _start, (self, recordings)):
            done += 1
            yield done, len(recordings)

    def read(self, recordings: Sequence[Recording]) -> Features:
        """The features of all views of recordings that :meth:`compute` has done."""
        parts = [dict(np.load(self.file(recording))) for recording in recordings]
        counts = [len(part["labels"]) for part in parts]
        joined = {
            name: np.concatenate([part[name] for part in parts])
            for name in ("values", "labels", "sources", "times", "cues")
        }
        return Features(**joined, recordings=np.repeat(np.arange(len(parts)), counts))


class Extractor:
    """Computes features in one process."""

    def __init__(self, store: FeatureStore) -> None:
        from facetell.faces.runtime import openvino_core

        core = openvino_core()
        model = core.read_model(store.trunk)
        size = store.batch.size
        model.reshape({"clip": [TOGETHER, 1, 3, size, size]})
        precision = openvino_precision(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), None)
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        # Two processes that pin their threads take the same core.
        self._request = core.compile_model(
            model, "CPU", {**options, "ENABLE_CPU_PINNING": False}
        ).create_infer_request()
        self.store = store

    def run(self, frames: UInt8Array) -> FloatArray:
        """Features (V, D) of frames (V, S, S, 3)."""
        found = []
        for first in range(0, len(frames), TOGETHER):
            part = frames[first : first + TOGETHER].transpose(0, 3, 1, 2)[:, None].astype(np.float32) / np.float32(255)
            full = np.zeros((TOGETHER, *part.shape[1:]), np.float32)
            full[: len(part)] = part
            found.append(np.array(self._request.infer({"clip": full})["features"])[: len(part)])
        return np.concatenate(found)


_extractor: Extractor
_sampler: Sampler
_recordings: Sequence[Recording]


def _start(store: FeatureStore, recordings: Sequence[Recording]) -> None:
    import cv2

    global _extractor, _sampler, _recordings
    cv2.setNumThreads(1)
    _extractor, _recordings = Extractor(store), recordings
    _sampler = Sampler(recordings, store.batch, store.seed)


def _views(recording: Recording) -> list[View]:
    """All views of a recording."""
    store = _extractor.store
    views, batch = store.views, store.batch
    count = views.pairs if recording.entry.label == 0 else views.forged
    varied = varied_views(recording, _sampler, count, store.seed)
    return [*plain_views(recording, batch, views.clip_frames, views.plain), *varied]


def _work(number: int) -> None:
    """Compute and write the features of one recording; the file appears whole or not at all."""
    recording = _recordings[number]
    views = _views(recording)
    path, frames = _extractor.store.file(recording), np.stack([view.frame for view in views])
    temporary = temporary_beside(path)
    with temporary.open("wb") as stream:
        np.savez(
            stream,
            values=_extractor.run(frames).astype(np.float16),
            labels=np.array([view.label for view in views]),
            sources=np.array([view.source for view in views]),
            times=np.array([view.time for view in views]),
            cues=cues_of(frames),
        )
    temporary.replace(path)

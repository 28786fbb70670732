"""Training batches: real clips with pseudo-fakes of the same frames, and the forged clips of the data.

A batch consists of slots; each slot is a real and a forged clip. If the forged clip is made from the real one, both are
degraded and cropped alike, so that only the forgery differs. A slot depends on (seed, batch, slot) alone, also resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from facetell.faces.crop import clip_crop, crop_frame, crop_matrix
from facetell.forge import degrade_pair, forge_clip, harmless_twin
from facetell.forge.mesh import transform
from facetell.train.config import BatchConfig, DataConfig
from facetell.train.corpus import Recording, load_recordings, window_at
from facetell.types import FacetellError, FloatArray, UInt8Array

Item = TypeVar("Item")
Crop = tuple[UInt8Array, FloatArray]  # frames (T, S, S, 3), and the face mesh (T, 468, 2) in their pixels


class Batch(NamedTuple):
    """Clips, real and forged ones in turn."""

    clips: torch.Tensor  # uint8 (N, T, 3, S, S)
    labels: torch.Tensor  # float32 (N,), 1 = forged


class Sampler:
    """Draws clips of a split, the same for a batch's number. FacetellError: there are no real, or no forged clips."""

    def __init__(self, recordings: Sequence[Recording], config: BatchConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        reals = [r for r in recordings if r.entry.label == 0]
        fakes = _grouped((r for r in recordings if r.entry.label == 1), lambda r: r.entry.method)
        if not reals:
            raise FacetellError("there are no real clips to train on; prepare some, labelled 0")
        if config.generated and not fakes:
            raise FacetellError("there are no forged clips to train on; set batch.generated=0 for pseudo-fakes only")
        self._reals = _grouped(reals, lambda r: r.entry.identity)
        self._fakes = {method: _grouped(group, lambda r: r.entry.identity) for method, group in fakes.items()}
        self._by_file = {r.file: r for r in reals}

    def batch(self, number: int) -> Batch:
        """The batch of this number."""
        clips: list[UInt8Array] = []
        for slot in range(self.config.pairs + self.config.generated):
            rng = np.random.default_rng([self.seed, number, slot])
            clips += self.pair_of(self._real(rng), rng)[0] if slot < self.config.pairs else self._generated(rng)
        stacked = np.ascontiguousarray(np.stack(clips).transpose(0, 1, 4, 2, 3))  # (N, T, H, W, 3) -> (N, T, 3, H, W)
        return Batch(torch.from_numpy(stacked), torch.tensor([0.0, 1.0] * (len(clips) // 2)))

    def pair_of(
        self, recording: Recording, rng: np.random.Generator
    ) -> tuple[tuple[UInt8Array, UInt8Array], NDArray[np.float64], str]:
        """A window of a real recording and a pseudo-fake of it, both degraded and cropped alike.

        Returns both clips, uint8 RGB (T, S, S, 3); the times of their frames in seconds, (T,); the kind of pseudo-fake.
        """
        window = self._window(recording, rng)
        frames, landmarks = self._crop(recording, window)
        donor = None
        if rng.random() < self.config.donor_share:
            other = self._real(rng)
            if other.entry.identity != recording.entry.identity:
                donor = self._crop(other, self._window(other, rng))
        forged = forge_clip(frames, landmarks, rng, self.config.recipe, donor)
        if rng.random() < self.config.twin_share:
            frames = harmless_twin(frames, landmarks, rng)
        real, fake = self._finish([frames, forged.frames], landmarks, rng, self.config.background)
        return (real, fake), recording.times[window], forged.applied[0]

    def alone(self, recording: Recording, rng: np.random.Generator) -> tuple[UInt8Array, NDArray[np.float64]]:
        """A window of a recording, degraded and cropped: uint8 RGB (T, S, S, 3), and the times of its frames, (T,)."""
        window = self._window(recording, rng)
        frames, landmarks = self._crop(recording, window)
        (clip,) = self._finish([frames], landmarks, rng, self.config.generated_background)
        return clip, recording.times[window]

    def _generated(self, rng: np.random.Generator) -> list[UInt8Array]:
        """The source of a forged clip of evenly drawn method and identity (else any real clip), and the forged clip."""
        fake = _draw(_draw(_draw(self._fakes, rng), rng), rng)
        window = self._window(fake, rng)
        frames, landmarks = self._crop(fake, window)
        source, background = self._source(fake, window), self.config.generated_background
        if source is not None:  # prepared clips of a pair have the same crop
            return self._finish([self._crop(source, window, fake)[0], frames], landmarks, rng, background)
        (forged,) = self._finish([frames], landmarks, rng, background)
        return [self.alone(self._real(rng), rng)[0], forged]

    def _real(self, rng: np.random.Generator) -> Recording:
        """Identities are drawn evenly."""
        return _draw(_draw(self._reals, rng), rng)

    def _window(self, recording: Recording, rng: np.random.Generator) -> slice:
        """A random window, of every second frame at times; in a short recording, at the lowest rate that fits."""
        slower, length = 2 if rng.random() < self.config.every_second else 1, self.config.clip_frames
        longest = (len(recording) - 1) // (length - 1)
        step = max(1, min(slower * recording.step(self.config.frame_rate), longest))
        return window_at(int(rng.integers(len(recording.starts(length, step)))), length, step)

    def _crop(self, recording: Recording, window: slice, cropped: Recording | None = None) -> Crop:
        """The upright crop of a window, larger than the network's, around the face of ``cropped`` (default: itself)."""
        config = self.config
        size = round(config.size * config.work_margin)
        crop = clip_crop((cropped or recording).poses(window), config.crop_scale * config.work_margin)
        frames = np.stack([crop_frame(image, crop, size) for image in recording.frames(window)])
        return frames, transform(recording.mesh(window), crop_matrix(crop, size))

    def _source(self, fake: Recording, window: slice) -> Recording | None:
        """The recording of the real clip behind a forgery, if it shows the same frames in the window."""
        real = self._by_file.get(fake.source) if fake.source else None
        if real is None or len(real) < window.stop or real.shape[1:] != fake.shape[1:]:
            return None
        return real if np.abs(real.times[window] - fake.times[window]).max() < 0.5 * real.interval else None

    def _finish(
        self, clips: list[UInt8Array], landmarks: FloatArray, rng: np.random.Generator, background: float
    ) -> list[UInt8Array]:
        """Blur the background, degrade and crop all ``clips`` alike; half of them mirrored.

        The unused draws are those of removed options: the features of the released model depend on the sequence.
        """
        rng.random()
        if rng.random() < background:
            rng.random()
            clips = blur_background(clips, landmarks, rng)
        clips = degrade_pair(clips, rng, self.config.degrade)
        rng.random()
        matrix = self._placement(landmarks, rng)
        return [_warp(clip, matrix, self.config.size) for clip in clips]

    def _placement(self, landmarks: FloatArray, rng: np.random.Generator) -> FloatArray:
        """The 2 x 3 map from the working crop to the network's pixels."""
        config = self.config
        side = config.size * float(rng.uniform(1 - config.scale_jitter, 1 + config.scale_jitter))
        low = landmarks.min(axis=(0, 1))
        center = (low + landmarks.max(axis=(0, 1))) / 2 + rng.uniform(-1, 1, 2) * config.shift_jitter * side
        angle = np.deg2rad(rng.uniform(-1, 1) * config.turn)
        wider = np.sqrt(1 + rng.uniform(-1, 1) * config.stretch)
        mirror = -1 if rng.random() < 0.5 else 1
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = config.size / side * np.diag([mirror * wider, 1 / wider]) @ turn
        return np.hstack([linear, ((config.size - 1) / 2 - linear @ center)[:, None]]).astype(np.float32)


def _warp(frames: UInt8Array, matrix: FloatArray, size: int) -> UInt8Array:
    """Frames (T, H, W, 3) under a 2 x 3 map to (T, size, size, 3), area-averaged when shrinking as in detection."""
    shrinks = float(np.abs(np.linalg.det(matrix[:, :2]))) ** -0.5
    cells = max(1, int(shrinks + 0.5))
    fine = matrix * cells
    fine[:, 2] += (cells - 1) / 2  # the centre of pixel i is at cells * (i + 0.5) - 0.5 of the finer grid
    warped = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, result in zip(frames, warped, strict=True):
        large = cv2.warpAffine(
            frame, fine, (size * cells, size * cells), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        result[:] = large if cells == 1 else cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return warped


def blur_background(clips: Sequence[UInt8Array], landmarks: FloatArray, rng: np.random.Generator) -> list[UInt8Array]:
    """Clips (T, H, W, 3) with all blurred alike but the hull of the landmarks (T, P, 2), grown by 5 to 40 %."""
    height, width = clips[0].shape[1:3]
    reach, sigma = float(rng.uniform(1.05, 1.4)), float(rng.uniform(0.03, 0.12)) * width
    results = [np.empty_like(clip) for clip in clips]
    for t, points in enumerate(landmarks):
        middle = points.mean(axis=0)
        hull = cv2.convexHull(((points - middle) * reach + middle).astype(np.int32))
        face = cv2.fillConvexPoly(np.zeros((height, width), np.float32), hull, 1.0)
        face = cv2.GaussianBlur(face, (0, 0), width / 40)
        for clip, result in zip(clips, results, strict=True):
            # Blurred at a quarter of the size, where nothing finer is left.
            small = cv2.resize(clip[t], (width // 4, height // 4), interpolation=cv2.INTER_AREA)
            soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (width, height))
            result[t] = cv2.blendLinear(clip[t], soft, face, 1 - face)
    return results


class BatchStream(IterableDataset[Batch]):
    """Batches ``first``, ``first + 1``, ... without end; worker processes take turns."""

    def __init__(self, data: DataConfig, config: BatchConfig, seed: int, first: int) -> None:
        self.data, self.config, self.seed, self.first = data, config, seed, first

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        sampler = Sampler(load_recordings(self.data, "train", self.config.clip_frames), self.config, self.seed)
        worker = get_worker_info()
        number, stride = (self.first + worker.id, worker.num_workers) if worker else (self.first, 1)
        while True:
            yield sampler.batch(number)
            number += stride


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> dict[str, list[Item]]:
    return {name: [*group] for name, group in groupby(sorted(items, key=key), key)}


def _draw(choices: dict[str, Item] | list[Item], rng: np.random.Generator) -> Item:
    """An element of a list, or of a table's values, with equal probability."""
    values = list(choices.values()) if isinstance(choices, dict) else choices
    return values[int(rng.integers(len(values)))]

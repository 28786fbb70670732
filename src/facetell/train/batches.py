"""Training batches: reals, forgeries of the very same moments, and clips of talking-head generators.

A pair (a real and a forgery of itself) goes through the same degradation and the same square, so that nothing but
the forging tells them apart. Everything follows from (seed, batch number): a run that stops goes on with the batches
it would have seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from facetell.faces.crop import cut_square, square_matrix, stable_square
from facetell.forge import DegradeConfig, ForgeRecipe, degrade_pair, forge_clip, harmless_twin
from facetell.train.corpus import Recording, load
from facetell.types import FloatArray, UInt8Array


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What a batch is made of.

    Attributes:
        pairs: reals that stand beside a forgery of themselves.
        generated: clips of generators, each beside one more real.
        clip_frames: T.
        size: side of the network's input in pixels.
        crop_scale: side of the square in face lengths; jittered by ``scale_jitter`` (a share) and ``shift_jitter``.
        work_margin: forging works on a square larger by this factor, so that it sees what lies around.
        donor_share: share of forgeries that may borrow another person's face.
        twin_share: share of reals that go through harmless twins of the forging steps.
    """

    pairs: int = 5
    generated: int = 1
    clip_frames: int = 8
    size: int = 160
    crop_scale: float = 1.35
    scale_jitter: float = 0.1
    shift_jitter: float = 0.06
    work_margin: float = 1.25
    donor_share: float = 0.5
    twin_share: float = 0.15
    recipe: ForgeRecipe = field(default_factory=lambda: ForgeRecipe(swap=2.0, cut=0.25, mouth=0.5))
    degrade: DegradeConfig = field(
        default_factory=lambda: DegradeConfig(resize=0.2, blur=0.1, noisy=0.1, codec=0.3, jpeg=0.15)
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """``clips`` uint8 (N, T, 3, S, S), ``labels`` float32 (N,) with 1 = forged, ``kinds`` one word a clip."""

    number: int
    clips: torch.Tensor
    labels: torch.Tensor
    kinds: tuple[str, ...]


class Sampler:
    """Draws clips of one split; the batch of a given number is always the same."""

    def __init__(self, recordings: Sequence[Recording], config: BatchConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self._reals = _by_identity(r for r in recordings if r.row.label == 0)
        self._fakes = _by_identity(r for r in recordings if r.row.label == 1)

    def batch(self, number: int) -> Batch:
        """The batch of this number: 2 x ``pairs`` + 2 x ``generated`` clips, half of them forged."""
        rng = np.random.default_rng([self.seed, number])
        clips: list[UInt8Array] = []
        labels: list[int] = []
        kinds: list[str] = []
        for _ in range(self.config.pairs):
            real, forged, kind = self._pair(rng)
            clips += [real, forged]
            labels += [0, 1]
            kinds += ["real", kind]
        for _ in range(self.config.generated):
            for people, label in ((self._reals, 0), (self._fakes, 1)):
                recording = _pick(people, rng)
                frames, landmarks = self._moment(recording, rng)
                clips += self._finish([frames], landmarks, rng)
                labels.append(label)
                kinds.append(recording.row.generator or "real")
        stacked = np.stack(clips).transpose(0, 1, 4, 2, 3)
        return Batch(
            number,
            torch.from_numpy(np.ascontiguousarray(stacked)),
            torch.tensor(labels, dtype=torch.float32),
            tuple(kinds),
        )

    def _pair(self, rng: np.random.Generator) -> tuple[UInt8Array, UInt8Array, str]:
        recording = _pick(self._reals, rng)
        frames, landmarks = self._moment(recording, rng)
        donor = None
        if rng.random() < self.config.donor_share:
            other = _pick(self._reals, rng)
            if other.row.identity != recording.row.identity:
                donor = self._moment(other, rng)
        forged = forge_clip(frames, landmarks, rng, self.config.recipe, donor)
        if rng.random() < self.config.twin_share:
            frames = harmless_twin(frames, landmarks, rng)
        real, fake = self._finish([frames, forged.frames], landmarks, rng)
        return real, fake, forged.applied[0]

    def _moment(self, recording: Recording, rng: np.random.Generator) -> tuple[UInt8Array, FloatArray]:
        """T consecutive frames on a square larger than the network's, with landmarks in its pixels."""
        config = self.config
        start = int(rng.integers(0, len(recording.frames) - config.clip_frames + 1))
        window = slice(start, start + config.clip_frames)
        size = round(config.size * config.work_margin)
        square = stable_square(recording.boxes(start, config.clip_frames), config.crop_scale * config.work_margin)
        frames = np.stack([cut_square(np.asarray(image), square, size) for image in recording.frames[window]])
        matrix = square_matrix(square, size)
        landmarks = recording.landmarks[window] @ matrix[:, :2].T + matrix[:, 2]
        return frames, landmarks.astype(np.float32)

    def _finish(self, clips: list[UInt8Array], landmarks: FloatArray, rng: np.random.Generator) -> list[UInt8Array]:
        """Degrade and cut all ``clips`` alike; mirrored half of the time."""
        config = self.config
        clips = degrade_pair(clips, rng, config.degrade)
        side = config.size * float(rng.uniform(1 - config.scale_jitter, 1 + config.scale_jitter))
        low = landmarks.min(axis=(0, 1))
        center = (low + landmarks.max(axis=(0, 1))) / 2 + rng.uniform(-1, 1, 2) * config.shift_jitter * side
        scale = config.size / side
        matrix = np.array([[scale, 0, 0], [0, scale, 0]], dtype=np.float32)
        matrix[:, 2] = (config.size - 1) / 2 - scale * center
        mirror = rng.random() < 0.5
        if mirror:
            matrix[0] *= -1
            matrix[0, 2] += config.size - 1
        shape = (config.size, config.size)
        return [
            np.stack([cv2.warpAffine(f, matrix, shape, borderMode=cv2.BORDER_REPLICATE) for f in clip])
            for clip in clips
        ]


class BatchStream(IterableDataset[Batch]):
    """Batches ``first``, ``first + 1``, ... without end; workers take turns."""

    def __init__(self, folder: Path, split: str, config: BatchConfig, seed: int, first: int = 0) -> None:
        self.folder, self.split, self.config, self.seed, self.first = folder, split, config, seed, first

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        sampler = Sampler(load(self.folder, self.split, self.config.clip_frames), self.config, self.seed)
        worker = get_worker_info()
        number, stride = self.first, 1
        if worker is not None:
            number, stride = self.first + worker.id, worker.num_workers
        while True:
            yield sampler.batch(number)
            number += stride


def _by_identity(recordings: Iterator[Recording]) -> dict[str, list[Recording]]:
    people: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        people[recording.row.identity].append(recording)
    return dict(people)


def _pick(people: dict[str, list[Recording]], rng: np.random.Generator) -> Recording:
    """Each person is as likely as any other, however many clips there are of each."""
    clips = people[sorted(people)[int(rng.integers(len(people)))]]
    return clips[int(rng.integers(len(clips)))]

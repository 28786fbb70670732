"""Validation: scores of the recordings of ``val``, cropped as in detection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from facetell.datasets.manifest import Entry
from facetell.evaluate.crossval import Results, by_kind
from facetell.evaluate.scores import row_of
from facetell.faces.clips import crop_clip
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording
from facetell.types import Status, UInt8Array

Score = Callable[[UInt8Array], Sequence[float]]  # logits of uint8 RGB clips (N, T, S, S, 3)
Row = dict[str, Any]  # of a score file
TOGETHER = 8  # clips scored at once


def torch_score(model: nn.Module, device: torch.device, bf16: bool = False) -> Score:
    """A :data:`Score` by a network in evaluation mode."""

    @torch.inference_mode()
    def score(clips: UInt8Array) -> list[float]:
        model.eval()
        logits: list[float] = []
        for start in range(0, len(clips), TOGETHER):
            part = torch.from_numpy(np.ascontiguousarray(clips[start : start + TOGETHER].transpose(0, 1, 4, 2, 3)))
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits += model(part.to(device).float() / 255, with_anomaly=False).logit.float().tolist()
        return logits

    return score


def score_recordings(score: Score, recordings: Sequence[Recording], config: BatchConfig) -> Iterator[Row]:
    """One row per clip, one clip a second of each recording; one row with a status if it is not scored."""
    for recording in recordings:
        windows = recording.windows(config.clip_frames, config.frame_rate)
        row = row_of(recording.entry)
        if not windows:
            yield row | {"status": Status.TOO_SHORT.value}
            continue
        clips = np.stack([crop_recording(recording, window, config) for window in windows])
        for number, (window, logit) in enumerate(zip(windows, score(clips), strict=True)):
            times = recording.times[window]
            yield row | {"t0": float(times[0]), "t1": float(times[-1]), "clip": number, "logit": logit}


def crop_recording(
    recording: Recording, window: slice, config: BatchConfig, frames: UInt8Array | None = None
) -> UInt8Array:
    """A window of a recording, or other ``frames`` in its place, as detection crops it, uint8 RGB (T, S, S, 3)."""
    images = recording.frames(window) if frames is None else frames
    return crop_clip(list(images), recording.poses(window), config.size, config.crop_scale)[0]


def results_of(rows: Sequence[Row], threshold: float = 0.0) -> Results:
    """Results by method of :func:`score_recordings` at a threshold of the logit."""
    names = ("label", "split", "identity", "dataset", "track")
    entries = [Entry(row["video"], kind=row["method"], **{name: row[name] for name in names}) for row in rows]
    return by_kind(entries, [row.get("logit", math.nan) for row in rows], threshold)

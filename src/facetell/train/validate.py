"""Validation: scores of the recordings of ``val``, cropped as in detection, and of pseudo-fakes of its real ones."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facetell.datasets.manifest import Entry
from facetell.evaluate.sample import sample_of
from facetell.evaluate.scores import Scores
from facetell.faces.clips import crop_clip
from facetell.forge import ForgeRecipe, degrade_pair, forge_clip
from facetell.forge.degrade import DegradeConfig
from facetell.metrics.intervals import interval
from facetell.metrics.ranking import auc
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording, window_at
from facetell.types import Status, UInt8Array

Score = Callable[[UInt8Array], Sequence[float]]
"""Logits of uint8 RGB clips (N, T, S, S, 3)."""
Row = dict[str, Any]
"""A row of a score file."""

SECONDS, PSEUDO_SECONDS = 1.0, 2.0  # between the clips of a recording
TOGETHER = 8  # clips scored at once
DRAWS = 500  # of the bootstrap, for monitoring
_RECOMPRESSION = DegradeConfig(
    resize=0, blur=0, noisy=0, colourful=0, gamma_chance=0, sharpen=0, repeats=0, rerate=0, social=0, codec=1, jpeg=0
)


def torch_score(model: nn.Module, device: torch.device, bf16: bool) -> Score:
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


def score_recordings(
    score: Score, recordings: Sequence[Recording], config: BatchConfig, min_face_width: float = 0.0
) -> Iterator[Row]:
    """One row per clip, one clip a second of each recording; one row with a status if it is not scored."""
    for recording in recordings:
        windows = recording.windows(config.clip_frames, SECONDS, config.frame_rate)
        row = row_of(recording.entry)
        if min_face_width and recording.face_width < min_face_width:
            yield row | {"status": Status.FACE_TOO_SMALL.value}
        elif not windows:
            yield row | {"status": Status.TOO_SHORT.value}
        else:
            clips = np.stack([crop_recording(recording, window, config) for window in windows])
            yield from _rows(row, recording, windows, score(clips))


def score_pseudo(
    score: Score,
    recordings: Sequence[Recording],
    config: BatchConfig,
    kinds: Sequence[str],
    donors: Sequence[Recording],
) -> Iterator[Row]:
    """One row per clip of real recordings and of pseudo-fakes of them; nothing without ``kinds``."""
    for kind in ("", *kinds) if kinds else ():
        recipe = ForgeRecipe.only(kind) if kind else None
        for recording in recordings:
            entry = recording.entry
            name = f"{entry.video}#{kind}" if kind else entry.video
            row = row_of(replace(entry, label=int(bool(kind)), method=kind)) | {"video": name}
            made = list(pseudo_clips(recording, config, recipe, donors))
            if made:
                yield from _rows(row, recording, [w for w, _ in made], score(np.stack([clip for _, clip in made])))


def _rows(row: Row, recording: Recording, windows: Sequence[slice], logits: Sequence[float]) -> Iterator[Row]:
    for number, (window, logit) in enumerate(zip(windows, logits, strict=True)):
        times = recording.times[window]
        yield row | {"t0": float(times[0]), "t1": float(times[-1]), "clip": number, "logit": logit}


def pseudo_clips(
    recording: Recording, config: BatchConfig, recipe: ForgeRecipe | None, donors: Sequence[Recording] = ()
) -> Iterator[tuple[slice, UInt8Array]]:
    """Windows every two seconds and their clips (T, S, S, 3): forged by ``recipe`` if given, re-encoded, cropped.

    The seed is the name of the video and the window, so that every model is measured on the same pseudo-fakes.
    ``donors`` are real recordings; a clip without a donor of another identity is its own donor.
    """
    number = zlib.crc32(Path(recording.entry.video).name.encode())
    others = [d for d in donors if d.entry.identity != recording.entry.identity and _starts(d, config)]
    for window in recording.windows(config.clip_frames, PSEUDO_SECONDS, config.frame_rate):
        frames = recording.frames(window)
        if recipe is not None:
            rng, donor = np.random.default_rng([number, window.start]), None
            if others:
                other = others[int(rng.integers(len(others)))]
                start = int(rng.integers(len(_starts(other, config))))
                place = window_at(start, config.clip_frames, other.step(config.frame_rate))
                donor = other.frames(place), other.mesh(place)
            frames = forge_clip(frames, recording.mesh(window), rng, recipe, donor).frames
        (frames,) = degrade_pair([frames], np.random.default_rng([number, window.start, 1]), _RECOMPRESSION)
        yield window, crop_recording(recording, window, config, frames)


def _starts(recording: Recording, config: BatchConfig) -> range:
    return recording.starts(config.clip_frames, recording.step(config.frame_rate))


def crop_recording(
    recording: Recording, window: slice, config: BatchConfig, frames: UInt8Array | None = None
) -> UInt8Array:
    """A window of a recording, or other ``frames`` in its place, as detection crops it, uint8 RGB (T, S, S, 3)."""
    images = recording.frames(window) if frames is None else frames
    return crop_clip(list(images), recording.poses(window), config.size, config.crop_scale)[0]


def row_of(entry: Entry) -> Row:
    """The columns of a score file that describe a video."""
    names = ("video", "split", "identity", "donor", "method", "dataset", "compression", "source", "track")
    return {name: getattr(entry, name) for name in names} | {"label": -1 if entry.label is None else entry.label}


def figures_of(scores: Scores, pseudo: Scores) -> dict[str, float]:
    """Video AUC of ``val`` with its 95 % interval, and by method.

    ``chosen_by``, by which checkpoints are selected, is the AUC over the forgeries of ``val``, or, if there are none,
    over the pseudo-fakes; NaN without either.
    """
    figures = _aucs(scores, "auc") | _aucs(pseudo, "pseudo_auc")
    reals = scores.select(label=0).videos().scored
    if len(reals):
        figures["false_positives_at_0"] = float((reals["logit"] > 0).mean())
    return figures | {"chosen_by": figures.get("auc", figures.get("pseudo_auc", math.nan))}


def has_both(scores: Scores) -> bool:
    """Whether real and forged videos are scored."""
    return {0, 1} <= {*scores["label"][~np.isnan(scores["logit"])].tolist()}


def _aucs(scores: Scores, name: str) -> dict[str, float]:
    """The AUC over all forgeries with its interval, and those of each method; nothing if a class is missing."""
    if not has_both(scores):
        return {}
    sample = sample_of(scores.videos())
    found = interval(auc, sample.labels, sample.logits, sample.identities, draws=DRAWS)
    figures = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    for method in sorted({*scores["method"][scores["label"] == 1].tolist()}):
        sample = sample_of(scores.where((scores["label"] == 0) | (scores["method"] == method)).videos())
        figures[f"{name}/{method}"] = float(auc(sample.labels, sample.logits, np.ones((1, len(sample))))[0])
    return figures

"""Validation: scores of the recordings of ``val``, cut as detection cuts, and of forgeries made from its reals."""

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
from facetell.forge.reenact import Donor
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
DRAWS = 500  # of the bootstrap: enough to watch by
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


def score_recordings(score: Score, recordings: Sequence[Recording], config: BatchConfig) -> Iterator[Row]:
    """One row a clip, one clip a second of each recording; a recording too short for a clip has a row that says so."""
    for recording in recordings:
        windows = recording.windows(config.clip_frames, SECONDS, config.frame_rate)
        row = row_of(recording.entry)
        if not windows:
            yield row | {"status": Status.TOO_SHORT.value}
            continue
        clips = np.stack([cut_recording(recording, window, config) for window in windows])
        for number, (window, logit) in enumerate(zip(windows, score(clips), strict=True)):
            yield row | _times(recording, window) | {"clip": number, "logit": logit}


def score_pseudo(
    score: Score, recordings: Sequence[Recording], config: BatchConfig, kind: str, donors: Sequence[Recording] = ()
) -> Iterator[Row]:
    """One row a clip, one clip every two seconds of each real, forged by ``kind``; not forged where it is "".

    Both classes are re-encoded alike, so that having been re-encoded says nothing. ``donors`` as for
    :func:`pseudo_clips`.
    """
    for recording in recordings:
        entry = recording.entry
        label = int(bool(kind))
        name = f"{entry.video}#{kind}" if kind else entry.video
        row = row_of(replace(entry, label=label, method=kind)) | {"video": name}
        recipe = ForgeRecipe.only(kind) if kind else None
        made = list(pseudo_clips(recording, config, recipe, donors))
        if made:
            logits = score(np.stack([clip for _, clip in made]))
            for number, ((window, _), logit) in enumerate(zip(made, logits, strict=True)):
                yield row | _times(recording, window) | {"clip": number, "logit": logit}


def pseudo_clips(
    recording: Recording, config: BatchConfig, recipe: ForgeRecipe | None, donors: Sequence[Recording] = ()
) -> Iterator[tuple[slice, UInt8Array]]:
    """A clip (T, S, S, 3) every two seconds, and its window: forged by ``recipe`` if there is one, re-encoded, cut.

    Chance follows from the name of the video and the window: each person has draws of their own, the same for every
    model that is measured. ``donors``: reals of which one of another person lends the face of a swap, or moves a
    reenactment; where there is none, the clip is its own donor.
    """
    number = zlib.crc32(Path(recording.entry.video).name.encode())
    others = [d for d in donors if d.entry.identity != recording.entry.identity and _starts(d, config)]
    for window in recording.windows(config.clip_frames, PSEUDO_SECONDS, config.frame_rate):
        frames = recording.pictures(window)
        if recipe is not None:
            rng = np.random.default_rng([number, window.start])
            donor = _lent(others[int(rng.integers(len(others)))], rng, config) if others else None
            frames = forge_clip(frames, recording.mesh(window), rng, recipe, donor).frames
        (frames,) = degrade_pair([frames], np.random.default_rng([number, window.start, 1]), _RECOMPRESSION)
        yield window, _cut(frames, recording, window, config)


def _starts(recording: Recording, config: BatchConfig) -> range:
    return recording.starts(config.clip_frames, recording.step(config.frame_rate))


def _lent(recording: Recording, rng: np.random.Generator, config: BatchConfig) -> Donor:
    start = int(rng.integers(len(_starts(recording, config))))
    window = window_at(start, config.clip_frames, recording.step(config.frame_rate))
    return recording.pictures(window), recording.mesh(window)


def cut_recording(recording: Recording, window: slice, config: BatchConfig) -> UInt8Array:
    """A window of a recording as detection crops it, uint8 RGB (T, S, S, 3)."""
    return _cut(recording.pictures(window), recording, window, config)


def _cut(frames: UInt8Array, recording: Recording, window: slice, config: BatchConfig) -> UInt8Array:
    return crop_clip(list(frames), recording.poses(window), config.size, config.crop_scale)[0]


def _times(recording: Recording, window: slice) -> Row:
    times = recording.times[window]
    return {"t0": float(times[0]), "t1": float(times[-1])}


def row_of(entry: Entry) -> Row:
    """What a score file tells of a video, without its clips."""
    names = ("video", "split", "identity", "donor", "method", "dataset", "compression", "source", "track")
    return {name: getattr(entry, name) for name in names} | {"label": -1 if entry.label is None else entry.label}


def figures_of(scores: Scores, pseudo: Scores) -> dict[str, float]:
    """Video AUC of ``val`` with its 95 % interval, and by method; ``chosen_by`` is the AUC that chooses weights.

    That is the one over the forgeries that ``val`` holds, or, where it holds none, over those made from its reals.
    """
    figures = _aucs(scores, "auc") | _aucs(pseudo, "pseudo_auc")
    chosen = figures.get("auc", figures.get("pseudo_auc", math.nan))
    reals = scores.select(label=0).videos().scored
    if len(reals):
        figures["false_positives_at_0"] = float((reals["logit"] > 0).mean())
    return figures | {"chosen_by": chosen}


def _aucs(scores: Scores, name: str) -> dict[str, float]:
    """The AUC over all forgeries with its interval, and those of each method; nothing where a class is missing."""
    if not {0, 1} <= {*scores["label"][~np.isnan(scores["logit"])].tolist()}:
        return {}
    sample = sample_of(scores.videos())
    found = interval(auc, sample.labels, sample.logits, sample.identities, draws=DRAWS)
    figures = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    for method, part in by_method(scores).items():
        sample = sample_of(part.videos())
        figures[f"{name}/{method}"] = float(auc(sample.labels, sample.logits, np.ones((1, len(sample))))[0])
    return figures


def by_method(scores: Scores) -> dict[str, Scores]:
    """The forgeries of each method beside all the reals, by the method's name."""
    methods = sorted({*scores["method"][scores["label"] == 1].tolist()})
    return {m: scores.where((scores["label"] == 0) | (scores["method"] == m)) for m in methods}

"""Validation: one score a clip of the corpus, and what can be said of such scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facetell.clips import cut_clip
from facetell.train.batches import BatchConfig
from facetell.train.corpus import Row, load

FloatVector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VideoScore:
    """One video of the corpus: its ``row`` and the ``logits`` of its clips, one a second."""

    row: Row
    logits: tuple[float, ...]

    @property
    def logit(self) -> float:
        """Mean of the clip logits: the video's score."""
        return float(np.mean(self.logits))


@torch.inference_mode()
def validate(model: nn.Module, corpus: Path, config: BatchConfig, split: str = "val") -> list[VideoScore]:
    """Score every prepared video of a split, cut as detection cuts (no jitter), one clip a second."""
    model.eval()
    scores = []
    for recording in load(corpus, split, config.clip_frames):
        starts = range(0, len(recording.frames) - config.clip_frames + 1, 25)
        clips = np.stack(
            [
                cut_clip(
                    [np.asarray(f) for f in recording.frames[s : s + config.clip_frames]],
                    recording.boxes(s, config.clip_frames),
                    config.size,
                    config.crop_scale,
                )[0]
                for s in starts
            ]
        )
        blob = torch.from_numpy(clips.transpose(0, 1, 4, 2, 3).copy()).float() / 255
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(blob).logit
        scores.append(VideoScore(recording.row, tuple(logits.float().tolist())))
    return scores


def auc(positive: FloatVector, negative: FloatVector) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half."""
    if not len(positive) or not len(negative):
        return float("nan")
    difference = positive[:, None] - negative[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def auc_interval(
    fakes: list[VideoScore], reals: list[VideoScore], *, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the video AUC; whole identities are drawn, as their videos are not independent."""
    rng = np.random.default_rng(seed)

    def groups(scores: list[VideoScore]) -> list[FloatVector]:
        people = sorted({s.row.identity for s in scores})
        return [np.array([s.logit for s in scores if s.row.identity == person]) for person in people]

    fake_groups, real_groups = groups(fakes), groups(reals)

    def draw(of: list[FloatVector]) -> FloatVector:
        return np.concatenate([of[i] for i in rng.integers(0, len(of), len(of))])

    values = [auc(draw(fake_groups), draw(real_groups)) for _ in range(draws)]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def summarise(scores: list[VideoScore]) -> dict[str, float]:
    """Video AUC over all fakes and by generator."""
    reals = np.array([s.logit for s in scores if not s.row.label])
    fakes = [s for s in scores if s.row.label]
    result = {"auc": auc(np.array([s.logit for s in fakes]), reals)}
    for generator in sorted({s.row.generator for s in fakes}):
        result[f"auc/{generator}"] = auc(np.array([s.logit for s in fakes if s.row.generator == generator]), reals)
    result["false_positives_at_0"] = float((reals > 0).mean())
    return {key: round(value, 4) for key, value in result.items()}

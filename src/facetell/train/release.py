"""From a trained network to the released model file: export, score ``val`` as a user would, calibrate, write the card.

Every figure of the card comes from here: the videos of ``val`` go through :class:`facetell.detector.Detector` (files
in, verdicts out), and pseudo-fakes are forged from its reals, of people the network has not seen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from facetell.clips import cut_clip
from facetell.detector import Detector, Settings
from facetell.engine import Calibration, Engine, ModelInfo
from facetell.forge import ForgeRecipe, degrade_pair, forge_clip
from facetell.forge.degrade import DegradeConfig
from facetell.models.export import export_onnx
from facetell.models.zoo import create_model
from facetell.report.result import write_text
from facetell.train.card import write_card
from facetell.train.corpus import Recording, Row, load, read_manifest
from facetell.train.evaluate import VideoScore, auc, auc_interval
from facetell.types import Status

PSEUDO_KINDS = ("sbv", "drift", "jitter", "flicker", "reenact", "swap", "mouth")
BOOTSTRAP = 500


@dataclass(frozen=True, slots=True)
class Figure:
    """A video AUC with its 95 % interval and what it was measured on."""

    name: str
    fakes: int
    reals: int
    auc: float
    low: float
    high: float


def release(checkpoint: Path, data: Path, corpus: Path, model_path: Path, note: str = "") -> dict[str, Any]:
    """Export the checkpoint's averaged weights to ``model_path`` and write ``model_path``'s card beside it.

    Args:
        checkpoint: of :class:`facetell.train.loop.Trainer`.
        data: folder of ``manifest.csv`` and its clips.
        corpus: the same, prepared.
        model_path: the ONNX file to write; the card is its name with ``.md``, the figures with ``.json``.
        note: what a reader of the card must know of this run beyond its configuration.

    Returns:
        The figures.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = state["config"]
    batch = config["batch"]
    network = create_model(
        config["model"],
        motion=config["motion"],
        anomaly=config["anomaly"],
        clip_frames=batch["clip_frames"],
        size=batch["size"],
    )
    network.load_state_dict(state["average"])
    network.eval()
    info = ModelInfo(
        name=model_path.stem,
        clip_frames=batch["clip_frames"],
        frame_rate=25.0,
        size=batch["size"],
        crop_scale=batch["crop_scale"],
        architecture=dict(network.architecture),
        training={"steps": state["step"], "config": config},
    )
    export_onnx(network, model_path, metadata=info.to_metadata(), precision="fp16")
    detector = Detector(model_path, Settings(precision="f32"))
    scores, abstained = score_files(detector, data, "val")
    calibration = calibrate(scores)
    figures = _figures(scores, abstained, calibration, detector.engine, corpus)
    info = replace(info, calibration=calibration, training=info.training | {"val": figures})
    export_onnx(network, model_path, metadata=info.to_metadata(), precision="fp16")
    write_text(model_path.with_suffix(".json"), json.dumps(figures | {"config": config}, indent=1) + "\n")
    write_text(model_path.with_suffix(".md"), write_card(info, figures, note))
    return figures


def score_files(detector: Detector, data: Path, split: str) -> tuple[list[VideoScore], list[tuple[Row, Status]]]:
    """Scores of the files of one split by their most suspect face, and those that were not scored."""
    scores, abstained = [], []
    for row in read_manifest(data / "manifest.csv"):
        if row.split != split:
            continue
        verdict = detector(data / row.file)
        track = max((t for t in verdict.tracks if t.logit is not None), key=lambda t: t.logit or 0.0, default=None)
        if track is None:
            abstained.append((row, verdict.status))
        else:
            scores.append(VideoScore(row, tuple(clip.logit for clip in track.clips)))
    return scores, abstained


def calibrate(scores: list[VideoScore], seed: int = 0) -> Calibration:
    """Platt scaling of the video logits: log-loss with both classes weighing the same, a slight pull to slope 1.

    The covariance comes from a bootstrap over identities.
    """
    logits = np.array([s.logit for s in scores])
    labels = np.array([s.row.label for s in scores], dtype=np.float64)
    slope, bias = _platt(logits, labels)
    rng = np.random.default_rng(seed)
    groups = [
        np.array([i for i, s in enumerate(scores) if (s.row.label, s.row.identity) == key])
        for key in sorted({(s.row.label, s.row.identity) for s in scores})
    ]
    draws = []
    for _ in range(BOOTSTRAP):
        chosen = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        if 0 < labels[chosen].mean() < 1:
            draws.append(_platt(logits[chosen], labels[chosen]))
    covariance = np.cov(np.array(draws).T)
    clip_std = float(np.median([np.std(s.logits, ddof=1) for s in scores if len(s.logits) > 1]))
    a, b, c, d = (float(v) for v in covariance.reshape(-1))
    return Calibration(1 / slope, bias, (a, b, c, d), clip_std)


def _platt(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    weights = np.where(labels > 0.5, 0.5 / max(labels.mean(), 1e-9), 0.5 / max(1 - labels.mean(), 1e-9))

    def loss(parameters: NDArray[np.float64]) -> float:
        slope = np.exp(parameters[0])
        x = slope * logits + parameters[1]
        return float((weights * (np.logaddexp(0, x) - labels * x)).mean() + 0.01 * parameters[0] ** 2)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(found[0])), float(found[1])


def _figures(
    scores: list[VideoScore],
    abstained: list[tuple[Row, Status]],
    calibration: Calibration,
    engine: Engine,
    corpus: Path,
) -> dict[str, Any]:
    reals = [s for s in scores if not s.row.label]
    fakes = [s for s in scores if s.row.label]
    found = [_figure("all generators", fakes, reals)]
    for generator in sorted({s.row.generator for s in fakes}):
        found.append(_figure(generator, [s for s in fakes if s.row.generator == generator], reals))
    recordings = [r for r in load(corpus, "val", engine.info.clip_frames) if not r.row.label]
    clean = [_score_recording(engine, r, None) for r in recordings]
    pseudo = {kind: [_score_recording(engine, r, kind) for r in recordings] for kind in PSEUDO_KINDS}
    forged = [_figure("all pseudo-fakes", [s for group in pseudo.values() for s in group], clean)]
    forged += [_figure(kind, group, clean) for kind, group in pseudo.items()]
    chosen = calibration.threshold
    called = [calibration.probability(s.logit) >= chosen for s in reals]
    caught = [calibration.probability(s.logit) >= chosen for s in fakes]
    return {
        "generators": [asdict(f) for f in found],
        "pseudo_fakes": [asdict(f) for f in forged],
        "false_positive_rate": float(np.mean(called)),
        "false_positive_interval": wilson(sum(called), len(called)),
        "true_positive_rate": float(np.mean(caught)),
        "true_positive_interval": wilson(sum(caught), len(caught)),
        "not_scored": dict(_count(status.value for _, status in abstained)),
        "calibration": asdict(calibration),
    }


def _figure(name: str, fakes: list[VideoScore], reals: list[VideoScore]) -> Figure:
    value = auc(np.array([s.logit for s in fakes]), np.array([s.logit for s in reals]))
    low, high = auc_interval(fakes, reals)
    return Figure(name, len(fakes), len(reals), round(value, 3), round(low, 3), round(high, 3))


def _score_recording(engine: Engine, recording: Recording, kind: str | None) -> VideoScore:
    """One clip every two seconds of a real, forged with ``kind`` where one is given; both classes re-encoded alike."""
    info = engine.info
    logits = []
    for start in range(0, len(recording.frames) - info.clip_frames + 1, 50):
        rng = np.random.default_rng([start, len(recording.frames)])
        images = np.asarray(recording.frames[start : start + info.clip_frames])
        if kind is not None:
            landmarks = recording.landmarks[start : start + info.clip_frames]
            images = forge_clip(images, landmarks, rng, ForgeRecipe.only(kind)).frames
        (images,) = degrade_pair([images], np.random.default_rng(start), _RECOMPRESSION)
        boxes = recording.boxes(start, info.clip_frames)
        clip, _ = cut_clip(list(images), boxes, info.size, info.crop_scale)
        logits.append(float(engine.score(clip[None])[0]))
    row = replace(recording.row, label=int(kind is not None), generator=kind or "")
    return VideoScore(row, tuple(logits))


_RECOMPRESSION = DegradeConfig(
    resize=0, blur=0, noisy=0, colourful=0, gamma_chance=0, sharpen=0, repeats=0, rerate=0, social=0, codec=1, jpeg=0
)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % Wilson interval of a share.

    >>> tuple(round(v, 3) for v in wilson(0, 10))
    (0.0, 0.278)
    """
    z = 1.959964
    center = (hits + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * np.sqrt(hits * (total - hits) / total + z * z / 4)
    return max(0.0, float(center - half)), min(1.0, float(center + half))


def _count(words: Any) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for word in words:
        counts[word] += 1
    return counts

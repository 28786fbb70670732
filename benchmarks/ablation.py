"""The paper's ablation on the open clips: {no motion, CMM, MCB} x {no AD block, without L^cls2, without L^l1, full}.

    facetell prepare DATA/manifest.csv --out prepared/open
    python benchmarks/ablation.py prepared/open --out out/ablation

A reduced form, for two cores: EfficientNet-Lite0 of ImageNet is frozen, and its maps of stages 3, 5 and 7 are computed
once, of eight consecutive frames. A bottleneck is trained on each (a 1x1 convolution, CSTM and the motion module around
a depthwise convolution, a 1x1 convolution); mean and deviation of their maps are the features of a frame, and the AD
block has the deepest maps. So only the difference in the modules is measured, not training a network with them.

Every variant is trained on each fold of a grouped cross-validation (no repository, family or identity in common), for
several seeds, which change the folds, the initial weights and the batches; variants share all of them. The AUC is that
of videos, of logits averaged over the seeds, with a bootstrap over identities. "Order" is the AUC with the frames of
each clip in a random order: a detector that depends on motion loses. A variant that is done is not computed again.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facetell.datasets.folds import balanced_weights, grouped_folds, training_rows
from facetell.datasets.manifest import Entry
from facetell.evaluate.crossval import by_kind
from facetell.evaluate.sample import sample_jointly
from facetell.evaluate.scores import Scores, from_rows, row_of
from facetell.files import write_text
from facetell.metrics.intervals import difference_of, estimate_of
from facetell.metrics.ranking import auc
from facetell.models.blocks import MotionBlock, by_clip
from facetell.models.lite import MEAN, STD, EfficientNetLite
from facetell.models.network import AnomalyBlock, ClipOutput, combined_loss, deviation
from facetell.models.zoo import create_model
from facetell.train.config import BatchConfig, DataConfig, LossConfig
from facetell.train.corpus import SPLITS, Recording, decode_all, load_recordings
from facetell.train.features import plain_window
from facetell.train.validate import crop_recording

MOTIONS, ANOMALIES = ("none", "cmm", "mcb"), ("none", "no_cls2", "no_l1", "full")
FRAMES, SIZE, WINDOWS = 8, 160, 3  # of a clip; side in pixels; evenly spaced clips of a recording
STAGES = {3: 40, 5: 112, 7: 320}  # numbers and channels
WIDTH, BATCH, RATE = 32, 24, 3e-3
SHARE = 0.3  # dropout of the features
KINDS = "talking-head", "face-swap", "lip-sync"  # of forgeries with a column


def compute_maps(recordings: list[Recording], folder: Path) -> tuple[list[NDArray[np.float16]], NDArray[np.int64]]:
    """The maps (W, T, C, h, w) of each stage, of W clips, and the index (W,) of the recording of each."""
    batch = BatchConfig(clip_frames=FRAMES, size=SIZE)
    windows = [
        (number, window)
        for number, recording in enumerate(recordings)
        for window in dict.fromkeys(
            tuple(plain_window(recording, batch, FRAMES, (i + 0.5) / WINDOWS).indices(len(recording)))
            for i in range(WINDOWS)
        )
    ]
    owners = np.array([number for number, _ in windows])
    files = [folder / f"maps{stage}.npy" for stage in STAGES]
    done = folder / "maps.done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        trunk = create_model("lite0", motion="none", temporal="none", anomaly="none", pretrained=True).backbone.eval()
        assert isinstance(trunk, EfficientNetLite)
        trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        stored: list[Any] = []
        for row, (number, window) in enumerate(windows):
            clip = crop_recording(recordings[number], slice(*window), batch)
            x = torch.from_numpy(clip.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
            with torch.inference_mode():
                maps = stages_of(trunk, ((x - mean) / std).contiguous(memory_format=torch.channels_last))
            if not stored:
                shapes = [(len(windows), FRAMES, *each.shape[1:]) for each in maps]
                stored = [
                    np.lib.format.open_memmap(file, "w+", np.float16, shape)
                    for file, shape in zip(files, shapes, strict=True)
                ]
            for array, each in zip(stored, maps, strict=True):
                array[row] = each.numpy()
            if row % 500 == 0:
                print(f"maps of {row} of {len(windows)} clips", flush=True)
        for array in stored:
            array.flush()
        done.touch()
    return [np.load(file, mmap_mode="r") for file in files], owners


def stages_of(trunk: EfficientNetLite, x: Tensor) -> list[Tensor]:
    """The maps (T, C, h, w) at the ends of :data:`STAGES` of normalised frames (T, 3, S, S)."""
    x = nn.functional.relu6(trunk.stem(x))
    found = []
    for stage, (first, end) in enumerate(itertools.pairwise([0, *trunk.ends]), 1):
        for block in trunk.blocks[first:end]:
            x = block(x, len(x))
        if stage in STAGES:
            found.append(x)
    return found


class Adapter(nn.Module):
    """The trained part: maps of each stage (N, T, C, h, w) to a logit."""

    def __init__(self, motion: str, anomaly: str) -> None:
        super().__init__()
        self.reduces = nn.ModuleList(pointwise(channels) for channels in STAGES.values())
        self.mixes = nn.ModuleList(
            MotionBlock(WIDTH, depthwise(WIDTH), motion=motion, reduction=4, restore_gain=1.0)  # type: ignore[arg-type]
            for _ in STAGES
        )
        self.expands = nn.ModuleList(pointwise(WIDTH) for _ in STAGES)
        self.classifier = nn.Sequential(nn.Dropout(SHARE), nn.Linear(2 * WIDTH * len(STAGES), 1))
        self.anomaly = None if anomaly == "none" else AnomalyBlock(WIDTH, int(anomaly != "no_cls2"))
        self.uses_l1 = anomaly in ("no_cls2", "full")

    def forward(self, maps: list[Tensor]) -> ClipOutput:
        features = []
        for x, reduce, mix, expand in zip(maps, self.reduces, self.mixes, self.expands, strict=True):
            clips, frames = x.shape[:2]
            folded = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            y = expand(nn.functional.relu(mix(reduce(folded), frames)))
            features += [y.mean(dim=(2, 3)), deviation(y, (2, 3))]
        logit = by_clip(self.classifier(torch.cat(features, dim=1)), frames).mean(dim=1)[:, 0]
        anomaly, aux = self.anomaly(y, clips) if self.anomaly else (None, None)
        return ClipOutput(logit, None if aux is None else aux[:, 0], anomaly if self.uses_l1 else None)


def pointwise(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())


def depthwise(channels: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    nn.init.dirac_(conv.weight, groups=channels)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


def gather(maps: list[NDArray[np.float16]], rows: NDArray[np.int64], shuffled: bool = False) -> list[Tensor]:
    """The maps of some clips; shuffled: with the frames of each in a random order that depends on the clip."""
    if not shuffled:
        return [torch.from_numpy(each[rows]).float() for each in maps]
    orders = np.stack([np.random.default_rng(int(row)).permutation(FRAMES) for row in rows])
    return [torch.from_numpy(each[rows[:, None], orders]).float() for each in maps]


def train(
    maps: list[NDArray[np.float16]],
    owners: NDArray[np.int64],
    labels: NDArray[np.float32],
    weights: NDArray[np.float64],
    variant: tuple[str, str],
    seed: int,
    steps: int,
) -> Adapter:
    """Train a variant on clips drawn by the weights (N,) of their recordings."""
    torch.manual_seed(seed)
    model = Adapter(*variant)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    chance = weights[owners] / np.bincount(owners, minlength=len(weights))[owners]
    model.train()
    for _ in range(steps):
        rows = np.sort(rng.choice(len(owners), BATCH, p=chance / chance.sum()))
        batch = gather(maps, rows)
        if rng.random() < 0.5:
            batch = [each.flip(-1) for each in batch]
        target = torch.from_numpy(labels[owners[rows]])
        loss, _ = combined_loss(model(batch), target, **asdict(LossConfig()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        rate.step()
    return model.eval()


@torch.inference_mode()
def score(
    model: Adapter, maps: list[NDArray[np.float16]], rows: NDArray[np.int64], shuffled: bool
) -> NDArray[np.float32]:
    parts = (rows[first : first + 64] for first in range(0, len(rows), 64))
    return np.concatenate([model(gather(maps, part, shuffled)).logit.numpy() for part in parts])


def out_of_fold(
    maps: list[NDArray[np.float16]],
    owners: NDArray[np.int64],
    entries: list[Entry],
    variant: tuple[str, str],
    seed: int,
    folds: int,
    steps: int,
) -> NDArray[np.float64]:
    """Logits (2, N) of the recordings, by a network trained without them: as they are, and with shuffled frames."""
    labels = np.array([entry.label for entry in entries], dtype=np.float32)
    of = grouped_folds(entries, folds, seed)
    logits = np.zeros((2, len(owners)))
    for fold in range(folds):
        rows = training_rows(entries, of, fold)
        model = train(maps, owners, labels, balanced_weights(entries, rows), variant, 100 * seed + fold, steps)
        tested = np.flatnonzero(of[owners] == fold)
        for number, shuffled in enumerate((False, True)):
            logits[number, tested] = score(model, maps, tested, shuffled)
    count = np.bincount(owners, minlength=len(entries))
    return np.stack([np.bincount(owners, row, minlength=len(entries)) / count for row in logits])


def videos_of(entries: list[Entry], logits: NDArray[np.float64]) -> Scores:
    """One row per video."""
    rows = [row_of(entry) | {"logit": float(logit)} for entry, logit in zip(entries, logits, strict=True)]
    return from_rows(rows, {}).videos().scored


def video_auc(entries: list[Entry], logits: NDArray[np.float64]) -> float:
    videos = videos_of(entries, logits)
    return float(auc(videos["label"], videos["logit"]))


def table(entries: list[Entry], found: dict[tuple[str, str], NDArray[np.float64]], about: str) -> str:
    """Markdown; ``found`` are logits (seeds, 2, N) by variant, the first one is the baseline."""
    first = videos_of(entries, next(iter(found.values()))[:, 0].mean(axis=0))
    head = ("motion", "AD block", "AUC", "of seeds", "minus the first row", "order", *KINDS)
    lines = [about, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (motion, anomaly), logits in found.items():
        mean = logits.mean(axis=0)
        videos = videos_of(entries, mean[0])
        (value, draws), (base, of_base) = (each["auc"] for each in sample_jointly([videos, first], ["auc"]))
        whole = estimate_of(value, draws)
        paired = None if draws is None or of_base is None else draws - of_base
        change = difference_of(value - base, paired)
        seeds, order = [video_auc(entries, one[0]) for one in logits], video_auc(entries, mean[1])
        kinds = by_kind(entries, mean[0]).kinds
        of_kinds = (kinds[kind].auc.value for kind in KINDS)
        difference = f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})" if lines[4:] else ""
        lines.append(
            f"| {motion} | {anomaly} | {whole.value:.3f} ({whole.low:.3f} to {whole.high:.3f}) "
            f"| {min(seeds):.3f} to {max(seeds):.3f} | {difference} | {order:.3f} | "
            + " | ".join(f"{of_kind:.3f}" for of_kind in of_kinds)
            + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="output of `facetell prepare`")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"), help="(default: out/ablation)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--part", default="1/1", metavar="I/N", help="compute the I-th of N parts of the variants")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    data = DataConfig((str(args.prepared),))
    decode_all(data, 2)
    recordings = [recording for split in SPLITS for recording in load_recordings(data, split, FRAMES)]
    entries = [recording.entry for recording in recordings]
    maps, owners = compute_maps(recordings, args.out)
    part, parts = map(int, args.part.split("/"))
    variants = list(itertools.product(MOTIONS, ANOMALIES))
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = {variant: [] for variant in variants}
    # Seed by seed, so that a run that is stopped has a comparison of all variants.
    for number, (seed, variant) in enumerate(itertools.product(range(args.seeds), variants)):
        file = args.out / f"{'-'.join(variant)}-{seed}-{args.folds}-{args.steps}.npy"
        if not file.exists() and number % parts == part - 1:
            began = time.perf_counter()
            logits = out_of_fold(maps, owners, entries, variant, seed, args.folds, args.steps)
            np.save(file, logits)
            print(
                f"{file.stem}: AUC {video_auc(entries, logits[0]):.3f}, {time.perf_counter() - began:.0f} s", flush=True
            )
        if file.exists():
            found[variant].append(np.load(file))
    if any(len(logits) < args.seeds for logits in found.values()):
        print("some variants are missing: run the other parts, then the same command again")
        return
    reals = sum(entry.label == 0 for entry in entries)
    about = (
        f"{len(entries)} clips, {reals} of them real; {args.folds} folds, {args.seeds} seeds, {args.steps} steps of "
        f"{BATCH} clips of {FRAMES} frames, {SIZE} x {SIZE} pixels."
    )
    text = table(entries, {variant: np.stack(logits) for variant, logits in found.items()}, about)
    write_text(args.out / "table.md", text)
    print(text, end="")


if __name__ == "__main__":
    main()

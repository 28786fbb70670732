"""Classify motion with the motion blocks alone: three classes that differ in second-order motion only.

    python examples/motion_classes.py

A random texture moves by one or two pixels a frame, forward and back. In class k it turns round every 1, 2 or 4
frames. All frames look alike, and the differences of consecutive frames are alike too; only the differences of these
differences depend on the class. One network with one motion block is trained per motion module: none, CMM (first
differences) and MCB (first and second differences, arXiv 2403.05172).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor, nn

from facetell.models.blocks import MotionBlock, MotionKind

FRAMES, SIDE, PERIODS = 8, 16, (1, 2, 4)
Clips = tuple[Tensor, Tensor]


def make_clips(count: int, seed: int) -> Clips:
    """Grey clips float32 (N, T, 1, H, W) with mean 0, and their classes int64 (N,)."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(len(PERIODS), size=count)
    clips = np.empty((count, FRAMES, 1, SIDE, SIDE), np.float32)
    for clip, kind in zip(clips, classes, strict=True):
        texture = rng.standard_normal((SIDE, SIDE))
        step = rng.integers(1, 3) * rng.choice([-1, 1])
        axis, start = int(rng.integers(2)), int(rng.integers(2 * PERIODS[kind]))
        forward = (np.arange(start, start + FRAMES) // PERIODS[kind]) % 2 == 0
        for frame, shift in zip(clip, np.cumsum(np.where(forward, step, -step)), strict=True):
            frame[0] = np.roll(texture, shift, axis)
    return torch.from_numpy(clips), torch.from_numpy(classes)


class Classifier(nn.Module):
    """A convolution, one motion block, the mean over space and time, K logits."""

    def __init__(self, motion: MotionKind, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        spatial = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        self.block = MotionBlock(channels, spatial, temporal="none", motion=motion, reduction=2, restore_gain=1.0)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU())
        self.classes = nn.Linear(channels, len(PERIODS))

    def forward(self, clips: Tensor) -> Tensor:
        """(N, T, 1, H, W) to (N, K)."""
        x = self.head(self.block(self.stem(clips.flatten(0, 1)), clips.shape[1]))
        logits: Tensor = self.classes(x.mean((2, 3)).unflatten(0, (len(clips), -1)).mean(1))
        return logits


def accuracy(motion: MotionKind, steps: int, seed: int = 0) -> float:
    """Share of 300 test clips that a network is right about after ``steps`` batches of 16 new clips."""
    torch.manual_seed(seed)
    network = Classifier(motion)
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    for step in range(steps):
        clips, classes = make_clips(16, 1000 + step)
        loss = nn.functional.cross_entropy(network(clips), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    clips, classes = make_clips(300, 1)
    with torch.no_grad():
        return float((network(clips).argmax(1) == classes).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="training steps of each network (default: 300)")
    steps = parser.parse_args().steps
    motions: tuple[MotionKind, ...] = ("none", "cmm", "mcb")
    for motion in motions:
        print(f"{motion:5} accuracy {accuracy(motion, steps):.2f} (chance {1 / len(PERIODS):.2f})", flush=True)


if __name__ == "__main__":
    main()

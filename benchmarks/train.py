"""How fast training goes, and how near it comes to what the network alone could do.

    python benchmarks/train.py CONFIG data.folders=[FOLDER] [key=value ...] [--seconds 60]

Both are measured in turns, so that a busy machine slows them alike: the network on one batch of random pixels that is
already on the device, and the whole (clips read, forged, degraded, handed over, learned).
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import torch

from facetell.train.batches import Batch
from facetell.train.config import TrainConfig, read_config
from facetell.train.loop import Trainer

TURN = 10.0  # seconds at a stretch


def measure(trainer: Trainer, seconds: float) -> tuple[float, float]:
    """Clips a second of (the network alone, the whole)."""
    stream = trainer.batches()
    real = next(stream)
    random = Batch(torch.randint(0, 256, real.clips.shape, dtype=torch.uint8), real.labels)
    random = random._replace(clips=random.clips.to(trainer.device), labels=random.labels.to(trainer.device))
    clips, spent = [0, 0], [0.0, 0.0]
    for which in (0, 1):  # to warm up
        trainer.learn((random, next(stream))[which])
    while sum(spent) < seconds:
        for which in (0, 1):
            started = time.perf_counter()
            while time.perf_counter() - started < TURN:
                batch = random if which == 0 else next(stream)
                trainer.learn(batch)
                trainer.step += 1
                clips[which] += len(batch.labels)
            spent[which] += time.perf_counter() - started
    return clips[0] / spent[0], clips[1] / spent[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("changes", nargs="*", metavar="key=value")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    config = read_config(args.config, args.changes)
    assert isinstance(config, TrainConfig), "a probe has no training loop"
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, Path(folder))
        alone, whole = measure(trainer, args.seconds)
    batch, motion = config.batch, trainer.network.architecture["motion"]
    print(f"{platform.machine()}, {os.cpu_count()} cores, {trainer.device}; load {os.getloadavg()[0]:.1f}")
    print(f"{config.model} {motion}, {batch.clip_frames} x {batch.size}², {config.machine.precision}")
    print(f"the network alone {alone:8.1f} clips/s")
    print(f"training          {whole:8.1f} clips/s, {whole / alone:.2f} of it ({config.machine.workers} workers)")


if __name__ == "__main__":
    main()

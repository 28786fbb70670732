"""What the trainers of forging's networks share: real faces, the course of training, the file."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from facetell.forge.networks import CODE_SIDE, SIDE
from facetell.train.config import DataConfig
from facetell.train.corpus import Recording, decode_all, load_recordings

Network = TypeVar("Network", bound=nn.Module)
BATCH = 12
NOISE = 0.1  # standard deviation of what is added to codes in training
RATE = 2e-3


def arguments(about: str | None, minutes: float) -> argparse.ArgumentParser:
    """The command line that both have: PREPARED OUT [--minutes M]."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=minutes)
    return parser


def training_reals(prepared: Path) -> list[Recording]:
    """The reals of the training split of a prepared folder, their pictures decoded."""
    data = DataConfig(folders=(str(prepared),))
    for _ in decode_all(data, 0):
        pass
    return [r for r in load_recordings(data, "train", 2) if r.entry.label == 0]


def batch_noise(channels: int) -> Tensor:
    """Noise for a batch of codes, (12, C, 20, 20)."""
    return NOISE * torch.randn(BATCH, channels, CODE_SIDE, CODE_SIDE)


def gradient_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels' differences: keeps edges where L1 alone blurs them."""
    error = made - real
    return (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()


def fit(network: Network, look: Callable[[np.random.Generator], Mapping[str, Tensor]], minutes: float) -> Network:
    """Train for so long on the "loss" among the figures that ``look`` gives of a batch; prints all of them at times."""
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.9, 0.95))
    start, step, rng = time.monotonic(), 0, np.random.default_rng(0)
    while (spent := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * max(0.02, 1 - spent)
        figures = look(rng)
        optimiser.zero_grad()
        torch.autograd.backward(figures["loss"])
        optimiser.step()
        if step % 25 == 0:
            print(f"step {step:5}", *(f"{name} {value.item():.4f}" for name, value in figures.items()), flush=True)
        step += 1
    return network.eval()


def write(network: nn.Module, channels: int, out: Path) -> None:
    """Write a network as ONNX, with the inputs and the output that :func:`facetell.forge.networks.remake` knows."""
    example = (torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, channels, CODE_SIDE, CODE_SIDE))
    torch.onnx.export(
        network, example, out, input_names=["image", "noise"], output_names=["made"], dynamo=False, opset_version=17
    )
    print(f"{out}: {out.stat().st_size} bytes")

"""The table of all networks: parameters and multiply-adds, counted on the built network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from facetell.models.network import ClipNetwork
from facetell.models.zoo import MODELS, create_model

HEAD = ("network", "motion", "clip", "parameters (M)", "multiply-adds (G)")


def parameters(model: ClipNetwork) -> int:
    """Number of trainable values, including the anomaly block if there is one."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: ClipNetwork) -> int:
    """Multiply-adds of all convolutions and matrix products for one clip of the network's own length and size.

    On the "meta" device nothing is computed.
    """
    config = model.config
    clip = torch.zeros(1, config.clip_frames, 3, config.size, config.size, device=next(model.parameters()).device)
    training = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(clip)
    model.train(training)
    return int(counter.get_total_flops()) // 2


def model_rows() -> Iterator[tuple[str, ...]]:
    """A row for each network and each motion module that it supports, "none" first, with the columns :data:`HEAD`.

    The networks are as exported: one logit, no anomaly block.
    """
    for name, entry in MODELS.items():
        for motion in reversed(entry.motions):
            with torch.device("meta"):  # shapes only; counting inside the context takes twice the time
                model = create_model(name, motion, "none")
            clip = f"{model.config.clip_frames} x {model.config.size}²"
            yield name, motion, clip, f"{parameters(model) / 1e6:.2f}", f"{multiply_adds(model) / 1e9:.2f}"

"""The table of all networks: parameters and multiply-adds, counted on the built network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from facetell.models.network import ClipNetwork
from facetell.models.zoo import MODELS, create_model


@dataclass(frozen=True, slots=True)
class Row:
    """One network with one motion module, as exported: one logit, no anomaly block.

    ``multiply_adds`` are those of one clip of ``frames`` frames of ``size`` pixels.
    """

    name: str
    motion: str
    frames: int
    size: int
    parameters: int
    multiply_adds: int
    about: str


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


def model_rows() -> list[Row]:
    """One row for each network and each motion module that it supports, "none" first."""
    rows = []
    for name, entry in MODELS.items():
        for motion in reversed(entry.motions):
            with torch.device("meta"):  # shapes only; counting inside the context takes twice the time
                model = create_model(name, motion, "none")
            config = model.config
            rows.append(
                Row(name, motion, config.clip_frames, config.size, parameters(model), multiply_adds(model), entry.about)
            )
    return rows


def markdown(rows: list[Row]) -> str:
    """The table as Markdown, without a final newline."""
    lines = ["| network | motion | clip | parameters (M) | multiply-adds (G) |", "|---|---|---|---:|---:|"]
    lines += [
        f"| {r.name} | {r.motion} | {r.frames} x {r.size}² | {r.parameters / 1e6:.2f} | {r.multiply_adds / 1e9:.2f} |"
        for r in rows
    ]
    return "\n".join(lines)

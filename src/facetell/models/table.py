"""The table of the zoo: what each network is and how large."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from facetell.models.count import multiply_adds, parameters
from facetell.models.zoo import about, create_model, list_models, motions_of


@dataclass(frozen=True, slots=True)
class Row:
    """One network with one motion module, as exported: one logit, no AD block.

    ``parameters`` are counted; ``multiply_adds`` are those of one clip of ``frames`` pictures of ``size`` pixels.
    """

    name: str
    motion: str
    frames: int
    size: int
    parameters: int
    multiply_adds: int
    about: str


def model_rows() -> list[Row]:
    """One row for each network and each motion module that it can carry, plainest first."""
    rows = []
    for name in list_models():
        for motion in reversed(motions_of(name)):
            with torch.device("meta"):  # shapes only; counting inside the context takes twice the time
                model = create_model(name, motion, "none")
            config = model.config
            size = parameters(model), multiply_adds(model)
            rows.append(Row(name, motion, config.clip_frames, config.size, *size, about(name)))
    return rows


def markdown(rows: list[Row]) -> str:
    """The table as Markdown, without a final newline."""
    lines = [
        "| network | motion | clip | parameters (M) | multiply-adds (G) |",
        "|---|---|---|---:|---:|",
    ]
    lines += [
        f"| {r.name} | {r.motion} | {r.frames} x {r.size}² | {r.parameters / 1e6:.2f} | {r.multiply_adds / 1e9:.2f} |"
        for r in rows
    ]
    return "\n".join(lines)

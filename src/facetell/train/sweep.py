"""A grid of resumable runs: a configuration with ``grid``, dotted keys with lists of values; and their table."""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetell.files import write_text
from facetell.train.config import TrainConfig, build, override, read_tree
from facetell.train.loop import Trainer
from facetell.train.run import BEST, CHECKPOINT, Stop, check_config, read_checkpoint
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a grid: its ``name`` (also of its folder), the ``values`` of the grid's keys, and its ``config``."""

    name: str
    values: Mapping[str, Any]
    config: TrainConfig


def read_grid(path: Path, overrides: Sequence[str] = ()) -> list[Point]:
    """The runs of a grid, its last key fastest. FacetellError: there is no grid, or a configuration is wrong."""
    tree = override(read_tree(path), overrides)
    grid = tree.pop("grid", None)
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()) or not grid:
        raise FacetellError(f"{path} has no grid; write `grid:` and below it keys with lists, such as `motion: [a, b]`")
    points = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        changed = override(tree, [f"{key}={json.dumps(value)}" for key, value in chosen.items()])  # JSON is YAML
        name = "_".join(f"{key}-{value}" for key, value in chosen.items()).replace("/", "-")
        points.append(Point(name, chosen, build(TrainConfig, changed, path.name)))
    return points


def run_grid(points: Sequence[Point], out: Path, stop: Stop) -> bool:
    """Train what is not done; returns whether all is. FacetellError: as :class:`facetell.train.loop.Trainer`."""
    for number, point in enumerate(points, 1):
        folder = out / point.name
        if (folder / BEST).exists() and (folder / CHECKPOINT).exists():
            state = read_checkpoint(folder / CHECKPOINT)
            check_config(state["config"], point.config, folder)
            if state["step"] == point.config.steps:
                continue
        print(f"run {number} of {len(points)}: {point.name}")
        trainer = Trainer(point.config, folder)
        if not trainer.run(stop):
            print(f"{stop.reason} at step {trainer.step} of {point.name}; run the same command again to resume")
            return False
    return True


def write_table(points: Sequence[Point], out: Path) -> str:
    """Write ``table.md``, a row per variant with the AUC on ``val`` over its seeds; returns its text."""
    variants: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for point in points:
        variant = tuple(str(value) for key, value in point.values.items() if key != "seed")
        variants[variant].append(read_checkpoint(out / point.name / BEST)["val"].get("auc", math.nan))
    keys = [key for key in points[0].values if key != "seed"]
    lines = [f"| {' | '.join([*keys, 'seeds', 'AUC on val'])} |", "|" + "---|" * (len(keys) + 2)]
    for variant, aucs in variants.items():
        cell = f"{np.mean(aucs):.3f} ({min(aucs):.3f} to {max(aucs):.3f})"
        lines.append(f"| {' | '.join([*variant, str(len(aucs)), cell])} |")
    text = "\n".join(lines) + "\n"
    write_text(out / "table.md", text)
    return text

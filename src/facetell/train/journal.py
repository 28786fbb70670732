"""The log of a run: lines of JSON, TensorBoard, and the terminal."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOG, BOARD = "log.jsonl", "tensorboard"
SHOWN = {"loss", "cls1", "cls2", "l1", "clips_per_second", "waiting", "auc", "auc_low", "auc_high", "pseudo_auc"}


class Journal:
    """The log of a run from ``step`` on; lines of an earlier attempt about later steps are removed.

    Args:
        out: folder of the run.
        step: number of the steps that are done.
        quiet: write nothing (all devices but the first).
    """

    def __init__(self, out: Path, step: int, quiet: bool = False) -> None:
        self._path, self._quiet = out / LOG, quiet
        self._board: Any = None
        if quiet:
            return
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            self._path.write_text("".join(kept), encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._board = SummaryWriter(out / BOARD, purge_step=step + 1)

    def write(self, step: int, what: str, values: Mapping[str, float]) -> None:
        """A line of the log, the main figures in the terminal and TensorBoard; ``what`` is "train" or "val"."""
        if self._quiet:
            return
        cells = {name: round(value, 5) if math.isfinite(value) else None for name, value in values.items()}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "what": what} | cells) + "\n")
        if self._board is not None:
            for name, value in values.items():
                if math.isfinite(value):
                    self._board.add_scalar(f"{what}/{name}", value, step)
            self._board.flush()
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name in SHOWN)
        print(f"step {step} {what}: {shown}", file=sys.stderr, flush=True)


def means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each value over the steps that have it.

    >>> means([{"loss": 1.0}, {"loss": 2.0, "hit/sbv": 1.0}])
    {'hit/sbv': 1.0, 'loss': 1.5}
    """
    found: dict[str, list[float]] = defaultdict(list)
    for one in values:
        for key, value in one.items():
            found[key].append(value)
    return {key: sum(group) / len(group) for key, group in sorted(found.items())}

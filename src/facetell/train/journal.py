"""What a run tells while it goes on: a line of JSON, TensorBoard, a progress bar, and a picture of the batch."""

from __future__ import annotations

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facetell.train.batches import Batch
from facetell.types import UInt8Array
from facetell.video.image import write_image

LOG, BOARD = "log.jsonl", "tensorboard"
COLUMNS, SIDE, LABEL = 8, 96, 128  # of the sheet: frames a clip, pixels of a frame, pixels of the words beside


class Journal:
    """The log of a run, from ``step`` on; what an earlier attempt wrote of later steps is taken out.

    Args:
        out: folder of the run.
        step, steps: where it stands, and where it ends.
        quiet: write nothing at all (all devices but the first).
    """

    def __init__(self, out: Path, step: int, steps: int, quiet: bool = False) -> None:
        self._path, self._quiet = out / LOG, quiet
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=step)
        self._board: Any = None
        if not quiet:
            self._forget_after(step)
            self._board = _open_board(out / BOARD, step)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
        if self._board is not None:
            self._board.close()

    def advance(self, step: int, loss: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, description=f"loss {loss:.3f}")

    def write(self, step: int, what: str, values: Mapping[str, float | str]) -> None:
        """One line of the log and, of numbers, one point a curve; ``what`` is "train", "val"..."""
        if self._quiet:
            return
        # Not a number is none in JSON.
        cells = {k: (None if v != v else round(v, 5)) if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps({"step": step, "what": what} | cells)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, str) and math.isfinite(value):
                    self._board.add_scalar(f"{what}/{name}", value, step)
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items() if not isinstance(v, str) and k in _SHOWN)
        self.say(f"step {step} {what}: {shown}")

    def say(self, sentence: str) -> None:
        """A sentence to whoever watches."""
        if not self._quiet:
            self._bar.console.print(sentence, highlight=False, soft_wrap=True)

    def _forget_after(self, step: int) -> None:
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            self._path.write_text("".join(kept), encoding="utf-8")


_SHOWN = {"loss", "cls1", "cls2", "l1", "clips_per_second", "waiting", "auc", "auc_low", "auc_high", "pseudo_auc"}


def _open_board(folder: Path, step: int) -> Any:
    """A TensorBoard writer that forgets what lies after ``step``; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder, purge_step=step + 1)


def means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each value over the steps that have it.

    >>> means([{"loss": 1.0}, {"loss": 2.0, "hit/sbv": 1.0}])
    {'hit/sbv': 1.0, 'loss': 1.5}
    """
    sums: dict[str, list[float]] = defaultdict(list)
    for one in values:
        for key, value in one.items():
            sums[key].append(value)
    return {key: sum(group) / len(group) for key, group in sorted(sums.items())}


def draw_batch(batch: Batch, logits: Sequence[float], path: Path) -> None:
    """A sheet of the batch as the network saw it: a row a clip, up to eight frames, its kind and the logit it got."""
    rows = [
        _row(clip.permute(0, 2, 3, 1).cpu().numpy(), f"{kind}", logit)
        for clip, kind, logit in zip(batch.clips, batch.kinds, logits, strict=True)
    ]
    write_image(path, np.vstack(rows))


def _row(frames: UInt8Array, kind: str, logit: float) -> UInt8Array:
    words = np.full((SIDE, LABEL, 3), 255, np.uint8)
    colour = (0, 110, 0) if kind == "real" else (170, 0, 0)
    for line, text in enumerate((kind[:16], f"{logit:+.2f}")):
        cv2.putText(words, text, (6, 40 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    small = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in frames[:COLUMNS]]
    return np.hstack([words, *small]).astype(np.uint8)


class Clock:
    """Training speed over the last steps."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start a new period."""
        self._clips, self._seconds, self._waited = 0, 0.0, 0.0

    def waited(self, seconds: float) -> None:
        """Add seconds spent waiting for a batch."""
        self._waited += seconds

    def learned(self, clips: int, seconds: float) -> None:
        """Add a step of ``clips`` clips that took ``seconds`` in total."""
        self._clips += clips
        self._seconds += seconds

    def figures(self) -> dict[str, float]:
        """Clips a second, share of time spent waiting for batches; of a GPU its memory in GB and its utilisation."""
        figures = {
            "clips_per_second": self._clips / max(self._seconds, 1e-9),
            "waiting": self._waited / max(self._seconds, 1e-9),
        }
        if torch.cuda.is_available():
            figures["gpu_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
            with contextlib.suppress(ModuleNotFoundError, RuntimeError):  # needs pynvml
                figures["gpu_busy"] = torch.cuda.utilization() / 100
        return figures

"""Distortions of time: which frames are shown, and when. Functions of a stream of (frame, seconds)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from facetell.types import UInt8Array

Timed = tuple[UInt8Array, float]
LONGEST_FREEZE = 8  # frames


def drop(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """DROP: each frame but the first is missing with probability ``p``; the others keep their times."""
    for number, timed in enumerate(stream):
        if number == 0 or rng.random() >= p:
            yield timed


def freeze(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FREEZE: about the share ``p`` of frames shows the one before, in runs of 1 to 8; times are kept."""
    # Runs of mean m that begin with probability s after a live frame freeze the share s m / (1 + s m).
    start = p / ((1 - p) * (1 + LONGEST_FREEZE) / 2)
    left, shown = 0, None
    for image, time in stream:
        if shown is not None and left == 0 and rng.random() < start:
            left = int(rng.integers(1, LONGEST_FREEZE + 1))
        if shown is None or left == 0:
            shown = image
        else:
            left -= 1
        yield shown, time


def lower_rate(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FPS: ``p`` frames per second, at each tick the last one shown by then; none is shown twice.

    A video of a lower rate keeps all frames, each moved to the next tick.
    """
    tick = 0
    held: UInt8Array | None = None
    for image, time in stream:
        if held is not None and tick / p < time - 1e-6:
            yield held, tick / p
            tick = max(tick + 1, int(np.ceil(time * p - 1e-6)))
        held = image
    if held is not None:
        yield held, tick / p


FUNCTIONS: dict[str, Callable[[Iterable[Timed], float, np.random.Generator], Iterator[Timed]]] = {
    "DROP": drop,
    "FREEZE": freeze,
    "FPS": lower_rate,
}

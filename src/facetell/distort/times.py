"""Distortions of time: which pictures are shown, and when. Streams of (picture, seconds) in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from facetell.types import UInt8Array

Timed = tuple[UInt8Array, float]
TimeFunction = Callable[[Iterable[Timed], float, np.random.Generator], Iterator[Timed]]
LONGEST_FREEZE = 8  # frames


def drop(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """DROP: each picture but the first is missing with the chance ``p``; the others keep their times."""
    for number, timed in enumerate(stream):
        if number == 0 or rng.random() >= p:
            yield timed


def freeze(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FREEZE: about the share ``p`` of pictures show the one before instead, in runs of 1 to 8; times are kept."""
    # With runs of mean m begun by the chance s after a live picture, the frozen share is s m / (1 + s m).
    mean = (1 + LONGEST_FREEZE) / 2
    start = p / ((1 - p) * mean)
    left, shown = 0, None
    for image, time in stream:
        if shown is not None and left == 0 and rng.random() < start:
            left = int(rng.integers(1, LONGEST_FREEZE + 1))
            yield shown, time
            left -= 1
        elif shown is not None and left > 0:
            yield shown, time
            left -= 1
        else:
            shown = image
            yield image, time


def lower_rate(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FPS: ``p`` pictures a second, at each tick the last that was shown by then; none is shown twice.

    A video of fewer pictures a second keeps them all, each moved to the next tick.
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


FUNCTIONS: dict[str, TimeFunction] = {"DROP": drop, "FREEZE": freeze, "FPS": lower_rate}

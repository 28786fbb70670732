"""Cuts, told by small pictures of two neighbouring frames: of the scene, and at the place of one face."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import Box, FloatArray, UInt8Array

SUDDEN = 0.6  # correlation below which a place has changed all at once
CELLS = 12  # on a side that a place is averaged to: finer detail changes with every small motion
FEWEST_PIXELS = 6  # on a side: fewer tell nothing of a place


class SceneCuts:
    """Tells the first picture of a new scene by its luma thumbnail.

    A cut changes the picture's layout; a flash or a fade changes its brightness. So thumbnails are compared by the
    correlation of their pixels, and only where a fair share of them changed at all.
    """

    MIN_CORRELATION = 0.5
    MIN_CHANGE = 12.0  # mean absolute difference in grey levels

    def __init__(self) -> None:
        self._previous: FloatArray | None = None

    def __call__(self, thumbnail: UInt8Array) -> bool:
        """True when ``thumbnail`` (uint8 (h, w)) begins a new scene; the very first picture does not."""
        current = thumbnail[::2, ::2].astype(np.float32)  # few pixels, so that motion within a scene says little
        previous, self._previous = self._previous, current
        if previous is None:
            return False
        if previous.shape != current.shape:
            return True
        if np.abs(current - previous).mean() < self.MIN_CHANGE:
            return False
        return _correlation(previous, current) < self.MIN_CORRELATION


def changed_at(before: UInt8Array, after: UInt8Array, box: Box) -> bool:
    """Whether a place has changed all at once from one frame to the next, as it does when another face takes it.

    Args:
        before, after: thumbnails of one size, uint8 (h, w).
        box: the place, in their pixels; where it is too small to tell, nothing is said to have changed.
    """
    height, width = after.shape
    x0, x1 = max(0, round(box.x0)), min(width, round(box.x1))
    y0, y1 = max(0, round(box.y0)), min(height, round(box.y1))
    if x1 - x0 < FEWEST_PIXELS or y1 - y0 < FEWEST_PIXELS:
        return False
    size = min(CELLS, x1 - x0), min(CELLS, y1 - y0)
    old, new = (cv2.resize(picture[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA) for picture in (before, after))
    return _correlation(old.astype(np.float32), new.astype(np.float32)) < SUDDEN


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Of two pictures' pixels; 1 where one of them is flat."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0

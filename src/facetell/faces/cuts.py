"""Detect cuts from thumbnails of two successive frames: of the whole scene, and at the position of one face."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import Box, FloatArray, UInt8Array

SCENE_CORRELATION, SCENE_CHANGE = 0.5, 12.0  # of a cut: highest correlation, least mean difference in grey levels
SUDDEN = 0.6  # correlation below which the area of a face has changed at once
CELLS = 12  # side of the grid that the area is averaged to: finer detail changes with small motions
FEWEST_PIXELS = 6  # least side of the area


def is_scene_cut(before: UInt8Array, after: UInt8Array) -> bool:
    """Whether a new scene begins between two frames, by their luma thumbnails, uint8 (h, w).

    A cut changes the layout of the frame, a flash or a fade only its brightness. So the thumbnails are compared by the
    correlation of their pixels, and only where the mean absolute difference is large.
    """
    if before.shape != after.shape:
        return True
    old, new = before[::2, ::2].astype(np.float32), after[::2, ::2].astype(np.float32)
    return bool(np.abs(new - old).mean() >= SCENE_CHANGE) and _correlation(old, new) < SCENE_CORRELATION


def changed_at(before: UInt8Array, after: UInt8Array, box: Box) -> bool:
    """Whether an area changes at once between two frames, as it does when another face appears there.

    Args:
        before, after: thumbnails of the same size, uint8 (h, w).
        box: the area in their pixels; where it is too small, the result is False.
    """
    height, width = after.shape
    x0, x1 = max(0, round(box.x0)), min(width, round(box.x1))
    y0, y1 = max(0, round(box.y0)), min(height, round(box.y1))
    if x1 - x0 < FEWEST_PIXELS or y1 - y0 < FEWEST_PIXELS:
        return False
    size = min(CELLS, x1 - x0), min(CELLS, y1 - y0)
    old, new = (cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA) for image in (before, after))
    return _correlation(old.astype(np.float32), new.astype(np.float32)) < SUDDEN


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson correlation of the pixels; 1 where an image is flat."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0

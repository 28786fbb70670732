"""The visible mark of a forged video."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import UInt8Array

TEXT = "FORGED"
FONT = cv2.FONT_HERSHEY_SIMPLEX
HEIGHT = 0.035  # of the picture's shorter side, at least 7 pixels


def stamp(image: UInt8Array) -> UInt8Array:
    """A copy of ``image`` (H, W, 3) with the word FORGED, small, white on black, in its lower left corner.

    A picture too small for the word (under 48 pixels a side) is returned as it is.
    """
    height, width = image.shape[:2]
    if min(height, width) < 48:
        return image
    scale = max(7.0, HEIGHT * min(height, width)) / 22  # the font's capitals are 22 pixels high at scale 1
    thickness = max(1, round(2 * scale))
    (wide, high), _ = cv2.getTextSize(TEXT, FONT, scale, thickness)
    pad = max(2, high // 3)
    marked = np.ascontiguousarray(image).copy()
    cv2.rectangle(marked, (0, height - high - 2 * pad), (wide + 2 * pad, height - 1), (0, 0, 0), cv2.FILLED)
    cv2.putText(marked, TEXT, (pad, height - pad), FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return marked

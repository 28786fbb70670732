"""One stabilised square per clip, cut with sub-pixel precision.

The second difference of a video amplifies whatever moves independently from frame to frame, a face box placed anew
in each frame most of all. So all frames of a clip are cut by the *same* square, placed from the clip's own landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facetell.types import Box, FloatArray, UInt8Array


def stable_square(boxes: Sequence[Box], scale: float) -> Box:
    """The square of a clip: mean centre of its face boxes, side = ``scale`` x the median of their longer sides.

    Args:
        boxes: bounding boxes of the face mesh, one a frame, at least one.
        scale: side of the square in face lengths, > 0.

    Raises:
        ValueError: no boxes.
    """
    if not boxes:
        raise ValueError("a square needs at least one face box")
    array = np.array(boxes, dtype=np.float64)
    center = (array[:, :2] + array[:, 2:]).mean(axis=0) / 2
    half = scale * float(np.median((array[:, 2:] - array[:, :2]).max(axis=1))) / 2
    return Box(*(float(v) for v in (*(center - half), *(center + half))))


def cut_square(image: UInt8Array, square: Box, size: int) -> UInt8Array:
    """Cut ``square`` out of a uint8 RGB (H, W, 3) picture as uint8 (size, size, 3); what lies outside repeats the edge.

    Shrinking by two or more is done by area averaging first, so that a large face does not alias.
    """
    matrix = square_matrix(square, size)
    factor = min(int(square.width / size), *image.shape[:2])
    if factor >= 2:
        image, matrix = _shrunken(image, square, factor, matrix)
    cut = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cut.astype(np.uint8, copy=False)


def square_matrix(square: Box, size: int) -> FloatArray:
    """The 2 x 3 map from pixel centres of the picture to pixel centres of the cut."""
    scale = size / square.width
    shift_x = (0.5 - square.x0) * scale - 0.5
    shift_y = (0.5 - square.y0) * scale - 0.5
    return np.array([[scale, 0, shift_x], [0, scale, shift_y]], dtype=np.float32)


def _shrunken(image: UInt8Array, square: Box, factor: int, matrix: FloatArray) -> tuple[UInt8Array, FloatArray]:
    """The part of the picture under the square, shrunken by a whole ``factor``, and the map from it to the cut."""
    height, width = image.shape[:2]
    # Whole cells of factor x factor pixels on a grid fixed to the picture: the same for every frame of the clip.
    x0 = int(np.clip(np.floor(square.x0 / factor) - 1, 0, width // factor - 1)) * factor
    y0 = int(np.clip(np.floor(square.y0 / factor) - 1, 0, height // factor - 1)) * factor
    columns = max(1, min(int(np.ceil((square.x1 - x0) / factor)) + 1, (width - x0) // factor))
    rows = max(1, min(int(np.ceil((square.y1 - y0) / factor)) + 1, (height - y0) // factor))
    patch = image[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
    small = cv2.resize(patch, (columns, rows), interpolation=cv2.INTER_AREA)
    # Centre i of the shrunken patch stands at x0 + factor * (i + 0.5) - 0.5 of the picture.
    to_image = np.array([[factor, 0, x0 + 0.5 * factor - 0.5], [0, factor, y0 + 0.5 * factor - 0.5], [0, 0, 1]])
    return small.astype(np.uint8, copy=False), (matrix @ to_image).astype(np.float32)

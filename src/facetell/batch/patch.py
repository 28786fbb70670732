"""The part of each frame that is kept while a clip grows, so that a video need not be read twice.

The crop of a clip is known only at its end. Until then a fixed part of every frame, around the face, is kept, reduced
by an integer factor if the clip will be smaller anyway. Every clip is cut from such parts, also if the video is read
again (for a forgery, or if the parts do not fit into memory), so the result is the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from facetell.faces.crop import crop_frame
from facetell.types import Box, Crop, UInt8Array

REACHES = (3.2, 2.8, 2.4, 2.0)  # widths of the part in face lengths; the widest that fits into memory is used
AROUND = 2  # reduced pixels around a crop, so that interpolation at its edge reads pixels of the video


class Patch(NamedTuple):
    """Columns ``x0`` to ``x1`` and rows ``y0`` to ``y1`` of a frame: complete cells of ``factor`` x ``factor``."""

    x0: int
    y0: int
    x1: int
    y1: int
    factor: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, 3) after reduction."""
        return (self.y1 - self.y0) // self.factor, (self.x1 - self.x0) // self.factor, 3

    @property
    def size(self) -> int:
        """Bytes after reduction, uint8 RGB."""
        return math.prod(self.shape)

    def of(self, image: UInt8Array, out: UInt8Array | None = None) -> UInt8Array:
        """This part of a uint8 RGB (H, W, 3) frame, reduced to uint8 (h, w, 3); written into ``out`` if given."""
        out = np.empty(self.shape, np.uint8) if out is None else out
        part = image[self.y0 : self.y1, self.x0 : self.x1]
        if self.factor == 1:
            np.copyto(out, part)
        else:
            cv2.resize(part, out.shape[1::-1], dst=out, interpolation=cv2.INTER_AREA)
        return out

    def crop(self, part: UInt8Array, square: Box, size: int) -> UInt8Array:
        """Crop ``square`` (in pixels of the frame) from what :meth:`of` returned, as uint8 (size, size, 3)."""
        inside = square.x0 - self.x0, square.y0 - self.y0, square.x1 - self.x0, square.y1 - self.y0
        return crop_frame(part, Crop.of_square(Box(*(v / self.factor for v in inside))), size)

    def holds(self, square: Box, width: int, height: int) -> bool:
        """Whether it contains all pixels of frames of ``width`` x ``height`` that a crop needs."""
        needed = _patch(square, self.factor, width, height)
        begins = self.x0 <= needed.x0 and self.y0 <= needed.y0
        return begins and needed.x1 <= self.x1 and needed.y1 <= self.y1


def patch_of(square: Box, size: int, width: int, height: int) -> Patch:
    """The part that a clip of ``size`` pixels needs, cropped by ``square`` from frames of ``width`` x ``height``."""
    return _patch(square, int(square.width / size), width, height)


def patch_around(
    center: tuple[float, float], length: float, side: float, size: int, shape: tuple[int, ...], most: float
) -> Patch | None:
    """The part to keep around a face whose clip begins; None if too little fits into ``most`` bytes per frame.

    ``center`` and ``length`` are those of the face, ``side`` is the least side of the crop, ``size`` the side of the
    clip, all in pixels; ``shape`` is (H, W, ...) of the frames.
    """
    x, y = center
    for reach in REACHES:
        half = reach * length / 2
        patch = _patch(Box(x - half, y - half, x + half, y + half), int(side / size), shape[1], shape[0])
        if patch.size <= most:
            return patch
    return None


def _patch(square: Box, factor: int, width: int, height: int) -> Patch:
    """The cells of the frame under a square and :data:`AROUND` it; at least one cell."""
    factor = max(1, min(factor, width, height))
    x0, x1 = _cells(square.x0, square.x1, factor, width)
    y0, y1 = _cells(square.y0, square.y1, factor, height)
    return Patch(x0, y0, x1, y1, factor)


def _cells(low: float, high: float, factor: int, length: int) -> tuple[int, int]:
    count = length // factor
    first = int(np.clip(np.floor(low / factor) - AROUND, 0, count - 1))
    last = int(np.clip(np.ceil(high / factor) + AROUND, first + 1, count))
    return first * factor, last * factor

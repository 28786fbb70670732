"""The part of each picture that is kept while a clip grows, so that a video need not be read twice.

The square of a clip is known only at its end. Until then a fixed part of every picture, around the face, is kept,
shrunken by a whole factor where the clip will be smaller anyway. All cuts of a stretch are made out of such a part,
whether it was kept or the video is read again (a forgery, or what did not fit into memory): so they are cut alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from facetell.faces.crop import crop_frame
from facetell.types import Box, Crop, UInt8Array

KEPT_BYTES = 192_000_000  # of the pictures of one clip; those of others at the same time are not kept
REACHES = (3.2, 2.8, 2.4, 2.0)  # face lengths that the part is wide; the widest for which there is memory
AROUND = 2  # shrunken pixels around a square, so that interpolation at its edge meets what the video holds


class Patch(NamedTuple):
    """Columns ``x0`` to ``x1`` and rows ``y0`` to ``y1`` of a picture: whole cells of ``factor`` by ``factor``."""

    x0: int
    y0: int
    x1: int
    y1: int
    factor: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and colours once it is shrunken."""
        return (self.y1 - self.y0) // self.factor, (self.x1 - self.x0) // self.factor, 3

    @property
    def size(self) -> int:
        """Bytes of one, uint8 RGB."""
        return math.prod(self.shape)

    def of(self, image: UInt8Array, out: UInt8Array | None = None) -> UInt8Array:
        """This part of a uint8 RGB (H, W, 3) picture, shrunken, as uint8 of :attr:`shape`; into ``out`` if given."""
        out = np.empty(self.shape, np.uint8) if out is None else out
        part = image[self.y0 : self.y1, self.x0 : self.x1]
        if self.factor == 1:
            np.copyto(out, part)
        else:
            cv2.resize(part, out.shape[1::-1], dst=out, interpolation=cv2.INTER_AREA)
        return out

    def cut(self, part: UInt8Array, square: Box, size: int) -> UInt8Array:
        """``square`` (in pixels of the picture) out of what :meth:`of` gave, as uint8 (size, size, 3)."""
        inside = square.x0 - self.x0, square.y0 - self.y0, square.x1 - self.x0, square.y1 - self.y0
        return crop_frame(part, Crop.of_square(Box(*(v / self.factor for v in inside))), size)

    def holds(self, square: Box, width: int, height: int) -> bool:
        """Whether it holds all that a square shows of pictures of ``width`` x ``height``."""
        needed = _patch(square, self.factor, width, height)
        begins = self.x0 <= needed.x0 and self.y0 <= needed.y0
        return begins and needed.x1 <= self.x1 and needed.y1 <= self.y1


def patch_of(square: Box, size: int, width: int, height: int) -> Patch:
    """What a clip of ``size`` pixels needs that is cut by ``square`` out of pictures of ``width`` x ``height``."""
    return _patch(square, int(square.width / size), width, height)


def patch_around(
    center: tuple[float, float], length: float, side: float, size: int, shape: tuple[int, ...], most: float
) -> Patch | None:
    """What is to be kept around a face whose clip has just begun; None where too little fits into ``most`` bytes.

    Args:
        center: of the face.
        length: of the face.
        side: the least side that the square of the clip can have.
        size: pixels of the clip.
        shape: (H, W, ...) of the pictures.
        most: bytes of one.
    """
    x, y = center
    for reach in REACHES:
        half = reach * length / 2
        patch = _patch(Box(x - half, y - half, x + half, y + half), int(side / size), shape[1], shape[0])
        if patch.size <= most:
            return patch
    return None


def _patch(square: Box, factor: int, width: int, height: int) -> Patch:
    """The cells under a square and :data:`AROUND` it, as far as the picture has them; a cell at the least."""
    factor = max(1, min(factor, width, height))
    x0, x1 = _cells(square.x0, square.x1, factor, width)
    y0, y1 = _cells(square.y0, square.y1, factor, height)
    return Patch(x0, y0, x1, y1, factor)


def _cells(low: float, high: float, factor: int, length: int) -> tuple[int, int]:
    count = length // factor
    first = int(np.clip(np.floor(low / factor) - AROUND, 0, count - 1))
    last = int(np.clip(np.ceil(high / factor) + AROUND, first + 1, count))
    return first * factor, last * factor


class Store:
    """Memory for the pictures of one clip at a time, the same for all clips of a process: fresh memory costs time."""

    def __init__(self) -> None:
        self.memory: UInt8Array = np.empty(KEPT_BYTES, np.uint8)  # the system gives it as it is written
        self.lent = False


class Kept:
    """The pictures of a growing clip, as long as there is memory for them.

    Args:
        patch: what of each.
        store: gives the memory; where another clip has it, nothing is kept.
    """

    def __init__(self, patch: Patch, store: Store) -> None:
        self.patch, self._store, self._count = patch, store, 0
        self._buffer: UInt8Array | None = None
        if not store.lent:
            room = len(store.memory) // patch.size
            self._buffer = store.memory[: room * patch.size].reshape(room, *patch.shape)
            store.lent = True

    @property
    def pictures(self) -> UInt8Array | None:
        """What is kept, uint8 (F, h, w, 3); None where nothing is."""
        return None if self._buffer is None else self._buffer[: self._count]

    def add(self, image: UInt8Array) -> None:
        """Keep the part of one more picture; where there is no memory for it, all are given up."""
        if self._buffer is None:
            return
        if self._count == len(self._buffer):
            self.drop()
            return
        self.patch.of(image, self._buffer[self._count])
        self._count += 1

    def drop(self) -> None:
        """Give all of them up, and the memory back."""
        if self._buffer is not None:
            self._store.lent = False
        self._buffer = None

"""Recognise frames that a decoder made of damaged data without an error, by their block edges and their detail."""

from __future__ import annotations

import av
import cv2
import numpy as np

from facetell.types import UInt8Array
from facetell.video.frame import stored_luma

_DESTROYED = 0.05  # growth of the block edges from a key frame to a later frame: more is damage
_BLOCK = 16  # pixels of a macroblock of VP8, and a divisor of the block sizes of VP9
_ELSEWHERE = (2, 5, 7, 10, 13)  # pixels from the edge of a block to other lines; none is an edge of a 4x4 block
_SEGMENT = 8  # pixels of a line whose mean counts as one
_MOST_BANDS = 40  # of segments: of larger frames, every n-th is searched
_JUMP = 12.0  # grey levels by which an edge exceeds the change beside it
_MOST_JUMP = 40  # a single pixel counts as this at most


class ConcealedDamage:
    """Compares the block edges of each frame with those of the key frame before: some pictures are made of blocks."""

    def __init__(self, most_edges: float) -> None:
        self._most = most_edges  # of an undamaged frame; here, of the first key frame

    def show(self, frame: av.VideoFrame, is_key: bool, size: int = 0) -> bool:
        """Whether a frame has many more block edges, or is a key frame with little detail for its ``size`` in bytes.

        It has if it takes less as a JPEG image of the highest quality. Never where luma has more than 8 bits.
        """
        luma = stored_luma(frame)
        if luma is None:
            return False
        edges, most = block_edges(luma), self._most
        if is_key:
            self._most = max(edges, 0.0) + _DESTROYED
        if is_key and size > len(cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, 100])[1]):
            return True
        return edges > most


def block_edges(luma: UInt8Array) -> float:
    """Return the share of block edges at which luma, uint8 (H, W), jumps, less that of lines elsewhere, -1 to 1.

    Wrong blocks end in jumps at multiples of 16 pixels, where the picture has no more edges than elsewhere. A line that
    jumps over more than half of its length does not count: it is one of the picture, such as the edge of an inset.
    """
    at_blocks, *elsewhere = (_share(luma, shift) for shift in (0, *_ELSEWHERE))
    return at_blocks - max(elsewhere)


def _share(luma: UInt8Array, shift: int) -> float:
    found = total = 0.0
    for image in (luma, luma.T):
        bands = image.shape[0] // _SEGMENT
        columns = np.arange(_BLOCK + shift, image.shape[1] - 1, _BLOCK)
        if not bands or not columns.size:
            continue
        chosen = image[: bands * _SEGMENT].reshape(bands, _SEGMENT, -1)[:: -(-bands // _MOST_BANDS)]
        before, left, right, after = (chosen[:, :, columns + place].astype(np.int16) for place in (-2, -1, 0, 1))
        beside = np.maximum(np.abs(left - before), np.abs(after - right))
        excess = np.clip(np.abs(right - left) - beside, -_MOST_JUMP, _MOST_JUMP)
        jumps = excess.mean(axis=1) > _JUMP
        counts = jumps.sum(axis=0)
        found += float(counts[counts <= len(jumps) / 2].sum())
        total += jumps.size
    return found / max(total, 1.0)

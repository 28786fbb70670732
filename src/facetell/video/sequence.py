"""Whether the images of a folder are consecutive frames of a video."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from facetell.types import FloatArray
from facetell.video.picture import Unreadable
from facetell.video.still import fitted, luma, read_picture

SHORTEST_RUN = 8
"""Images that must follow each other for a folder to be a video: no released model takes shorter clips."""
_STRETCHES, _STRETCH = 3, 9  # stretches that are compared, and the images in each
_SIDE = 32  # long side of the grey images that are compared, in pixels: noise and coding hardly change these
_BORDER = 3  # pixels at the edges that are not compared: alignment leaves them undefined
# What moves, moves on: over two frames an image changes by nearly twice as much as over one. Where most frames are
# missing, an image differs from the next one by much, and from the one after that by little more. A stretch of images
# speaks against consecutive frames if neighbours differ by more than _FAST grey levels on average and images two apart
# by less than _GROWTH times as much. Share of folders refused, of folders made from 378 real and 75 forged face clips
# of 24 to 30 frames per second (training split of the project's face clips):
#   consecutive frames                                        0.8 % of the real ones, 2.7 % of the forged ones
#   consecutive frames, each displaced by 1 to 2 % at random  3 %, 4 %
#   2 frames per second                                       61 %, 57 %
#   1 frame per second (5 images)                             71 %, 80 %
# A wrong refusal is the lesser error: its message names --fps.
_FAST = 6.0
_GROWTH = 1.5


class NotConsecutive(Unreadable):
    """The images of a folder are not consecutive frames of a video."""


def steps_between(files: Sequence[Path], *, any_step: bool = False) -> list[int]:
    """Steps of the numbers in the names of images, from each to the next; all 1 where the names hold no frame number.

    A name holds a frame number if exactly one of the numbers in it changes from image to image, and goes up.

    Args:
        files: sorted by number.
        any_step: count in units of the median step, for names in milliseconds and for every nth frame of a video.
    """
    numbers = [[int(part) for part in re.findall("[0-9]+", file.stem)] for file in files]
    unknown = [1] * (len(files) - 1)
    if len({len(parts) for parts in numbers}) != 1:
        return unknown
    changing = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(changing) != 1:
        return unknown
    steps = [after - before for before, after in pairwise(changing[0])]
    if min(steps) < 1:
        return unknown
    return [max(1, round(step / statistics.median(steps))) for step in steps] if any_step else steps


def runs(steps: Sequence[int]) -> list[range]:
    """The places of images that follow each other without a gap, given the steps between ``len(steps) + 1`` of them.

    >>> runs([1, 1, 5, 1])
    [range(0, 3), range(3, 5)]
    """
    starts = [0, *(place for place, step in enumerate(steps, 1) if step > 1)]
    return [range(start, end) for start, end in pairwise([*starts, len(steps) + 1])]


def follow(files: Sequence[Path], stretches: Sequence[range]) -> bool:
    """Whether images look like consecutive frames: at least half of up to three stretches of nine images do.

    Args:
        files: the images in order.
        stretches: places in ``files`` of images that are numbered without a gap, at least three in each.
    """
    last = [max(run.start, run.stop - _STRETCH) for run in stretches]
    starts = [
        (place, run.stop) for run, end in zip(stretches, last, strict=True) for place in range(run.start, end + 1)
    ]
    chosen = sorted({round(place) for place in np.linspace(0, len(starts) - 1, _STRETCHES)})
    found = [
        _looks_consecutive(files[start : min(start + _STRETCH, stop)]) for start, stop in (starts[n] for n in chosen)
    ]
    return found.count(False) <= found.count(True)


def _looks_consecutive(files: Sequence[Path]) -> bool | None:
    """Whether one stretch looks like consecutive frames; None where an image cannot be read."""
    images = [image for file in files if (image := read_picture(file)) is not None]
    if len(images) < len(files):
        return None
    height, width = images[0].shape[:2]
    small = [luma(fitted(image, width, height), _SIDE, cv2.INTER_AREA).astype(np.float32) for image in images]
    one, two = (np.mean([_change(a, b) for a, b in zip(small[:-lag], small[lag:], strict=True)]) for lag in (1, 2))
    return bool(one <= _FAST or two >= _GROWTH * one)


def _change(before: FloatArray, after: FloatArray) -> float:
    """Mean absolute difference of two grey images, as they are or aligned by an affine motion, whichever is less.

    Alignment leaves out what moves a camera, or the crops of a face that a detector placed in each frame.
    """
    inner = (slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    plain = float(np.abs(before - after)[inner].mean())
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 1e-3)
    motion, everywhere = np.eye(2, 3, dtype=np.float32), np.ones(before.shape, np.uint8)
    try:
        cv2.findTransformECC(before, after, motion, cv2.MOTION_AFFINE, criteria, everywhere, 1)
    except cv2.error:  # no alignment was found
        return plain
    size = before.shape[1], before.shape[0]
    aligned = cv2.warpAffine(
        after, motion, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return min(plain, float(np.abs(before - aligned)[inner].mean()))

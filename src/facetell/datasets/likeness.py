"""Near-duplicates by sight: is one video a copy of another, re-encoded, rescaled, recoloured or a little forged?

A difference hash (dHash) tells for each pair of neighbouring cells of a small grey picture which of the two is
brighter. Re-encoding flips a bit only where two cells are nearly alike; such bits are marked as doubtful and not
compared. What is left differs in few bits between copies, and in many between two people before the same wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.types import UInt8Array
from facetell.video.find import images_in
from facetell.video.image import read_image
from facetell.video.reader import Unreadable
from facetell.video.source import open_video

CELLS = 16
BITS = 2 * CELLS * CELLS  # to the right and downwards
LOOKS = 6  # pictures of a video that are compared
SPAN = 10.0  # seconds from the beginning over which they are spread: what has to be decoded
SURE = 0.5  # share of a picture's bits that count: those of its larger differences
LIMIT = 0.04
"""Share of differing bits up to which two videos are alike. Measured (docs/datasets.md): copies at crf 40, of half the
size, recoloured or cut stay below 0.025; of 21,355 pairs of real clips of different people, cropped alike, the nearest
that is no copy lies at 0.046; different scenes of the miniatures, all of two people in two rooms, above 0.13."""
_BLOCK = 4096  # pictures compared at once

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a video looks like: ``bits`` and ``sure``, both uint64 (F, 8), F pictures of 512 packed bits."""

    bits: Words
    sure: Words


def look_at(path: Path, start: float | None = None, end: float | None = None) -> Likeness:
    """The likeness of a video (or its part, in seconds), or of a folder of pictures, from up to six pictures.

    They are spread evenly over the first ten seconds; over all of a folder.

    Raises:
        Unreadable: there is no picture to be had.
    """
    pictures = _of_folder(path) if path.is_dir() else _of_video(path, start or 0.0, end)
    if not pictures:
        raise Unreadable(f"{path} holds no picture that can be read there: get it anew")
    hashed = [hash_picture(picture) for picture in pictures]
    return Likeness(np.stack([bits for bits, _ in hashed]), np.stack([sure for _, sure in hashed]))


def hash_picture(grey: UInt8Array) -> tuple[Words, Words]:
    """Bits and which of them count, each packed into uint64 (8,), of a grey picture (H, W)."""
    small = cv2.resize(grey, (CELLS + 1, CELLS + 1), interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = np.stack([small[:-1, 1:] - small[:-1, :-1], small[1:, :-1] - small[:-1, :-1]]).ravel()
    size = np.abs(steps)
    sure = size >= max(1.0, float(np.quantile(size, 1 - SURE)))
    return np.packbits(steps > 0).view(np.uint64), np.packbits(sure).view(np.uint64)


def _of_video(path: Path, start: float, end: float | None) -> list[UInt8Array]:
    """Grey pictures at six moments, or as many as there are."""
    pictures: list[UInt8Array] = []
    with open_video(path) as reader:
        stop = min(start + SPAN, end or np.inf, reader.info.duration or np.inf)
        moments = np.linspace(start, stop, LOOKS, endpoint=False)
        for raw in reader:
            if raw.time >= moments[len(pictures)] - 1e-6:
                pictures.append(_grey(raw.rgb()))
                if len(pictures) == LOOKS:
                    break
    return pictures


def _of_folder(path: Path) -> list[UInt8Array]:
    files = images_in(path)
    chosen = sorted(set(np.linspace(0, len(files), LOOKS, endpoint=False).astype(int).tolist())) if files else []
    return [_grey(picture) for i in chosen if (picture := read_image(files[i])) is not None]


def _grey(image: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def differences(a: Likeness, b: Likeness) -> NDArray[np.float32]:
    """Share of differing bits among those sure in both, for each picture of ``a`` and of ``b``, (Fa, Fb)."""
    both = a.sure[:, None] & b.sure[None]
    wrong = (a.bits[:, None] ^ b.bits[None]) & both
    counts = np.bitwise_count(both).sum(axis=2, dtype=np.int32)
    shares = np.bitwise_count(wrong).sum(axis=2, dtype=np.int32) / np.maximum(counts, 1)
    # Too few bits in common to tell: pictures whose structure lies at other places are not alike.
    return np.where(counts < BITS * SURE / 4, 1.0, shares).astype(np.float32)


def distance(a: Likeness, b: Likeness) -> float:
    """How much two videos differ, in [0, 1]: the median over one's pictures of the nearest of the other's.

    Of the two directions the smaller counts, so that an excerpt is like the whole.
    """
    shares = differences(a, b)
    return float(min(np.median(shares.min(axis=1)), np.median(shares.min(axis=0))))


def near_duplicates(
    one: Sequence[Likeness], other: Sequence[Likeness], limit: float = LIMIT
) -> list[tuple[int, int, float]]:
    """Pairs of one video of each group that look alike: their numbers and :func:`distance`, the most alike first."""
    if not one or not other:
        return []
    owner = np.repeat(np.arange(len(other)), [len(likeness.bits) for likeness in other])
    pool = Likeness(
        np.concatenate([likeness.bits for likeness in other]), np.concatenate([likeness.sure for likeness in other])
    )
    found = []
    for i, likeness in enumerate(one):
        candidates: set[int] = set()
        for start in range(0, len(pool.bits), _BLOCK):
            part = Likeness(pool.bits[start : start + _BLOCK], pool.sure[start : start + _BLOCK])
            alike = (differences(likeness, part) <= limit).any(axis=0)
            candidates.update(owner[start : start + _BLOCK][alike].tolist())
        for j in candidates:
            share = distance(likeness, other[j])
            if share <= limit:
                found.append((i, j, share))
    return sorted(found, key=lambda pair: pair[2])

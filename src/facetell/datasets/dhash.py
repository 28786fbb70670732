"""Near-duplicate videos by perceptual hashes (dHash): re-encoded, rescaled, recoloured or partly forged copies.

A difference hash holds for each pair of neighbouring cells of a small grey image which of the two is brighter.
Re-encoding changes a bit only if the cells are nearly equal; such bits are not compared. The others differ in few bits
between copies, and in many between two people in front of the same wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.video.find import images_in
from facetell.video.image import read_image
from facetell.video.reader import Unreadable
from facetell.video.source import open_video

CELLS = 16
BITS = 2 * CELLS * CELLS  # to the right and downwards
FRAMES = 6  # frames of a video that are compared
SPAN = 10.0  # first seconds of a video from which they are taken
VALID = 0.5  # share of the bits of a frame that are compared: those with the larger differences
LIMIT = 0.04
"""Largest share of differing bits of near-duplicates. Measured (docs/datasets.md): at most 0.022 for copies and
excerpts; at least 0.046 for 21,355 pairs of clips of different people with equal crops."""
_BLOCK = 4096  # hashes compared at once

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class VideoHash:
    """``bits`` of up to 6 frames, and which of them are ``valid``; both uint64 (F, 8), 512 packed bits per frame."""

    bits: Hashes
    valid: Hashes


def hash_video(path: Path) -> VideoHash:
    """Hash six frames of the first ten seconds, or six of a folder of images. Unreadable: no frame can be read."""
    if path.is_dir():
        files = images_in(path)
        chosen = {int(place) for place in np.linspace(0, len(files), FRAMES, endpoint=False)} if files else ()
        images = [image for place in sorted(chosen) if (image := read_image(files[place])) is not None]
    else:
        images = []
        with open_video(path) as reader:
            times = np.linspace(0.0, min(SPAN, reader.info.duration or np.inf), FRAMES, endpoint=False)
            for raw in reader:
                if raw.time >= times[len(images)] - 1e-6:
                    images.append(raw.rgb())
                    if len(images) == FRAMES:
                        break
    if not images:
        raise Unreadable(f"{path} has no readable frame; get the file again")
    bits, valid = zip(*(hash_image(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in images), strict=True)
    return VideoHash(np.stack(bits), np.stack(valid))


def hash_image(grey: NDArray[Any]) -> tuple[Hashes, Hashes]:
    """Bits, and which of them are valid, each packed into uint64 (8,), of a grey image (H, W)."""
    small = cv2.resize(grey, (CELLS + 1, CELLS + 1), interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = np.stack([small[:-1, 1:] - small[:-1, :-1], small[1:, :-1] - small[:-1, :-1]]).ravel()
    size = np.abs(steps)
    valid = size >= max(1.0, float(np.quantile(size, 1 - VALID)))
    return np.packbits(steps > 0).view(np.uint64), np.packbits(valid).view(np.uint64)


def differences(a: VideoHash, b: VideoHash) -> NDArray[np.float32]:
    """Share of differing bits among those valid in both, for each frame of ``a`` and of ``b``, (Fa, Fb)."""
    both = a.valid[:, None] & b.valid[None]
    counts = np.bitwise_count(both).sum(axis=2, dtype=np.int32)
    wrong = np.bitwise_count((a.bits[:, None] ^ b.bits[None]) & both).sum(axis=2, dtype=np.int32)
    # Frames with few valid bits in common have their structure at other places: they are different.
    return np.where(counts < BITS * VALID / 4, 1.0, wrong / np.maximum(counts, 1)).astype(np.float32)


def distance(a: VideoHash, b: VideoHash) -> float:
    """Difference of two videos in [0, 1]: the median over the frames of one of the most similar frame of the other.

    The smaller of the two directions, so that an excerpt is similar to the whole.
    """
    shares = differences(a, b)
    return float(min(np.median(shares.min(axis=1)), np.median(shares.min(axis=0))))


def near_duplicates(one: Sequence[VideoHash], other: Sequence[VideoHash]) -> list[tuple[int, int, float]]:
    """Pairs of a video of each group with a :func:`distance` of at most LIMIT: indices, distance; sorted by it."""
    if not one or not other:
        return []
    owner = np.repeat(np.arange(len(other)), [len(video.bits) for video in other])
    bits, valid = (np.concatenate([getattr(video, name) for video in other]) for name in ("bits", "valid"))
    found = []
    for i, video in enumerate(one):
        candidates: set[int] = set()
        for start in range(0, len(bits), _BLOCK):
            part = slice(start, start + _BLOCK)
            similar = (differences(video, VideoHash(bits[part], valid[part])) <= LIMIT).any(axis=0)
            candidates.update(owner[part][similar].tolist())
        found += [(i, j, share) for j in candidates if (share := distance(video, other[j])) <= LIMIT]
    return sorted(found, key=lambda pair: pair[2])

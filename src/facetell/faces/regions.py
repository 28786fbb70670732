"""Regions of a face in the crop of a clip: the landmarks around them, their pixels and their scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.types import FloatArray, UInt8Array

IndexArray = NDArray[np.int64]

MARGIN = 0.04  # face lengths around a feature
HIGHEST = 5  # patches whose mean is the score of a region, as of a frame


def indices(text: str) -> IndexArray:
    """Numbers separated by spaces."""
    return np.array(text.split(), dtype=np.int64)


# Rings are listed in order along their outline; OVAL starts at the top of the forehead, clockwise in the image.
OVAL = indices(
    "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 93 "
    "234 127 162 21 54 103 67 109"
)
LIPS_OUTER = indices("61 185 40 39 37 0 267 269 270 409 291 375 321 405 314 17 84 181 91 146")
EYES = (  # the person's right and left, as all pairs
    indices("33 246 161 160 159 158 157 173 133 155 154 153 145 144 163 7"),
    indices("362 398 384 385 386 387 388 466 263 249 390 373 374 380 381 382"),
)
BROWS = indices("70 63 105 66 107 55 65 52 53 46"), indices("336 296 334 293 300 276 283 282 295 285")
NOSE = indices("168 193 122 196 236 198 49 64 98 97 2 326 327 294 279 420 456 419 351 417 6 197 195 5 4 1 19")
EYES_WITH_BROWS = tuple(np.concatenate(pair) for pair in zip(EYES, BROWS, strict=True))
REGIONS: Mapping[str, tuple[float, Sequence[IndexArray]]] = {  # margin, rings of landmarks; the first has priority
    "eyes": (MARGIN, EYES_WITH_BROWS),
    "mouth": (MARGIN, (LIPS_OUTER,)),
    "nose": (MARGIN / 2, (NOSE,)),
    "skin": (0, (OVAL,)),
    "surroundings": (0, ()),  # what is left
}


def region_map(landmarks: FloatArray, size: int) -> UInt8Array:
    """The region (S, S), an index into :data:`REGIONS`, of each pixel of a crop with landmarks (468, 2) in pixels.

    Each of eyes (with brows), mouth and nose is the convex hull of its landmarks with a margin. The skin is the rest of
    the face, the surroundings are all else: hair, ears, neck, background.
    """
    length = max(1.0, float(np.ptp(landmarks, axis=0).max()))
    found = np.zeros((size, size), np.uint8)
    for number, (margin, rings) in reversed([*enumerate(REGIONS.values())]):
        area = np.full_like(found, not rings)
        for ring in rings:
            cv2.fillConvexPoly(area, np.round(cv2.convexHull(landmarks[ring]) * 16).astype(np.int32), 1, shift=4)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(margin * length) + 1,) * 2)
        found[cv2.dilate(area, disc) > 0] = number
    return found


def region_logits(regions: UInt8Array, patches: FloatArray) -> dict[str, float]:
    """By region of a map (S, S), the mean of its five highest logits of patches (P,), a square grid over the map.

    The first is the whole frame. A patch is of the region of most of its pixels; regions without one are left out.
    """
    grid = math.isqrt(len(patches))
    pixels = (regions[None] == np.arange(len(REGIONS))[:, None, None]).astype(np.float32)
    owner = np.argmax([cv2.resize(own, (grid, grid), interpolation=cv2.INTER_AREA) for own in pixels], axis=0).ravel()
    groups = {"frame": patches} | {name: patches[owner == number] for number, name in enumerate(REGIONS)}
    return {name: float(np.sort(logits)[-HIGHEST:].mean()) for name, logits in groups.items() if logits.size}

"""Soft masks that follow the landmarks.

The shape of a mask is drawn once per clip as displacements of the landmarks and filled in each frame, so the mask
moves, rotates and opens its mouth with the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facetell.forge.mesh import INNER, LOWER_FACE, POINTS, REGIONS, IndexArray, centers, face_width
from facetell.types import FloatArray

REFERENCE = 256  # face width in pixels to which the elastic deformation refers, as in the paper
FRACTION_BITS = 4  # sub-pixel precision of the filling: a mask must not move by whole pixels


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """Ranges of masks (self-blended images, arXiv 2204.08376)."""

    hull: float = 0.4  # weights: the whole face,
    inner: float = 0.25  # brows to mouth,
    lower: float = 0.1  # below the nose,
    regions: float = 0.15  # some of eyes, nose and mouth,
    random: float = 0.1  # convex hulls of random groups of landmarks
    elastic_alpha: float = 50.0  # elastic deformation in pixels of a face 256 pixels wide
    elastic_sigma: float = 7.0
    scale: tuple[float, float] = (0.9, 1.05)  # about the centre
    softness: tuple[float, float] = (0.01, 0.06)  # standard deviation of the blur in face widths, drawn twice


def draw_shapes(rng: np.random.Generator, config: MaskConfig) -> list[IndexArray]:
    """The groups of landmarks whose convex hulls form one mask."""
    weights = np.array([config.hull, config.inner, config.lower, config.regions, config.random])
    family = int(rng.choice(5, p=weights / weights.sum()))
    if family < 3:
        return [(np.arange(POINTS), INNER, LOWER_FACE)[family]]
    if family == 3:
        regions = list(REGIONS.values())
        chosen = rng.choice(len(regions), size=int(rng.integers(1, len(regions))), replace=False)
        return [regions[i] for i in chosen]
    return [rng.choice(POINTS, size=int(rng.integers(6, 24)), replace=False) for _ in range(int(rng.integers(1, 4)))]


def draw_mask(
    landmarks: FloatArray,
    size: tuple[int, int],
    rng: np.random.Generator,
    config: MaskConfig,
    shapes: Sequence[IndexArray] | None = None,
    breath: FloatArray | None = None,
) -> FloatArray:
    """Soft masks (T, H, W) in [0, 1] for ``landmarks`` (T, 468, 2) in frames of ``size`` (H, W).

    Args:
        landmarks: in pixels.
        size: height and width of the frames.
        rng: source of the shape, which is drawn once for the clip.
        config: ranges.
        shapes: groups of landmarks to cover; default: drawn by the weights of ``config``.
        breath: (T,) factors of the size of the mask in each frame.
    """
    width = face_width(landmarks)
    shapes = draw_shapes(rng, config) if shapes is None else shapes
    offsets = _elastic_offsets(landmarks[0], rng, config) * width
    scale = np.full(len(landmarks), rng.uniform(*config.scale), np.float32)
    middle = centers(landmarks)[:, None]
    points = middle + (landmarks + offsets - middle) * (scale if breath is None else scale * breath)[:, None, None]
    first, second = (max(0.3, sigma / 2) for sigma in rng.uniform(*config.softness, 2) * width)
    # Filling and blurring at half size is fast, and smoother than a full-size edge.
    rows, columns = (size[0] + 1) // 2, (size[1] + 1) // 2
    fixed = np.round(((points + 0.5) / 2 - 0.5) * (1 << FRACTION_BITS)).clip(-(1 << 20), 1 << 20).astype(np.int32)
    masks = np.empty((len(points), 2 * rows, 2 * columns), np.float32)
    for frame, full in zip(fixed, masks, strict=True):
        half = np.zeros((rows, columns), np.float32)
        for shape in shapes:
            cv2.fillConvexPoly(half, cv2.convexHull(frame[shape]), 1.0, cv2.LINE_8, FRACTION_BITS)
        # The first blur rounds the shape. Values below a half are removed, so that the second ramp is mostly inside it.
        blurred = cv2.GaussianBlur(half, (0, 0), first, borderType=cv2.BORDER_REPLICATE)
        inner = np.clip((blurred - 0.5) * 2, 0, 1)
        soft = cv2.GaussianBlur(inner, (0, 0), second, borderType=cv2.BORDER_REPLICATE)
        cv2.resize(soft, (2 * columns, 2 * rows), full, interpolation=cv2.INTER_LINEAR)
    # A blur with a finite kernel leaves tiny values far out: less than one grey level is not forged.
    masks[masks < 1 / 512] = 0
    return np.minimum(masks, 1.0, out=masks)[:, : size[0], : size[1]]


def _elastic_offsets(shape: FloatArray, rng: np.random.Generator, config: MaskConfig) -> FloatArray:
    """Smooth random displacements (468, 2) of the landmarks ``shape`` (468, 2), in face widths."""
    # Half the resolution with half the blur gives the same field at a quarter of the cost.
    size = REFERENCE // 2
    noise = rng.uniform(-0.5, 0.5, (size, size, 2)).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), config.elastic_sigma / 2), dtype=np.float32)
    low, high = shape.min(axis=0), shape.max(axis=0)
    cells = ((shape - low) / max(1e-6, float((high - low).max())) * (size - 1)).astype(int).clip(0, size - 1)
    return np.asarray(noise[cells[:, 1], cells[:, 0]] * (config.elastic_alpha / REFERENCE))

"""Where a forgery sits: soft masks that ride on the landmarks.

A mask's shape is drawn once a clip as distortions of the landmarks, and filled anew in each frame; so it moves, turns
and opens its mouth with the face, as a forger's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facetell.forge.mesh import INNER, LOWER_FACE, REGIONS, IndexArray, centers, face_width
from facetell.types import FloatArray

REFERENCE = 256  # pixels of face width in which the paper's elastic deformation is given
FRACTION_BITS = 4  # sub-pixel precision of filling: a mask must not tremble by whole pixels


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """Ranges from which a mask is drawn (self-blended images, arXiv 2204.08376).

    ``weights`` by family: ``hull`` whole face, ``inner`` brows to mouth, ``lower`` below the nose, ``regions`` some of
    eyes, nose and mouth, ``random`` hulls of random groups of landmarks. ``elastic_alpha`` and ``elastic_sigma`` in
    pixels of a face 256 pixels wide. ``scale`` of the mask about its centre. ``softness``: standard deviation of the
    softening Gaussian in face widths, drawn twice.
    """

    hull: float = 0.4
    inner: float = 0.25
    lower: float = 0.1
    regions: float = 0.15
    random: float = 0.1
    elastic_alpha: float = 50.0
    elastic_sigma: float = 7.0
    scale: tuple[float, float] = (0.9, 1.05)
    softness: tuple[float, float] = (0.01, 0.06)


def draw_shapes(rng: np.random.Generator, config: MaskConfig) -> list[IndexArray]:
    """The groups of landmarks whose convex hulls make up one mask."""
    weights = np.array([config.hull, config.inner, config.lower, config.regions, config.random])
    family = ("hull", "inner", "lower", "regions", "random")[int(rng.choice(5, p=weights / weights.sum()))]
    if family == "hull":
        return [np.arange(468)]
    if family == "inner":
        return [INNER]
    if family == "lower":
        return [LOWER_FACE]
    if family == "regions":
        names = list(REGIONS)
        chosen = rng.choice(len(names), size=int(rng.integers(1, len(names))), replace=False)
        return [REGIONS[names[i]] for i in chosen]
    return [rng.choice(468, size=int(rng.integers(6, 24)), replace=False) for _ in range(int(rng.integers(1, 4)))]


def elastic_offsets(shape: FloatArray, rng: np.random.Generator, config: MaskConfig) -> FloatArray:
    """Smooth random displacements (468, 2) of the landmarks ``shape`` (468, 2), in face widths."""
    # On every second pixel, half the noise blurred half as far is the same field, at a quarter of the cost.
    size = REFERENCE // 2
    noise = rng.uniform(-0.5, 0.5, (size, size, 2)).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), config.elastic_sigma / 2), dtype=np.float32)
    low, high = shape.min(axis=0), shape.max(axis=0)
    cells = ((shape - low) / max(1e-6, float((high - low).max())) * (size - 1)).astype(int).clip(0, size - 1)
    return np.asarray(noise[cells[:, 1], cells[:, 0]] * (config.elastic_alpha / REFERENCE))


def draw_mask(
    landmarks: FloatArray,
    size: tuple[int, int],
    rng: np.random.Generator,
    config: MaskConfig,
    shapes: Sequence[IndexArray] | None = None,
    breath: FloatArray | None = None,
) -> FloatArray:
    """Soft masks (T, H, W) in [0, 1] for ``landmarks`` (T, 468, 2) in a picture of ``size`` (H, W).

    Args:
        landmarks: in pixels.
        size: height and width of the frames.
        rng: source of the shape, drawn once for the clip.
        config: ranges.
        shapes: groups of landmarks to cover, drawn from the families where not given.
        breath: (T,) factors by which the mask grows from frame to frame.
    """
    width = face_width(landmarks)
    shapes = draw_shapes(rng, config) if shapes is None else shapes
    offsets = elastic_offsets(landmarks[0], rng, config) * width
    scale = np.full(len(landmarks), rng.uniform(*config.scale), np.float32)
    middle = centers(landmarks)[:, None]
    points = middle + (landmarks + offsets - middle) * (scale if breath is None else scale * breath)[:, None, None]
    first, second = rng.uniform(*config.softness, 2) * width
    # Filled at half size and softened: fast, and smoother than a full-size edge would be.
    return soften(fill(points, shapes, size), first, second)[:, : size[0], : size[1]]


def fill(points: FloatArray, shapes: Sequence[IndexArray], size: tuple[int, int]) -> FloatArray:
    """Masks (T, ceil(H / 2), ceil(W / 2)) in {0, 1} at half size: union of the convex hulls of each group of points."""
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    masks = np.zeros((len(points), *half), np.float32)
    fixed = np.round(((points + 0.5) / 2 - 0.5) * (1 << FRACTION_BITS)).clip(-(1 << 20), 1 << 20).astype(np.int32)
    for mask, frame in zip(masks, fixed, strict=True):
        for shape in shapes:
            cv2.fillConvexPoly(mask, cv2.convexHull(frame[shape]), 1.0, cv2.LINE_8, FRACTION_BITS)
    return masks


def soften(half: FloatArray, first: float, second: float) -> FloatArray:
    """Half-size masks blurred twice and brought to full size, edge-safe: (T, 2 * rows, 2 * columns).

    The first blur rounds the shape, and what it left below a half is cut away, so that the second blur's ramp lies
    mostly inside the shape: a forger pastes no more than the face. ``first``, ``second``: standard deviations in
    pixels of the full size.
    """
    count, rows, columns = half.shape
    full = np.empty((count, 2 * rows, 2 * columns), np.float32)
    for t in range(count):
        mask = cv2.GaussianBlur(half[t], (0, 0), max(0.3, first / 2), borderType=cv2.BORDER_REPLICATE)
        mask = np.clip((mask - 0.5) * 2, 0, 1)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.3, second / 2), borderType=cv2.BORDER_REPLICATE)
        cv2.resize(mask, (2 * columns, 2 * rows), full[t], interpolation=cv2.INTER_LINEAR)
    # Blurs of a finite kernel leave crumbs far out; what does not show is not forged.
    full[full < 1 / 512] = 0
    return np.minimum(full, 1.0, out=full)

"""Faces and mouths from elsewhere: another person's face on the target's landmarks, another moment's mouth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from facetell.forge.colour import SharpnessConfig, apply_sharpness, blend, draw_sharpness, match_colour
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import (
    CHIN,
    CONTROL,
    INNER,
    LIPS_INNER,
    LIPS_OUTER,
    LOWER_FACE,
    NOSE,
    POINTS,
    face_width,
    similarity,
    smooth,
    transform,
)
from facetell.forge.reenact import Donor, reflected
from facetell.forge.warp import border_points, grid_nodes, remap_field, spline_field
from facetell.types import FloatArray, UInt8Array

STABLE = np.concatenate([INNER[: -len(LIPS_OUTER) - 2], NOSE])  # eyes, brows, nose: what speech does not move
MOUTH = np.intersect1d(CONTROL, np.concatenate([LIPS_OUTER, LIPS_INNER, CHIN]))


@dataclass(frozen=True, slots=True)
class SwapConfig:
    """Ranges of swaps and mouth edits (ours).

    ``still``: chance that one picture of the donor serves the whole clip; ``colour``: chance that colours are matched
    (Reinhard in Lab); ``poisson``: chance of Poisson blending instead of feathering; ``smoothing`` of the target's
    landmarks in frames; ``whole``: chance that the whole face is replaced, else brows to mouth, and how much larger
    than that region the mask is (a whole face's stays inside, or the donor's background shows).
    """

    still: float = 0.3
    colour: float = 0.85
    poisson: float = 0.15
    smoothing: tuple[float, float] = (0.0, 1.2)
    sharpness: SharpnessConfig = field(default_factory=lambda: SharpnessConfig(quarter=0.0))
    whole: float = 0.5
    whole_scale: tuple[float, float] = (0.84, 0.97)
    inner_scale: tuple[float, float] = (0.98, 1.12)
    mask: MaskConfig = field(default_factory=lambda: MaskConfig(softness=(0.015, 0.05)))


def swap(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: SwapConfig, donor: Donor | None
) -> tuple[UInt8Array, FloatArray]:
    """The donor's face warped onto the target's landmarks; without a donor, the clip's own face at other moments.

    Returns forged frames (T, H, W, 3) and their mask (T, H, W).
    """
    count, size = len(frames), frames.shape[1:3]
    pictures, faces = (frames, landmarks) if donor is None else donor
    order = reflected(int(rng.integers(max(1, len(pictures)))) + np.arange(count), len(pictures))
    if rng.random() < config.still:
        order = np.full(count, order[0])
    calm = smooth(landmarks, rng.uniform(*config.smoothing))
    warped = carry(pictures[order], faces[order], calm, size)
    whole = rng.random() < config.whole
    ranges = replace(config.mask, scale=config.whole_scale if whole else config.inner_scale)
    mask = draw_mask(calm, size, rng, ranges, shapes=[np.arange(POINTS) if whole else INNER])
    if rng.random() < config.colour:
        warped = match_colour(warped, mask, frames, mask)
    warped = apply_sharpness(warped, draw_sharpness(rng, config.sharpness))
    if rng.random() < config.poisson:
        return poisson_blend(frames, warped, mask), mask
    return blend(frames, warped, mask), mask


def carry(pictures: UInt8Array, faces: FloatArray, goals: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Pictures (T, h, w, 3) with landmarks ``faces`` warped onto ``goals`` (T, 468, 2): frames (T, H, W, 3)."""
    border = border_points(size)
    outside = np.stack([transform(border, similarity(g, f)) for g, f in zip(goals, faces, strict=True)])
    to = np.concatenate([goals[:, CONTROL], np.repeat(border[None], len(goals), axis=0)], axis=1)
    field_ = spline_field(grid_nodes(size, face_width(goals)), to, np.concatenate([faces[:, CONTROL], outside], axis=1))
    return np.stack([remap_field(picture, part, size) for picture, part in zip(pictures, field_, strict=True)])


def poisson_blend(target: UInt8Array, source: UInt8Array, mask: FloatArray) -> UInt8Array:
    """Blend gradients instead of colours (Pérez et al. 2003, OpenCV's seamlessClone) where the mask exceeds a half.

    A frame whose mask reaches the picture's edge, where no boundary colour is known, is feathered instead.
    """
    result = blend(target, source, mask)
    for t, alpha in enumerate(mask):
        hard = (alpha > 0.5).astype(np.uint8) * 255
        x, y, width, height = cv2.boundingRect(hard)
        inside = x > 1 and y > 1 and x + width < hard.shape[1] - 1 and y + height < hard.shape[0] - 1
        if inside and width > 2 and height > 2:
            middle = (x + width // 2, y + height // 2)
            cloned = cv2.seamlessClone(source[t], target[t], hard, middle, cv2.NORMAL_CLONE)
            result[t] = blend(target[t : t + 1], cloned[None], alpha[None])[0]
    return result


def mouth(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: SwapConfig
) -> tuple[UInt8Array, FloatArray]:
    """The lower face of another moment of the same clip, moving on its own: the class of lip-sync forgeries."""
    count, size = len(frames), frames.shape[1:3]
    offset = int(rng.integers(max(1, count // 3), max(2, count)))
    direction = 1 if rng.random() < 0.5 else -1
    order = reflected(offset + direction * np.arange(count), count)
    goals = smooth(landmarks, 0.7).copy()
    for t, other in enumerate(order):
        fit = similarity(landmarks[other, STABLE], landmarks[t, STABLE])
        goals[t, MOUTH] = transform(landmarks[other, MOUTH], fit)
    warped = apply_sharpness(carry(frames[order], landmarks[order], goals, size), draw_sharpness(rng, config.sharpness))
    mask = draw_mask(smooth(landmarks, 0.7), size, rng, config.mask, shapes=[LOWER_FACE])
    return blend(frames, warped, mask), mask

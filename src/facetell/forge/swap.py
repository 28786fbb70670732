"""Face swaps and lip-sync: the face of another person, or the mouth of another moment, warped onto the target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from facetell.forge import mesh
from facetell.forge.blended import Forgery
from facetell.forge.colour import SharpnessConfig, apply_sharpness, blend, draw_sharpness, match_colour
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import face_width, reflected, similarity, smooth, transform
from facetell.forge.reenact import Donor
from facetell.forge.warp import border_points, face_fields, remap_fields
from facetell.types import FloatArray, UInt8Array

# Eyes, brows and nose, which do not move in speech.
STABLE = np.concatenate([mesh.INNER[: -len(mesh.LIPS_OUTER) - 2], mesh.NOSE])
MOUTH = np.intersect1d(mesh.CONTROL, np.concatenate([mesh.LIPS_OUTER, mesh.LIPS_INNER, mesh.CHIN]))


@dataclass(frozen=True, slots=True)
class SwapConfig:
    """Ranges of swaps and mouth edits (ours)."""

    still: float = 0.3  # chance that one frame of the donor is used for the whole clip
    colour: float = 0.85  # chance that colours are matched (Reinhard in Lab)
    poisson: float = 0.15  # chance of Poisson blending instead of feathering
    smoothing: tuple[float, float] = (0.0, 1.2)  # of the target's landmarks, in frames
    sharpness: SharpnessConfig = field(default_factory=lambda: SharpnessConfig(quarter=0.0))
    whole: float = 0.5  # chance that the whole face is replaced, else brows to mouth
    whole_scale: tuple[float, float] = (0.84, 0.97)  # size of the mask (above 1 the donor's background shows)
    inner_scale: tuple[float, float] = (0.98, 1.12)
    mask: MaskConfig = field(default_factory=lambda: MaskConfig(softness=(0.015, 0.05)))


def swap(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: SwapConfig, donor: Donor | None
) -> Forgery:
    """The face of the donor warped onto the target's landmarks; without one, the clip's own face of other moments."""
    count, size = len(frames), frames.shape[1:3]
    images, faces = (frames, landmarks) if donor is None else donor
    order = reflected(int(rng.integers(max(1, len(images)))) + np.arange(count), len(images))
    if rng.random() < config.still:
        order = np.full(count, order[0])
    calm = smooth(landmarks, rng.uniform(*config.smoothing))
    warped = carry(images[order], faces[order], calm, size)
    whole = rng.random() < config.whole
    ranges = replace(config.mask, scale=config.whole_scale if whole else config.inner_scale)
    mask = draw_mask(calm, size, rng, ranges, shapes=[np.arange(mesh.POINTS) if whole else mesh.INNER])
    if rng.random() < config.colour:
        warped = match_colour(warped, frames, mask)
    warped = apply_sharpness(warped, draw_sharpness(rng, config.sharpness))
    mix = poisson_blend if rng.random() < config.poisson else blend
    return mix(frames, warped, mask), mask


def carry(images: UInt8Array, faces: FloatArray, goals: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Images (T, h, w, 3) with landmarks ``faces`` warped onto ``goals`` (T, 468, 2): frames (T, H, W, 3)."""
    border = border_points(size)
    outside = np.stack([transform(border, similarity(g, f)) for g, f in zip(goals, faces, strict=True)])
    return remap_fields(images, face_fields(size, face_width(goals), goals, faces, border, outside), size)


def poisson_blend(target: UInt8Array, source: UInt8Array, mask: FloatArray) -> UInt8Array:
    """Blend gradients (Pérez et al. 2003, OpenCV's seamlessClone) where the mask exceeds a half.

    A frame whose mask reaches the border, where no boundary colour is known, is feathered instead.
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


def mouth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: SwapConfig) -> Forgery:
    """The lower face of another moment of the same clip, as in lip-sync forgeries."""
    count, size, calm = len(frames), frames.shape[1:3], smooth(landmarks, 0.7)
    offset = int(rng.integers(max(1, count // 3), max(2, count)))
    direction = 1 if rng.random() < 0.5 else -1
    order = reflected(offset + direction * np.arange(count), count)
    goals = calm.copy()
    for t, other in enumerate(order):
        goals[t, MOUTH] = transform(landmarks[other, MOUTH], similarity(landmarks[other, STABLE], landmarks[t, STABLE]))
    warped = apply_sharpness(carry(frames[order], landmarks[order], goals, size), draw_sharpness(rng, config.sharpness))
    mask = draw_mask(calm, size, rng, config.mask, shapes=[mesh.LOWER_FACE])
    return blend(frames, warped, mask), mask

"""Self-blended video: a clip pasted into itself, a little changed. The face of nobody else is needed.

Self-blended images (arXiv 2204.08376) with the parameters drawn once a clip and replayed on every frame, on smoothed
landmarks (FakeSTormer). ``cut`` draws them anew within the clip, ``breathe`` lets the mask pulse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from facetell.forge.colour import (
    ColourConfig,
    SharpnessConfig,
    apply_colour,
    apply_sharpness,
    blend,
    draw_colour,
    draw_sharpness,
)
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import centers, face_width, smooth
from facetell.types import FloatArray, UInt8Array


@dataclass(frozen=True, slots=True)
class BlendedConfig:
    """Ranges of self-blending (self-blended images, arXiv 2204.08376).

    ``shift_x``, ``shift_y`` and ``scale`` are half-widths in face widths; ``ratios`` the blend ratios drawn from;
    ``smoothing`` the standard deviation of landmark smoothing in frames; ``breath`` that of the mask's size where it
    breathes.
    """

    mask: MaskConfig = field(default_factory=MaskConfig)
    colour: ColourConfig = field(default_factory=ColourConfig)
    sharpness: SharpnessConfig = field(default_factory=SharpnessConfig)
    shift_x: float = 0.03
    shift_y: float = 0.015
    scale: float = 0.05
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
    smoothing: float = 1.0
    breath: float = 0.02


def self_blend(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: BlendedConfig
) -> tuple[UInt8Array, FloatArray]:
    """One set of parameters for the whole clip. Returns forged frames (T, H, W, 3) and their mask (T, H, W)."""
    return _self_blend(frames, smooth(landmarks, config.smoothing), rng, config, None)


def cut(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: BlendedConfig
) -> tuple[UInt8Array, FloatArray]:
    """Parameters that change once or twice within the clip, as where a forger's face is lost and found again."""
    length = len(frames)
    if length < 2:
        return self_blend(frames, landmarks, rng, config)
    count = int(rng.integers(1, 3)) if length > 3 else 1
    bounds = [0, *sorted(rng.choice(np.arange(1, length), count, replace=False).tolist()), length]
    parts = [self_blend(frames[start:stop], landmarks[start:stop], rng, config) for start, stop in pairwise(bounds)]
    return np.concatenate([f for f, _ in parts]), np.concatenate([m for _, m in parts])


def breathe(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: BlendedConfig
) -> tuple[UInt8Array, FloatArray]:
    """A mask that grows and shrinks a little from frame to frame."""
    breath = 1 + config.breath * rng.standard_normal(len(frames)).astype(np.float32)
    return _self_blend(frames, smooth(landmarks, config.smoothing), rng, config, breath)


def _self_blend(
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    config: BlendedConfig,
    breath: FloatArray | None,
) -> tuple[UInt8Array, FloatArray]:
    mask = draw_mask(landmarks, frames.shape[1:3], rng, config.mask, breath=breath)
    source = apply_sharpness(
        apply_colour(frames, draw_colour(rng, config.colour)), draw_sharpness(rng, config.sharpness)
    )
    width = face_width(landmarks)
    shift = rng.uniform(-1, 1, 2) * (config.shift_x * width, config.shift_y * width)
    grown = 1 + rng.uniform(-config.scale, config.scale)
    moved = np.empty_like(frames)
    moved_mask = np.empty_like(mask)
    size = (frames.shape[2], frames.shape[1])
    for t, middle in enumerate(centers(landmarks)):
        matrix = np.hstack([grown * np.eye(2), (shift + (1 - grown) * middle)[:, None]])
        cv2.warpAffine(source[t], matrix, size, moved[t], cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        cv2.warpAffine(mask[t], matrix, size, moved_mask[t], cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    moved_mask *= np.float32(rng.choice(config.ratios))
    return blend(frames, moved, moved_mask), moved_mask

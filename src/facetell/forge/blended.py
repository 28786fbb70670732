"""Self-blended video: a clip blended into itself after small changes of colour, sharpness and place.

Self-blended images (arXiv 2204.08376) with parameters that are drawn once per clip and used on every frame, with
smoothed landmarks (FakeSTormer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from facetell.forge import colour as colours
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import centers, face_width, smooth
from facetell.forge.warp import affine
from facetell.types import FloatArray, UInt8Array

Forgery = tuple[UInt8Array, FloatArray]
"""Forged frames (T, H, W, 3) and their mask (T, H, W)."""


@dataclass(frozen=True, slots=True)
class BlendedConfig:
    """Ranges of self-blending (arXiv 2204.08376)."""

    mask: MaskConfig = field(default_factory=MaskConfig)
    colour: colours.ColourConfig = field(default_factory=colours.ColourConfig)
    sharpness: colours.SharpnessConfig = field(default_factory=colours.SharpnessConfig)
    shift_x: float = 0.03  # half-widths in face widths
    shift_y: float = 0.015
    scale: float = 0.05
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # of blending
    smoothing: float = 1.0  # of the landmarks, standard deviation in frames
    breath: float = 0.02  # standard deviation of the size of the mask in `breathe`


def self_blend(
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    config: BlendedConfig,
    breath: FloatArray | None = None,
) -> Forgery:
    """One set of parameters for the clip; ``breath`` (T,) scales the mask in each frame."""
    landmarks = smooth(landmarks, config.smoothing)
    mask = draw_mask(landmarks, frames.shape[1:3], rng, config.mask, breath=breath)
    source = colours.apply_colour(frames, colours.draw_colour(rng, config.colour))
    source = colours.apply_sharpness(source, colours.draw_sharpness(rng, config.sharpness))
    width = face_width(landmarks)
    shift = rng.uniform(-1, 1, 2) * (config.shift_x * width, config.shift_y * width)
    grown = 1 + rng.uniform(-config.scale, config.scale)
    matrices = [np.hstack([grown * np.eye(2), (shift + (1 - grown) * m)[:, None]]) for m in centers(landmarks)]
    moved, moved_mask = (
        np.stack([affine(image, matrix) for image, matrix in zip(part, matrices, strict=True)])
        for part in (source, mask)
    )
    moved_mask *= np.float32(rng.choice(config.ratios))
    return colours.blend(frames, moved, moved_mask), moved_mask


def cut(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: BlendedConfig) -> Forgery:
    """Parameters that change once or twice within the clip, as where a face is lost and detected again."""
    length = len(frames)
    if length < 2:
        return self_blend(frames, landmarks, rng, config)
    count = int(rng.integers(1, 3)) if length > 3 else 1
    bounds = [0, *sorted(rng.choice(np.arange(1, length), count, replace=False).tolist()), length]
    parts = [self_blend(frames[start:stop], landmarks[start:stop], rng, config) for start, stop in pairwise(bounds)]
    return np.concatenate([f for f, _ in parts]), np.concatenate([m for _, m in parts])


def breathe(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: BlendedConfig) -> Forgery:
    """A mask whose size changes from frame to frame."""
    breath = 1 + config.breath * rng.standard_normal(len(frames)).astype(np.float32)
    return self_blend(frames, landmarks, rng, config, breath)

"""Temporal forgeries: each frame is plausible, but does not follow from the frame before.

An independent error of variance s² per frame has 6 s² in the second difference, which a second-order motion block
measures, while the smooth motion of a head nearly vanishes there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facetell.forge import mesh
from facetell.forge.blended import Forgery
from facetell.forge.colour import apply_colour, blend
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import IndexArray, centers, face_width, similarity, smooth
from facetell.forge.warp import affine, border_points, bump_field, face_fields, grid_nodes, remap_fields
from facetell.types import FloatArray, UInt8Array

FEATURES = (*mesh.EYES, *mesh.BROWS, mesh.NOSE, mesh.LIPS_OUTER, mesh.CHIN, mesh.CHEEKS[::2], mesh.CHEEKS[1::2])


@dataclass(frozen=True, slots=True)
class TemporalConfig:
    """Ranges of the temporal forgeries (ours), lengths in face widths."""

    mask: MaskConfig = field(default_factory=lambda: MaskConfig(0.5, 0.5, 0, 0, 0, softness=(0.02, 0.08)))
    drift: tuple[float, float] = (0.003, 0.012)  # standard deviation of the displacement of a feature
    drift_memory: tuple[float, float] = (0.0, 0.8)  # share of a displacement that remains in the next frame
    drift_radius: tuple[float, float] = (0.12, 0.22)
    jitter: tuple[float, float] = (0.005, 0.015)  # standard deviation of shift, rotation and scale
    flicker: tuple[float, float] = (0.03, 0.08)  # standard deviation of gain and blend ratio
    oversmooth: tuple[float, float] = (1.5, 4.0)  # standard deviation of the smoothing in frames
    repeats: tuple[float, float] = (0.15, 0.5)  # share of frames with the inner face of another frame


def feature_centres(landmarks: FloatArray) -> FloatArray:
    """Centres (T, K, 2) of the facial :data:`FEATURES` of landmarks (T, 468, 2)."""
    return np.stack([landmarks[:, feature].mean(axis=1) for feature in FEATURES], axis=1)


def drift(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """Eyes, brows, nose, mouth, chin and cheeks move a little, independently of each other."""
    width = face_width(landmarks)
    moves = coloured_noise(rng, (len(frames), len(FEATURES), 2), rng.uniform(*config.drift_memory))
    moves *= rng.uniform(*config.drift) * width
    nodes = grid_nodes(frames.shape[1:3], width)
    field = bump_field(nodes, feature_centres(landmarks), moves, rng.uniform(*config.drift_radius) * width)
    mask = _mask(frames, smooth(landmarks, 1), rng, config)
    return blend(frames, remap_fields(frames, field), mask), mask


def jitter(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """The inner face shifts, rotates and scales a little in every frame, independently of the frame before."""
    width, sigma = face_width(landmarks), rng.uniform(*config.jitter)
    moved = []
    for frame, middle in zip(frames, centers(landmarks), strict=True):
        shift, turn, grown = rng.normal(0, sigma * width, 2), rng.normal(0, sigma), 1 + rng.normal(0, sigma)
        linear = grown * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        moved.append(affine(frame, np.hstack([linear, (middle + shift - linear @ middle)[:, None]])))
    mask = _mask(frames, smooth(landmarks, 1), rng, config)
    return blend(frames, np.stack(moved), mask), mask


def flicker(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """Colour and blend ratio of the face change from frame to frame."""
    sigma = rng.uniform(*config.flicker)
    gains = 1 + sigma * (rng.standard_normal((len(frames), 1)) + 0.5 * rng.standard_normal((len(frames), 3)))
    matrices = [np.hstack([np.diag(gain), np.zeros((3, 1))]).astype(np.float32) for gain in gains]
    tinted = [apply_colour(frame[None], matrix) for frame, matrix in zip(frames, matrices, strict=True)]
    mask = _mask(frames, smooth(landmarks, 1), rng, config)
    mask *= np.clip(1 - np.abs(rng.normal(0, sigma, len(frames))), 0, 1).astype(np.float32)[:, None, None]
    return blend(frames, np.concatenate(tinted), mask), mask


def inner_repeat(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig
) -> Forgery:
    """Some frames have the inner face of another frame: repeated, skipped or swapped, while the head moves on."""
    order = repeat_order(len(frames), rng, rng.uniform(*config.repeats))
    changed = order != np.arange(len(frames))
    mask = _mask(frames, smooth(landmarks, 1), rng, config) * changed[:, None, None]
    moved = frames.copy()
    for t in np.flatnonzero(changed):
        fit = similarity(landmarks[order[t], mesh.INNER], landmarks[t, mesh.INNER])
        moved[t] = affine(frames[order[t]], fit)
    return blend(frames, moved, mask), mask


def oversmooth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """The face follows its own low-passed motion, as one driven by smoothed parameters."""
    size = frames.shape[1:3]
    calm, border = smooth(landmarks, rng.uniform(*config.oversmooth)), border_points(size)
    fields = face_fields(size, face_width(landmarks), calm, landmarks, border, border)
    mask = _mask(frames, calm, rng, config)
    return blend(frames, remap_fields(frames, fields), mask), mask


def _mask(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> FloatArray:
    return draw_mask(landmarks, frames.shape[1:3], rng, config.mask)


def repeat_order(length: int, rng: np.random.Generator, share: float) -> IndexArray:
    """The frame that is shown in place of each frame, (T,); at least one differs if there are two frames or more."""
    order = np.arange(length)
    wanted = max(1, round(share * length)) if length > 1 else 0
    while (order != np.arange(length)).sum() < wanted:
        t, kind = int(rng.integers(1, length)), rng.integers(3)
        if kind == 0:  # a frame is held
            order[t : min(length, t + int(rng.integers(1, 4)))] = order[t - 1]
        elif kind == 1:  # two frames are swapped
            order[[t - 1, t]] = order[[t, t - 1]]
        else:  # a frame is skipped: the next one comes early
            order[t - 1] = order[t]
    return order


def coloured_noise(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> FloatArray:
    """Noise of unit variance along the first axis with correlation ``memory`` in [0, 1) to the step before."""
    noise = rng.standard_normal(shape).astype(np.float32)
    fresh = np.float32(np.sqrt(1 - memory * memory))
    for t in range(1, shape[0]):
        noise[t] = np.float32(memory) * noise[t - 1] + fresh * noise[t]
    return noise

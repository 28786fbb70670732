"""Forgeries in time: the face of each frame is right, but it does not follow from the face of the frame before.

They are what a second-order block exists to see: independent errors of variance s² a frame become 6 s² in the second
difference, while a head's own motion shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from facetell.forge.colour import apply_colour, blend
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import (
    CHEEKS,
    CHIN,
    CONTROL,
    INNER,
    LEFT_BROW,
    LEFT_EYE,
    LIPS_OUTER,
    NOSE,
    RIGHT_BROW,
    RIGHT_EYE,
    centers,
    face_width,
    similarity,
    smooth,
)
from facetell.forge.warp import border_points, bump_field, grid_nodes, remap_field, spline_field
from facetell.types import FloatArray, UInt8Array

FEATURES = (RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW, NOSE, LIPS_OUTER, CHIN, CHEEKS[::2], CHEEKS[1::2])


@dataclass(frozen=True, slots=True)
class TemporalConfig:
    """Ranges of the temporal forgeries (ours). Lengths are in face widths.

    ``drift``: standard deviation of a feature's displacement in a frame; ``drift_memory``: how much of it is left in
    the next frame; ``drift_radius``: reach of a feature; ``jitter``: standard deviation of the inner face's shift and
    of its turn and scale; ``flicker``: standard deviation of gain and of the blend ratio; ``oversmooth``: standard
    deviation in frames of the low-pass over the landmarks; ``repeats``: share of frames whose inner face is another
    frame's.
    """

    mask: MaskConfig = field(
        default_factory=lambda: MaskConfig(hull=0.5, inner=0.5, lower=0, regions=0, random=0, softness=(0.02, 0.08))
    )
    drift: tuple[float, float] = (0.003, 0.012)
    drift_memory: tuple[float, float] = (0.0, 0.8)
    drift_radius: tuple[float, float] = (0.12, 0.22)
    jitter: tuple[float, float] = (0.005, 0.015)
    flicker: tuple[float, float] = (0.03, 0.08)
    oversmooth: tuple[float, float] = (1.5, 4.0)
    repeats: tuple[float, float] = (0.15, 0.5)


Forgery = tuple[UInt8Array, FloatArray]


def feature_centres(landmarks: FloatArray) -> FloatArray:
    """Middles of the facial :data:`FEATURES` (T, K, 2) in a face mesh (T, 468, 2)."""
    return np.stack([landmarks[:, feature].mean(axis=1) for feature in FEATURES], axis=1)


def drift(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """Eyes, brows, nose, mouth and cheeks each wander a little on their own."""
    width = face_width(landmarks)
    points = feature_centres(landmarks)
    wander = coloured_noise(rng, (len(frames), len(FEATURES), 2), rng.uniform(*config.drift_memory))
    wander *= rng.uniform(*config.drift) * width
    field = bump_field(grid_nodes(frames.shape[1:3], width), points, wander, rng.uniform(*config.drift_radius) * width)
    warped = np.stack([remap_field(frame, part) for frame, part in zip(frames, field, strict=True)])
    mask = draw_mask(smooth(landmarks, 1), frames.shape[1:3], rng, config.mask)
    return blend(frames, warped, mask), mask


def jitter(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """The inner face shifts, turns and grows a little in every frame, independent of the frame before."""
    width = face_width(landmarks)
    sigma = rng.uniform(*config.jitter)
    moved = np.empty_like(frames)
    for t, middle in enumerate(centers(landmarks)):
        shift, turn, grown = rng.normal(0, sigma * width, 2), rng.normal(0, sigma), 1 + rng.normal(0, sigma)
        linear = grown * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = np.hstack([linear, (middle + shift - linear @ middle)[:, None]])
        _affine(frames[t], matrix, moved[t])
    mask = draw_mask(smooth(landmarks, 1), frames.shape[1:3], rng, config.mask)
    return blend(frames, moved, mask), mask


def flicker(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """The face's colour, and how strongly it is blended in, change from frame to frame."""
    sigma = rng.uniform(*config.flicker)
    gains = 1 + sigma * (rng.standard_normal((len(frames), 1)) + 0.5 * rng.standard_normal((len(frames), 3)))
    tinted = np.empty_like(frames)
    for t, gain in enumerate(gains):
        matrix = np.hstack([np.diag(gain), np.zeros((3, 1))]).astype(np.float32)
        tinted[t] = apply_colour(frames[t : t + 1], matrix)[0]
    mask = draw_mask(smooth(landmarks, 1), frames.shape[1:3], rng, config.mask)
    mask *= np.clip(1 - np.abs(rng.normal(0, sigma, len(frames))), 0, 1).astype(np.float32)[:, None, None]
    return blend(frames, tinted, mask), mask


def inner_repeat(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig
) -> Forgery:
    """Some frames carry the inner face of another: repeated, dropped or swapped, while the head moves on."""
    order = repeat_order(len(frames), rng, rng.uniform(*config.repeats))
    mask = draw_mask(smooth(landmarks, 1), frames.shape[1:3], rng, config.mask)
    mask[order == np.arange(len(frames))] = 0
    moved = frames.copy()
    for t in np.flatnonzero(order != np.arange(len(frames))):
        _affine(frames[order[t]], similarity(landmarks[order[t], INNER], landmarks[t, INNER]), moved[t])
    return blend(frames, moved, mask), mask


def repeat_order(length: int, rng: np.random.Generator, share: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which frame each frame's inner face comes from, (T,): at least one differs where there are two frames or more."""
    order = np.arange(length)
    if length < 2:
        return order
    wanted = max(1, round(share * length))
    while (order != np.arange(length)).sum() < wanted:
        t = int(rng.integers(1, length))
        kind = rng.integers(3)
        if kind == 0:  # a face held for some frames
            stop = min(length, t + int(rng.integers(1, 4)))
            order[t:stop] = order[t - 1]
        elif kind == 1:  # two frames in the wrong order
            order[[t - 1, t]] = order[[t, t - 1]]
        else:  # one face skipped: the next one comes early
            order[t - 1] = order[t]
    return order


def oversmooth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TemporalConfig) -> Forgery:
    """The face follows its own motion too smoothly, as one driven by low-passed parameters does."""
    size = frames.shape[1:3]
    calm = smooth(landmarks, rng.uniform(*config.oversmooth))
    border = np.repeat(border_points(size)[None], len(frames), axis=0)
    to = np.concatenate([calm[:, CONTROL], border], axis=1)
    source = np.concatenate([landmarks[:, CONTROL], border], axis=1)
    field = spline_field(grid_nodes(size, face_width(landmarks)), to, source)
    warped = np.stack([remap_field(frame, part) for frame, part in zip(frames, field, strict=True)])
    mask = draw_mask(calm, size, rng, config.mask)
    return blend(frames, warped, mask), mask


def coloured_noise(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> FloatArray:
    """Noise of unit variance along the first axis, of which the share ``memory`` in [0, 1) lasts to the next step."""
    noise = rng.standard_normal(shape).astype(np.float32)
    fresh = np.float32(np.sqrt(1 - memory * memory))
    for t in range(1, shape[0]):
        noise[t] = np.float32(memory) * noise[t - 1] + fresh * noise[t]
    return noise


def _affine(image: UInt8Array, matrix: FloatArray, out: UInt8Array) -> None:
    height, width = image.shape[:2]
    cv2.warpAffine(image, matrix, (width, height), out, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)

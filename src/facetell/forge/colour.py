"""Colour and sharpness changes of a whole clip, and blending of two clips by a mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facetell.types import FloatArray, UInt8Array

LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class ColourConfig:
    """Half-widths of the ranges of a colour mismatch (self-blended images, arXiv 2204.08376).

    ``rgb`` in grey levels of 255; ``hue`` in degrees (ours: the ±.3 of the paper is in the units of a library and
    almost nothing); ``brightness`` as a share of 255; the others relative. ``probability`` of each part.
    """

    rgb: float = 20.0
    hue: float = 4.0
    saturation: float = 0.3
    value: float = 0.05
    brightness: float = 0.1
    contrast: float = 0.1
    probability: float = 0.5


def draw_colour(rng: np.random.Generator, config: ColourConfig) -> FloatArray:
    """A random colour change as a 3 x 4 matrix on RGB in [0, 255].

    One strength, uniform in [0, 1], scales all ranges: the full range is reached, but most changes are subtle.
    """
    strength = rng.random()
    matrix = np.eye(3, 4)
    if rng.random() < config.probability:
        matrix[:, 3] += strength * rng.uniform(-config.rgb, config.rgb, 3)
    if rng.random() < config.probability:
        gain, saturation = 1 + strength * rng.uniform(-1, 1, 2) * (config.value, config.saturation)
        turn = strength * np.deg2rad(rng.uniform(-config.hue, config.hue))
        matrix = gain * _chroma_matrix(saturation, turn) @ matrix
    if rng.random() < config.probability:
        contrast = 1 + strength * rng.uniform(-config.contrast, config.contrast)
        lift = 255 * strength * rng.uniform(-config.brightness, config.brightness)
        matrix *= contrast
        matrix[:, 3] += 127.5 * (1 - contrast) + lift
    return matrix.astype(np.float32)


def _chroma_matrix(saturation: float, turn: float) -> FloatArray:
    """Scales colours about their luma by ``saturation`` and rotates them about the grey axis by ``turn`` radians."""
    grey = np.tile(LUMA, (3, 1))
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = np.cos(turn) * np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * axis
    return np.asarray((grey + saturation * (np.eye(3) - grey)) @ rotation)


def apply_colour(frames: UInt8Array, matrix: FloatArray) -> UInt8Array:
    """Frames (T, H, W, 3) transformed by a 3 x 4 colour matrix, clipped to [0, 255]."""
    count, height, width, _ = frames.shape
    flat = cv2.transform(np.ascontiguousarray(frames).reshape(count * height, width, 3), matrix)
    return np.asarray(flat, dtype=np.uint8).reshape(frames.shape)


@dataclass(frozen=True, slots=True)
class SharpnessConfig:
    """A sharpness mismatch: shrinking by 2 or 4 and enlarging, or sharpening by ``amount`` (arXiv 2204.08376)."""

    probability: float = 0.6
    shrink: float = 0.5
    quarter: float = 0.25
    amount: tuple[float, float] = (0.2, 0.8)


def draw_sharpness(rng: np.random.Generator, config: SharpnessConfig) -> float:
    """A change of sharpness: 1/2 or 1/4 shrinks and enlarges, 1 + amount sharpens, 1 changes nothing."""
    if rng.random() >= config.probability:
        return 1.0
    if rng.random() < config.shrink:
        return 0.25 if rng.random() < config.quarter else 0.5
    return 1 + float(rng.uniform(*config.amount))


def apply_sharpness(frames: UInt8Array, change: float) -> UInt8Array:
    """Frames (T, H, W, 3) shrunk and enlarged (``change`` < 1), sharpened (> 1) or returned as they are (1)."""
    if change == 1.0:
        return frames
    height, width = frames.shape[1:3]
    size = (max(1, round(width * change)), max(1, round(height * change)))
    changed = np.empty_like(frames)
    for frame, out in zip(frames, changed, strict=True):
        if change < 1:
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            cv2.resize(small, (width, height), out, interpolation=cv2.INTER_LINEAR)
        else:
            cv2.addWeighted(frame, change, cv2.GaussianBlur(frame, (0, 0), 1.2), 1 - change, 0, out)
    return changed


def blend(target: UInt8Array, source: UInt8Array, mask: FloatArray) -> UInt8Array:
    """``source`` over ``target`` (T, H, W, 3) by ``mask`` (T, H, W); where the mask is 0 no pixel changes."""
    mixed = [cv2.blendLinear(over, under, a, 1 - a) for under, over, a in zip(target, source, mask, strict=True)]
    return np.asarray(mixed, dtype=np.uint8)


def match_colour(source: UInt8Array, target: UInt8Array, mask: FloatArray) -> UInt8Array:
    """``source`` (T, H, W, 3) with the mean and standard deviation of ``target`` in Lab, one change for the clip.

    Reinhard et al., Color Transfer between Images (2001), in CIE Lab. The statistics are those of every fourth frame
    where ``mask`` (T, H, W) exceeds 0.5, or of the whole frame where it never does.
    """
    lab, goal = (np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2LAB) for frame in clip]) for clip in (source, target[::4]))
    inside = mask[::4] > 0.5
    inside = inside if inside.any() else np.ones_like(inside)
    (mean, spread), (goal_mean, goal_spread) = (
        (values.mean(axis=0), values.std(axis=0)) for values in (p[inside].astype(np.float32) for p in (lab[::4], goal))
    )
    gain = np.clip(goal_spread / np.maximum(spread, 1.0), 0.5, 2.0)
    matrix = np.hstack([np.diag(gain), (goal_mean - gain * mean)[:, None]]).astype(np.float32)
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_LAB2RGB) for frame in apply_colour(lab, matrix)])

"""Painting what a portrait does not show: the inside of a mouth, and closed lids."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.forge.mesh import (
    EYES,
    INNER,
    LEFT_BROW,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    eye_opening,
    mouth_opening,
)
from facetell.types import FloatArray, UInt8Array

BROWS = (RIGHT_BROW, LEFT_BROW)
Still = tuple[UInt8Array, FloatArray]
"""A picture (H, W, 3) and the landmarks (468, 2) in it."""


def paint_mouth(frames: UInt8Array, portrait: Still, goals: FloatArray, opened: Still | None, teeth: bool) -> None:
    """Fill a mouth that opens further than the portrait's, in place.

    Args:
        frames: the animated portrait (T, H, W, 3).
        portrait: picture and landmarks.
        goals: landmarks of ``frames``, (T, 468, 2).
        opened: a picture that shows the open mouth: its inside is stretched to fit. None: one is painted.
        teeth: whether the painted mouth has them.
    """
    picture, rest = portrait
    known = max(0.01, float(mouth_opening(rest[None])[0]))
    lips, skin = _mean_colour(picture, rest[LIPS_OUTER]), _mean_colour(picture, rest[INNER])
    for frame, ring, opening in zip(frames, goals[:, LIPS_INNER], mouth_opening(goals), strict=True):
        strength = float(np.clip((opening - known) / 0.025, 0, 1))
        if strength <= 0:
            continue
        if opened is not None:
            _fill(frame, ring, _stretched(opened, ring, (frame.shape[0], frame.shape[1])), strength)
            continue
        _fill(frame, ring, 0.35 * lips, strength)
        if teeth:
            upper, lower = ring[:11], np.concatenate([ring[10:], ring[:1]])[::-1]
            band = np.concatenate([upper[1:-1], (0.45 * upper + 0.55 * lower)[1:-1][::-1]])
            enamel = 0.95 * skin.mean() + np.array([6, 2, -4], np.float32)
            _fill(frame, band, enamel, 0.85 * strength)


def most_opened(landmarks: FloatArray, rest: FloatArray) -> int | None:
    """The frame of (T, 468, 2) whose mouth is open widest; None if that is not clearly more than in ``rest``."""
    openings = mouth_opening(landmarks)
    widest = int(np.argmax(openings))
    return widest if openings[widest] > mouth_opening(rest[None])[0] + 0.02 else None


def _stretched(opened: Still, ring: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """The picture of an open mouth moved so that its inner lips come to lie on ``ring`` (20, 2)."""
    picture, landmarks = opened
    source = np.hstack([landmarks[LIPS_INNER], np.ones((len(LIPS_INNER), 1), np.float32)])
    matrix = np.linalg.lstsq(source, ring, rcond=None)[0].T
    moved = cv2.warpAffine(picture, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)


def paint_lids(frames: UInt8Array, rest: FloatArray, goals: FloatArray) -> None:
    """Paint skin over an eye that closes further than in ``rest`` (468, 2), in place."""
    known = eye_opening(rest[None])[0]
    openings = eye_opening(goals)
    for side in range(2):
        start = 0.55 * max(float(known[side]), 0.05)
        for frame, points, opening in zip(frames, goals, openings[:, side], strict=True):
            strength = float(np.clip((start - opening) / start, 0, 1))
            if strength > 0:
                eye = points[EYES[side]]
                lid = (eye.mean(axis=0) + points[BROWS[side]].mean(axis=0)) / 2
                _fill(frame, eye, _mean_colour(frame, lid + np.array([[-1, 0], [1, 0]])), strength)


def _mean_colour(image: UInt8Array, points: FloatArray) -> FloatArray:
    """Mean colour (3,) of the pixels at ``points`` (K, 2)."""
    x = np.round(points[:, 0]).astype(int).clip(0, image.shape[1] - 1)
    y = np.round(points[:, 1]).astype(int).clip(0, image.shape[0] - 1)
    return np.asarray(image[y, x].mean(axis=0, dtype=np.float64))


def _fill(image: UInt8Array, polygon: FloatArray, content: UInt8Array | FloatArray, strength: float) -> None:
    """Fill a polygon (K, 2) softly, in place, with a colour (3,) or with another picture of the same size."""
    low = np.floor(polygon.min(axis=0)).astype(int) - 3
    high = np.ceil(polygon.max(axis=0)).astype(int) + 4
    x0, y0 = np.clip(low, 0, None)
    x1, y1 = np.minimum(high, (image.shape[1], image.shape[0]))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    alpha = np.zeros((y1 - y0, x1 - x0), np.float32)
    cv2.fillPoly(alpha, [np.round((polygon - (x0, y0)) * 16).astype(np.int32)], strength, cv2.LINE_8, 4)
    blurred = cv2.GaussianBlur(alpha, (0, 0), max(0.6, 0.06 * float(np.ptp(polygon[:, 1]))))
    alpha = np.asarray(blurred, dtype=np.float32)[..., None]
    patch = image[y0:y1, x0:x1]
    wanted = content if content.ndim == 1 else content[y0:y1, x0:x1]
    under = patch.astype(np.float32)
    patch[...] = np.clip(np.rint(under + alpha * (wanted.astype(np.float32) - under)), 0, 255)

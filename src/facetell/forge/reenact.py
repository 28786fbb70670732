"""Single-image reenactment: one frame of a clip, animated by landmarks, as talking heads are made from a portrait.

Nothing is blended in, so there is no seam. The traces are temporal: a frozen texture that stretches with the warp, a
background that is still or moves with the head, a synthesised mouth, motion that is too smooth or noisy.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.faces.regions import BROWS, EYES, LIPS_OUTER, OVAL
from facetell.forge import mesh
from facetell.forge import pixels as px
from facetell.forge.mesh import eye_opening, face_width, mouth_opening, reflected, similarity, smooth, transform
from facetell.types import FloatArray, UInt8Array

Donor = tuple[UInt8Array, FloatArray]
"""Frames (D, H, W, 3) of another person and their landmarks (D, 468, 2)."""
Still = tuple[UInt8Array, FloatArray]
"""An image (H, W, 3) and its landmarks (468, 2)."""


class Performance:
    """A portrait that follows landmarks ``goals`` (T, 468, 2); ``opened`` is an image of the open mouth, if any."""

    def __init__(self, portrait: Still, goals: FloatArray, opened: Still | None, rng: np.random.Generator) -> None:
        change = float(rng.uniform(0.6, 1.4))
        self.portrait, self.goals = portrait, _perturbed(goals, rng)
        self.opened = opened if rng.random() < 0.7 else None
        # The share of the head's motion that the background has.
        self.follow = float(rng.uniform(0.1, 0.7)) if rng.random() < 0.5 else 0.0
        self.teeth = bool(rng.random() < 0.75)
        self.sharpness = change if abs(change - 1) > 0.1 else 1.0  # below 1 blurs
        self.texture = float(rng.uniform(0.0, 2.0))  # error in every frame, in grey levels

    def render(self, rng: np.random.Generator, start: int = 0, stop: int | None = None) -> UInt8Array:
        """Frames ``start`` to ``stop``, (T, H, W, 3); ``rng`` draws the per-frame error."""
        goals = self.goals[start:stop]
        frames = animate(*self.portrait, goals, self.follow)
        paint_mouth(frames, self.portrait, goals, self.opened, self.teeth)
        paint_lids(frames, self.portrait[1], goals)
        frames = px.apply_sharpness(frames, self.sharpness)
        return frames if self.texture < 0.3 else _with_error(frames, rng, 1.6 * self.texture)


def reenact(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, donor: Donor | None = None
) -> px.Forgery:
    """One frame of the clip, animated by the motion of the clip or of the donor; mostly without blending."""
    openings = eye_opening(landmarks).min(axis=1)
    source = int(rng.choice(np.flatnonzero(openings >= np.median(openings))))  # a portrait has open eyes
    whole = rng.random() < 0.8
    goals = landmarks
    if donor is not None and whole and rng.random() < 0.5:
        start = int(rng.integers(max(1, len(donor[1]) - len(frames) + 1)))
        goals = borrowed_motion(landmarks[source], donor[1], start, len(frames))
    widest = most_opened(landmarks, landmarks[source])
    opened = None if widest is None else (frames[widest], landmarks[widest])
    performance = Performance((frames[source], landmarks[source]), goals, opened, rng)
    animated = performance.render(rng)
    if whole:
        return animated, np.ones(frames.shape[:3], np.float32)
    mask = px.draw_mask(performance.goals, frames.shape[1:3], rng, families=(1, 0, 0, 0, 0), softness=px.SOFT)
    return px.blend(frames, animated, mask), mask


def borrowed_motion(portrait: FloatArray, driver: FloatArray, start: int, length: int) -> FloatArray:
    """The motion of ``driver`` (D, 468, 2) on the face ``portrait`` (468, 2): landmarks (length, 468, 2).

    As in first-order motion models: relative to the driver's frame that is most like the portrait.
    """
    part = driver[reflected(start + np.arange(length), len(driver))]
    fits = [similarity(frame, portrait) for frame in part]
    errors = [float(np.square(transform(f, fit) - portrait).sum()) for f, fit in zip(part, fits, strict=True)]
    rest = int(np.argmin(errors))
    return np.asarray(portrait + (part - part[rest]) @ fits[rest][:, :2].T, dtype=np.float32)


def _perturbed(goals: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Driving landmarks as a network predicts them: too smooth, noisy, or neither."""
    chance = rng.random()
    if chance < 0.45:
        return smooth(goals, rng.uniform(0.8, 2.5))
    if chance >= 0.45 + 0.4:
        return goals
    sigma = rng.uniform(0.001, 0.005) * face_width(goals)
    noisy = goals + sigma * 0.5 * mesh.coloured_noise(rng, (len(goals), 1, 2), 0.3)
    for feature in mesh.FEATURES:
        noisy[:, feature] += sigma * mesh.coloured_noise(rng, (len(goals), 1, 2), 0.3)
    return np.asarray(noisy, dtype=np.float32)


def animate(portrait: UInt8Array, rest: FloatArray, goals: FloatArray, follow: float) -> UInt8Array:
    """One image (H, W, 3) with landmarks ``rest`` (468, 2) moved to ``goals`` (T, 468, 2): frames (T, H, W, 3).

    ``follow`` in [0, 1] is the share of the head's motion that the border has; 0 freezes the background.
    """
    size = portrait.shape[:2]
    border = px.border_points(size)
    edge = border + follow * (goals[:, OVAL] - rest[OVAL]).mean(axis=1)[:, None]
    fields = px.face_fields(size, face_width(goals), goals, np.broadcast_to(rest, goals.shape), edge, border)
    return px.remap_fields([portrait] * len(goals), fields)


def _with_error(frames: UInt8Array, rng: np.random.Generator, sigma: float) -> UInt8Array:
    """Frames with a smooth grey error of standard deviation ``sigma`` that is new in every frame."""
    height, width = frames.shape[1:3]
    result = np.empty_like(frames)
    for frame, out in zip(frames, result, strict=True):
        coarse = rng.normal(0, sigma, (height // 3 + 1, width // 3 + 1)).astype(np.float32)
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        out[...] = np.clip(np.rint(frame + noise[..., None]), 0, 255)
    return result


def paint_mouth(frames: UInt8Array, portrait: Still, goals: FloatArray, opened: Still | None, teeth: bool) -> None:
    """Fill a mouth in ``frames`` with landmarks ``goals``, open wider than that of the portrait, in place.

    The mouth ``opened`` is stretched to fit; without one, the inside is synthesised, with or without ``teeth``.
    """
    image, rest = portrait
    known = max(0.01, float(mouth_opening(rest[None])[0]))
    lips, skin = _mean_colour(image, rest[LIPS_OUTER]), _mean_colour(image, rest[mesh.INNER])
    for frame, ring, opening in zip(frames, goals[:, mesh.LIPS_INNER], mouth_opening(goals), strict=True):
        strength = float(np.clip((opening - known) / 0.025, 0, 1))
        if strength <= 0:
            continue
        if opened is not None:
            source = np.hstack([opened[1][mesh.LIPS_INNER], np.ones((len(ring), 1), np.float32)])
            _fill(frame, ring, px.affine(opened[0], np.linalg.lstsq(source, ring, rcond=None)[0].T), strength)
            continue
        _fill(frame, ring, 0.35 * lips, strength)
        if teeth:
            upper, lower = ring[:11], np.concatenate([ring[10:], ring[:1]])[::-1]
            band = np.concatenate([upper[1:-1], (0.45 * upper + 0.55 * lower)[1:-1][::-1]])
            _fill(frame, band, 0.95 * skin.mean() + np.array([6, 2, -4], np.float32), 0.85 * strength)


def most_opened(landmarks: FloatArray, rest: FloatArray) -> int | None:
    """The frame of (T, 468, 2) with the widest open mouth; None if it is not clearly wider than in ``rest``."""
    openings = mouth_opening(landmarks)
    widest = int(np.argmax(openings))
    return widest if openings[widest] > mouth_opening(rest[None])[0] + 0.02 else None


def paint_lids(frames: UInt8Array, rest: FloatArray, goals: FloatArray) -> None:
    """Paint skin over an eye that is closed further than in ``rest`` (468, 2), in place."""
    known, openings = eye_opening(rest[None])[0], eye_opening(goals)
    for side, (eye, brow) in enumerate(zip(EYES, BROWS, strict=True)):
        start = 0.55 * max(float(known[side]), 0.05)
        for frame, points, opening in zip(frames, goals, openings[:, side], strict=True):
            strength = float(np.clip((start - opening) / start, 0, 1))
            if strength > 0:
                lid = (points[eye].mean(axis=0) + points[brow].mean(axis=0)) / 2
                _fill(frame, points[eye], _mean_colour(frame, lid + np.array([[-1, 0], [1, 0]])), strength)


def _mean_colour(image: UInt8Array, points: NDArray[Any]) -> NDArray[np.float64]:
    """Mean colour (3,) of the pixels at ``points`` (K, 2)."""
    x, y = np.round(points).astype(int).clip(0, (image.shape[1] - 1, image.shape[0] - 1)).T
    return np.asarray(image[y, x].mean(axis=0, dtype=np.float64))


def _fill(image: UInt8Array, polygon: FloatArray, content: NDArray[Any], strength: float) -> None:
    """Fill a polygon (K, 2) with a soft edge, in place, with a colour (3,) or an image of the same size."""
    x0, y0 = (np.floor(polygon.min(axis=0)).astype(int) - 3).clip(0)
    x1, y1 = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 4, (image.shape[1], image.shape[0]))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    alpha = np.zeros((y1 - y0, x1 - x0), np.float32)
    cv2.fillPoly(alpha, [np.round((polygon - (x0, y0)) * 16).astype(np.int32)], strength, cv2.LINE_8, 4)
    soft = cv2.GaussianBlur(alpha, (0, 0), max(0.6, 0.06 * float(np.ptp(polygon[:, 1]))))[..., None]
    patch = image[y0:y1, x0:x1]
    wanted = content if content.ndim == 1 else content[y0:y1, x0:x1]
    under = patch.astype(np.float32)
    patch[...] = np.clip(np.rint(under + soft * (wanted.astype(np.float32) - under)), 0, 255)

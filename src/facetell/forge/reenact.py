"""Single-frame reenactment: one picture of a face, moved by landmarks: the model of talking heads made from a portrait.

Nothing is blended in, so there is no seam to find. What gives it away is in time: the texture of skin and hair is
frozen and stretches with the warp, shadows do not move, the background stands still or swims with the head, the mouth
is painted, motion is too smooth or trembles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from facetell.forge.colour import apply_sharpness, blend
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import (
    CONTROL,
    OVAL,
    eye_opening,
    face_width,
    similarity,
    smooth,
    transform,
)
from facetell.forge.paint import Still, most_opened, paint_lids, paint_mouth
from facetell.forge.temporal import FEATURES, coloured_noise
from facetell.forge.warp import border_points, grid_nodes, remap_field, spline_field
from facetell.types import FloatArray, UInt8Array

Donor = tuple[UInt8Array, FloatArray]


@dataclass(frozen=True, slots=True)
class ReenactConfig:
    """Ranges of single-frame reenactment (ours). Lengths are in face widths.

    ``donor_motion``: chance that another person's motion drives the face, where one is given; ``whole``: chance that
    the whole frame is warped without a seam, else the face is blended into the clip's own frames; ``smooth``: chance
    that the driving landmarks are low-passed by ``smoothing`` frames; ``noisy``: chance of per-frame ``noise`` of the
    features; ``follow``: how far the background swims with the head (0 in half of the clips); ``inside``: chance that
    the inside of the mouth is borrowed from the frame that shows it best, else it is painted, with ``teeth`` by that
    chance; ``finish``: sharpness change of the decoder (below 1 blurs); ``texture``: grey levels of a
    decoder's per-frame error.
    """

    donor_motion: float = 0.5
    whole: float = 0.8
    smooth: float = 0.45
    noisy: float = 0.4
    smoothing: tuple[float, float] = (0.8, 2.5)
    noise: tuple[float, float] = (0.001, 0.005)
    follow: tuple[float, float] = (0.1, 0.7)
    inside: float = 0.7
    teeth: float = 0.75
    finish: tuple[float, float] = (0.6, 1.4)
    texture: tuple[float, float] = (0.0, 2.0)
    mask: MaskConfig = field(
        default_factory=lambda: MaskConfig(hull=1, inner=0, lower=0, regions=0, random=0, softness=(0.02, 0.08))
    )


@dataclass(frozen=True, slots=True)
class Performance:
    """A portrait and all that is needed to move it: what :func:`plan` draws and :meth:`render` plays.

    ``portrait``: picture and landmarks; ``goals`` (T, 468, 2) in its pixels; ``opened``: where there is one, a
    picture that shows the inside of the mouth.
    """

    portrait: Still
    goals: FloatArray
    opened: Still | None
    follow: float
    teeth: bool
    sharpness: float
    texture: float

    def render(self, rng: np.random.Generator, start: int = 0, stop: int | None = None) -> UInt8Array:
        """Frames ``start`` to ``stop`` of the performance, (T, H, W, 3); ``rng`` draws the decoder's error."""
        goals = self.goals[start:stop]
        frames = animate(*self.portrait, goals, self.follow)
        paint_mouth(frames, self.portrait, goals, self.opened, self.teeth)
        paint_lids(frames, self.portrait[1], goals)
        return decoder_finish(frames, rng, self.sharpness, self.texture)


def plan(
    portrait: Still, goals: FloatArray, opened: Still | None, rng: np.random.Generator, config: ReenactConfig
) -> Performance:
    """Draw how ``portrait`` follows ``goals``; ``opened`` is used as often as the configuration says."""
    change = float(rng.uniform(*config.finish))
    return Performance(
        portrait,
        _shaken(goals, rng, config),
        opened if rng.random() < config.inside else None,
        follow=float(rng.uniform(*config.follow)) if rng.random() < 0.5 else 0.0,
        teeth=bool(rng.random() < config.teeth),
        sharpness=change if abs(change - 1) > 0.1 else 1.0,
        texture=float(rng.uniform(*config.texture)),
    )


def reenact(
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    config: ReenactConfig,
    donor: Donor | None = None,
) -> tuple[UInt8Array, FloatArray]:
    """One frame of the clip, animated. Returns forged frames (T, H, W, 3) and their mask (T, H, W)."""
    source = choose_portrait(landmarks, rng)
    whole = rng.random() < config.whole
    goals = landmarks
    if donor is not None and whole and rng.random() < config.donor_motion:
        start = int(rng.integers(max(1, len(donor[1]) - len(frames) + 1)))
        goals = borrowed_motion(landmarks[source], donor[1], start, len(frames))
    widest = most_opened(landmarks, landmarks[source])
    opened = None if widest is None else (frames[widest], landmarks[widest])
    performance = plan((frames[source], landmarks[source]), goals, opened, rng, config)
    animated = performance.render(rng)
    if whole:
        return animated, np.ones(frames.shape[:3], np.float32)
    mask = draw_mask(performance.goals, frames.shape[1:3], rng, config.mask)
    return blend(frames, animated, mask), mask


def choose_portrait(landmarks: FloatArray, rng: np.random.Generator) -> int:
    """A frame with the eyes more open than in most: what a forger would choose as the portrait."""
    opening = eye_opening(landmarks).min(axis=1)
    return int(rng.choice(np.flatnonzero(opening >= np.median(opening))))


def borrowed_motion(portrait: FloatArray, driver: FloatArray, start: int, length: int) -> FloatArray:
    """The ``driver``'s motion (D, 468, 2) on the face ``portrait`` (468, 2): ``length`` frames of landmarks.

    Relative, as in first-order motion models: each point moves as the driver's moved since the frame in which the
    driver looked most like the portrait.
    """
    part = driver[reflected(start + np.arange(length), len(driver))]
    fits = [similarity(frame, portrait) for frame in part]
    errors = [float(np.square(transform(f, fit) - portrait).sum()) for f, fit in zip(part, fits, strict=True)]
    rest = int(np.argmin(errors))
    linear = fits[rest][:, :2]
    return np.asarray(portrait + (part - part[rest]) @ linear.T, dtype=np.float32)


def reflected(
    indices: np.ndarray[tuple[int], np.dtype[np.int64]], length: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Indices that run back and forth within [0, length)."""
    if length == 1:
        return np.zeros_like(indices)
    period = 2 * (length - 1)
    folded = indices % period
    return np.minimum(folded, period - folded)


def _shaken(goals: FloatArray, rng: np.random.Generator, config: ReenactConfig) -> FloatArray:
    """Driving landmarks as a network gives them: too smooth, or with an error of their own in every frame."""
    width = face_width(goals)
    chance = rng.random()
    if chance < config.smooth:
        return smooth(goals, rng.uniform(*config.smoothing))
    if chance >= config.smooth + config.noisy:
        return goals
    sigma = rng.uniform(*config.noise) * width
    shaken = goals + sigma * 0.5 * coloured_noise(rng, (len(goals), 1, 2), 0.3)
    for feature in FEATURES:
        shaken[:, feature] += sigma * coloured_noise(rng, (len(goals), 1, 2), 0.3)
    return np.asarray(shaken, dtype=np.float32)


def animate(portrait: UInt8Array, rest: FloatArray, goals: FloatArray, follow: float) -> UInt8Array:
    """One picture (H, W, 3) with landmarks ``rest`` (468, 2) moved to ``goals`` (T, 468, 2): frames (T, H, W, 3).

    ``follow`` in [0, 1]: how far the frame's edge goes with the head; at 0 the background is frozen.
    """
    size = portrait.shape[:2]
    border = border_points(size)
    shift = (goals[:, OVAL] - rest[OVAL]).mean(axis=1)
    edge = border + follow * shift[:, None]
    field_ = spline_field(
        grid_nodes(size, face_width(goals)),
        np.concatenate([goals[:, CONTROL], edge], axis=1),
        np.repeat(np.concatenate([rest[CONTROL], border])[None], len(goals), axis=0),
    )
    return np.stack([remap_field(portrait, part) for part in field_])


def decoder_finish(frames: UInt8Array, rng: np.random.Generator, sharpness: float, level: float) -> UInt8Array:
    """A decoder's hand: a little blur or sharpening, and a faint soft error of its own in every frame."""
    finished = apply_sharpness(frames, sharpness)
    if level < 0.3:
        return finished
    height, width = frames.shape[1:3]
    result = np.empty_like(finished)
    for frame, out in zip(finished, result, strict=True):
        coarse = rng.normal(0, 1.6 * level, (height // 3 + 1, width // 3 + 1)).astype(np.float32)
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        out[...] = np.clip(np.rint(frame + noise[..., None]), 0, 255)
    return result

"""The kinds of forgeries of a clip, and the mixture that training draws from.

Each kind takes frames, uint8 RGB (T, H, W, 3), landmarks (T, 468, 2) and the source of all draws. A temporal forgery is
plausible in each frame, but a frame does not follow from the one before: an independent error of variance s² per frame
has 6 s² in the second difference, which a second-order motion block measures, while the smooth motion of a head nearly
vanishes there. Lengths are in face widths; ranges without a source are ours (docs/forging.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from facetell.faces.regions import LIPS_OUTER, NOSE, IndexArray
from facetell.forge import mesh
from facetell.forge import pixels as px
from facetell.forge.mesh import FEATURES, centers, face_width, reflected, similarity, smooth, transform
from facetell.forge.pixels import Forgery, affine, blend, draw_mask
from facetell.forge.reenact import Donor, reenact
from facetell.forge.resynth import resynth
from facetell.types import FacetellError, FloatArray, UInt8Array

# Eyes, brows and nose, which do not move in speech.
STABLE = np.concatenate([mesh.INNER[: -len(LIPS_OUTER) - 2], NOSE])
MOUTH = np.intersect1d(mesh.CONTROL, np.concatenate([LIPS_OUTER, mesh.LIPS_INNER, mesh.CHIN]))


def self_blend(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, breath: FloatArray | float = 1.0
) -> Forgery:
    """Self-blended images (arXiv 2204.08376), one set of parameters for the clip and smoothed landmarks (FakeSTormer).

    The clip is blended into itself after small changes of colour, sharpness and place. ``breath`` (T,) scales the mask.
    """
    landmarks = smooth(landmarks, 1.0)
    mask = draw_mask(landmarks, frames.shape[1:3], rng, breath=breath)
    source = px.apply_colour(frames, px.draw_colour(rng))
    source = px.apply_sharpness(source, px.draw_sharpness(rng))
    width = face_width(landmarks)
    shift = rng.uniform(-1, 1, 2) * (0.03 * width, 0.015 * width)
    grown = 1 + rng.uniform(-0.05, 0.05)
    matrices = [np.hstack([grown * np.eye(2), (shift + (1 - grown) * m)[:, None]]) for m in centers(landmarks)]
    moved, moved_mask = (
        np.stack([affine(image, matrix) for image, matrix in zip(part, matrices, strict=True)])
        for part in (source, mask)
    )
    moved_mask *= np.float32(rng.choice((0.25, 0.5, 0.75, 1.0, 1.0, 1.0)))
    return blend(frames, moved, moved_mask), moved_mask


def cut(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """Self-blending whose parameters change once or twice, as where a face is lost and detected again."""
    length = len(frames)
    if length < 2:
        return self_blend(frames, landmarks, rng)
    count = int(rng.integers(1, 3)) if length > 3 else 1
    bounds = [0, *sorted(rng.choice(np.arange(1, length), count, replace=False).tolist()), length]
    parts = [self_blend(frames[start:stop], landmarks[start:stop], rng) for start, stop in pairwise(bounds)]
    return np.concatenate([f for f, _ in parts]), np.concatenate([m for _, m in parts])


def breathe(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """Self-blending with a mask whose size changes from frame to frame."""
    return self_blend(frames, landmarks, rng, 1 + 0.02 * rng.standard_normal(len(frames)).astype(np.float32))


def drift(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """Eyes, brows, nose, mouth, chin and cheeks move a little, independently of each other."""
    width, size = face_width(landmarks), frames.shape[1:3]
    # The share of a displacement that remains in the next frame, its standard deviation, and its radius.
    moves = mesh.coloured_noise(rng, (len(frames), len(FEATURES), 2), rng.uniform(0.0, 0.8))
    moves *= rng.uniform(0.003, 0.012) * width
    field = px.bump_field(size, width, mesh.feature_centres(landmarks), moves, rng.uniform(0.12, 0.22) * width)
    mask = _calm_mask(frames, landmarks, rng)
    return blend(frames, px.remap_fields(frames, field), mask), mask


def jitter(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """The inner face shifts, rotates and scales a little in every frame, independently of the frame before."""
    width, sigma = face_width(landmarks), rng.uniform(0.005, 0.015)
    moved = []
    for frame, middle in zip(frames, centers(landmarks), strict=True):
        shift, turn, grown = rng.normal(0, sigma * width, 2), rng.normal(0, sigma), 1 + rng.normal(0, sigma)
        linear = grown * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        moved.append(affine(frame, np.hstack([linear, (middle + shift - linear @ middle)[:, None]])))
    mask = _calm_mask(frames, landmarks, rng)
    return blend(frames, np.stack(moved), mask), mask


def flicker(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """Colour and blend ratio of the face change from frame to frame."""
    sigma = rng.uniform(0.03, 0.08)
    gains = 1 + sigma * (rng.standard_normal((len(frames), 1)) + 0.5 * rng.standard_normal((len(frames), 3)))
    matrices = [np.hstack([np.diag(gain), np.zeros((3, 1))]).astype(np.float32) for gain in gains]
    tinted = [px.apply_colour(frame[None], matrix) for frame, matrix in zip(frames, matrices, strict=True)]
    mask = _calm_mask(frames, landmarks, rng)
    mask *= np.clip(1 - np.abs(rng.normal(0, sigma, len(frames))), 0, 1).astype(np.float32)[:, None, None]
    return blend(frames, np.concatenate(tinted), mask), mask


def inner_repeat(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """Some frames have the inner face of another frame: repeated, skipped or swapped, while the head moves on."""
    order = repeat_order(len(frames), rng, rng.uniform(0.15, 0.5))
    changed = order != np.arange(len(frames))
    mask = _calm_mask(frames, landmarks, rng) * changed[:, None, None]
    moved = frames.copy()
    for t in np.flatnonzero(changed):
        moved[t] = affine(frames[order[t]], similarity(landmarks[order[t], mesh.INNER], landmarks[t, mesh.INNER]))
    return blend(frames, moved, mask), mask


def oversmooth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """The face follows its own low-passed motion, as one driven by smoothed parameters."""
    size = frames.shape[1:3]
    calm, border = smooth(landmarks, rng.uniform(1.5, 4.0)), px.border_points(size)
    fields = px.face_fields(size, face_width(landmarks), calm, landmarks, border, border)
    mask = draw_mask(calm, size, rng, families=(0.5, 0.5, 0, 0, 0), softness=px.SOFT)
    return blend(frames, px.remap_fields(frames, fields), mask), mask


def _calm_mask(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> FloatArray:
    return draw_mask(smooth(landmarks, 1), frames.shape[1:3], rng, families=(0.5, 0.5, 0, 0, 0), softness=px.SOFT)


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


def swap(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, donor: Donor | None) -> Forgery:
    """The face of the donor warped onto the target's landmarks; without one, the clip's own face of other moments."""
    count, size = len(frames), frames.shape[1:3]
    images, faces = (frames, landmarks) if donor is None else donor
    order = reflected(int(rng.integers(max(1, len(images)))) + np.arange(count), len(images))
    if rng.random() < 0.3:  # one frame of the donor for the whole clip
        order = np.full(count, order[0])
    calm = smooth(landmarks, rng.uniform(0.0, 1.2))
    warped = carry(images[order], faces[order], calm, size)
    # The whole face, or brows to mouth; a larger mask would show the background of the donor.
    whole = rng.random() < 0.5
    shapes, scale = ([np.arange(mesh.POINTS)], (0.84, 0.97)) if whole else ([mesh.INNER], (0.98, 1.12))
    mask = draw_mask(calm, size, rng, shapes=shapes, scale=scale, softness=(0.015, 0.05))
    if rng.random() < 0.85:
        warped = px.match_colour(warped, frames, mask)
    warped = px.apply_sharpness(warped, px.draw_sharpness(rng, quarter=0.0))
    mix = px.poisson_blend if rng.random() < 0.15 else blend
    return mix(frames, warped, mask), mask


def carry(images: UInt8Array, faces: FloatArray, goals: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Images (T, h, w, 3) with landmarks ``faces`` warped onto ``goals`` (T, 468, 2): frames (T, H, W, 3)."""
    border = px.border_points(size)
    outside = np.stack([transform(border, similarity(g, f)) for g, f in zip(goals, faces, strict=True)])
    return px.remap_fields(images, px.face_fields(size, face_width(goals), goals, faces, border, outside), size)


def mouth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """The lower face of another moment of the same clip, as in lip-sync forgeries."""
    count, size, calm = len(frames), frames.shape[1:3], smooth(landmarks, 0.7)
    offset = int(rng.integers(max(1, count // 3), max(2, count)))
    direction = 1 if rng.random() < 0.5 else -1
    order = reflected(offset + direction * np.arange(count), count)
    goals = calm.copy()
    for t, other in enumerate(order):
        goals[t, MOUTH] = transform(landmarks[other, MOUTH], similarity(landmarks[other, STABLE], landmarks[t, STABLE]))
    warped = carry(frames[order], landmarks[order], goals, size)
    warped = px.apply_sharpness(warped, px.draw_sharpness(rng, quarter=0.0))
    mask = draw_mask(calm, size, rng, shapes=[mesh.LOWER_FACE], softness=(0.015, 0.05))
    return blend(frames, warped, mask), mask


_NAMED: tuple[Callable[..., Forgery], ...] = (
    *(cut, breathe, drift, jitter, flicker, inner_repeat, oversmooth),
    *(reenact, swap, mouth, resynth),
)
_FUNCTIONS: dict[str, Callable[..., Forgery]] = {"sbv": self_blend} | {kind.__name__: kind for kind in _NAMED}
KINDS = tuple(_FUNCTIONS)
SEAMED = ("sbv", "swap", "mouth")
TEMPORAL = ("drift", "jitter", "flicker", "inner_repeat")
WITH_DONOR = ("reenact", "swap")


@dataclass(frozen=True, slots=True)
class ForgeRecipe:
    """The weight of each kind of forgery, of any sum.

    ``more``: chance that one of :data:`SEAMED` is followed by one of :data:`TEMPORAL`.
    """

    sbv: float = 3.0
    cut: float = 0.5
    breathe: float = 0.5
    drift: float = 1.0
    jitter: float = 0.5
    flicker: float = 0.5
    inner_repeat: float = 0.5
    oversmooth: float = 0.5
    reenact: float = 3.0
    swap: float = 1.5
    mouth: float = 0.75
    resynth: float = 0.5
    more: float = 0.3

    def __post_init__(self) -> None:
        for name in KINDS:
            weight = getattr(self, name)
            if not 0 <= weight < math.inf:
                raise FacetellError(f"the weight of {name} in a recipe is a number of at least 0, not {weight!r}")

    @classmethod
    def only(cls, kind: str) -> ForgeRecipe:
        """A recipe of one kind alone; ValueError if there is no such kind."""
        if kind not in KINDS:
            raise ValueError(f"'{kind}' is not a kind of forgery; the kinds are {', '.join(KINDS)}")
        return cls(**{name: float(name == kind) for name in KINDS}, more=0.0)


class Forged(NamedTuple):
    """A forged clip."""

    frames: UInt8Array  # RGB (T, H, W, 3)
    mask: FloatArray  # (T, H, W) in [0, 1]
    applied: tuple[str, ...]  # kinds


def forge_clip(
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    recipe: ForgeRecipe | None = None,
    donor: Donor | None = None,
) -> Forged:
    """Forge a real clip; the same state of ``rng`` gives the same bytes. ValueError: the arrays have wrong shapes.

    Args:
        frames, landmarks: uint8 RGB (T, H, W, 3), one fixed crop around a face, T >= 1; (T, 468, 2) in its pixels.
        donor: another person, of any size and length, for ``swap`` and ``reenact``; by default the clip itself.
    """
    recipe, landmarks = recipe or ForgeRecipe(), np.asarray(landmarks, np.float32)
    if frames.dtype != np.uint8 or landmarks.shape != (len(frames), mesh.POINTS, 2):
        raise ValueError(f"frames are uint8 (T, H, W, 3), landmarks (T, 468, 2), not {frames.shape}, {landmarks.shape}")

    def apply(kind: str, to: UInt8Array) -> Forgery:
        return _FUNCTIONS[kind](to, landmarks, rng, *([donor] if kind in WITH_DONOR else []))

    applied = [draw_kind(rng, recipe)]
    forged, mask = apply(applied[0], frames)
    # A reenactment draws as well: the features of the released model depend on the sequence of draws.
    if applied[0] in (*SEAMED, "reenact") and rng.random() < recipe.more and applied[0] in SEAMED:
        applied.append(draw_kind(rng, recipe, TEMPORAL))
        forged, second = apply(applied[1], forged)
        mask = np.maximum(mask, second)
    return Forged(forged, mask, tuple(applied))


def draw_kind(rng: np.random.Generator, recipe: ForgeRecipe, kinds: tuple[str, ...] = KINDS) -> str:
    """One of ``kinds`` by the weights of the recipe; uniform where all are 0."""
    weights = np.array([float(getattr(recipe, kind)) for kind in kinds])
    if weights.sum() <= 0:
        weights[:] = 1
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]

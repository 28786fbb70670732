"""The mixture of forgeries that training draws from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facetell.forge import kinds
from facetell.forge.mesh import check_landmarks
from facetell.forge.pixels import Forgery
from facetell.forge.reenact import Donor, reenact
from facetell.forge.resynth import resynth
from facetell.types import FacetellError, FloatArray, UInt8Array

_FUNCTIONS: dict[str, Callable[..., Forgery]] = {
    "sbv": kinds.self_blend,
    "cut": kinds.cut,
    "breathe": kinds.breathe,
    "drift": kinds.drift,
    "jitter": kinds.jitter,
    "flicker": kinds.flicker,
    "inner_repeat": kinds.inner_repeat,
    "oversmooth": kinds.oversmooth,
    "reenact": reenact,
    "swap": kinds.swap,
    "mouth": kinds.mouth,
    "resynth": resynth,
}
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


@dataclass(frozen=True, slots=True)
class Forged:
    """A forged clip: ``frames`` uint8 RGB (T, H, W, 3), ``mask`` float32 (T, H, W) in [0, 1], the kinds ``applied``."""

    frames: UInt8Array
    mask: FloatArray
    applied: tuple[str, ...]


def forge_clip(
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    recipe: ForgeRecipe | None = None,
    donor: Donor | None = None,
) -> Forged:
    """Forge a real clip.

    Args:
        frames: uint8 RGB (T, H, W, 3), one fixed crop around a face; T is usually 8 to 32, at least 1.
        landmarks: (T, 468, 2) in pixels of the frames; ValueError for wrong shapes and values that are not finite.
        rng: source of every draw: the same state gives the same bytes.
        recipe: the mixture.
        donor: another person, of any size and length, for ``swap`` and as the driver of ``reenact``. Without one, the
            clip is its own donor.
    """
    recipe = recipe or ForgeRecipe()
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 (T, H, W, 3) with T >= 1, not {frames.dtype} {frames.shape}")
    landmarks = check_landmarks(landmarks, len(frames))
    if donor is not None:
        donor = (donor[0], check_landmarks(donor[1], len(donor[0])))

    def apply(kind: str, to: UInt8Array) -> Forgery:
        return _FUNCTIONS[kind](to, landmarks, rng, *([donor] if kind in WITH_DONOR else []))

    applied = [draw_kind(rng, recipe)]
    forged, mask = apply(applied[0], frames)
    # A reenactment draws as well: the features of the released model depend on the sequence of draws.
    more = applied[0] in (*SEAMED, "reenact") and rng.random() < recipe.more
    if more and applied[0] in SEAMED:
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

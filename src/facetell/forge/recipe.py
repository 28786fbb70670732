"""The mixture of forgeries that training draws from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from facetell.forge.blended import BlendedConfig, breathe, cut, self_blend
from facetell.forge.mesh import check_landmarks
from facetell.forge.reenact import Donor, ReenactConfig, reenact
from facetell.forge.renderer import RendererConfig, render
from facetell.forge.resynth import ResynthConfig, resynth
from facetell.forge.swap import SwapConfig, mouth, swap
from facetell.forge.temporal import TemporalConfig, drift, flicker, inner_repeat, jitter, oversmooth
from facetell.types import FacetellError, FloatArray, UInt8Array

KINDS = (
    "sbv",
    "cut",
    "breathe",
    "drift",
    "jitter",
    "flicker",
    "inner_repeat",
    "oversmooth",
    "reenact",
    "swap",
    "mouth",
    "resynth",
)
TEMPORAL = ("drift", "jitter", "flicker", "inner_repeat")


@dataclass(frozen=True, slots=True)
class ForgeRecipe:
    """How often each kind is drawn (weights, not summing to anything), and each kind's ranges.

    ``more``: chance that a seamed forgery (self-blended, swapped, mouth) carries a temporal one on top; ``decoded``:
    chance that a reenactment goes through re-synthesis as well; ``rendered``: or through neural rendering, as a
    generator's picture through its decoder.
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
    decoded: float = 0.0
    rendered: float = 0.0
    blended: BlendedConfig = field(default_factory=BlendedConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    reenacted: ReenactConfig = field(default_factory=ReenactConfig)
    swapped: SwapConfig = field(default_factory=SwapConfig)
    resynthesised: ResynthConfig = field(default_factory=ResynthConfig)
    renderer: RendererConfig = field(default_factory=RendererConfig)

    def __post_init__(self) -> None:
        for name in KINDS:
            weight = getattr(self, name)
            if not 0 <= weight < math.inf:
                raise FacetellError(f"the weight of {name} in a recipe is a number of at least 0, not {weight!r}")

    @classmethod
    def only(cls, kind: str, **changes: object) -> ForgeRecipe:
        """A recipe of one kind alone, nothing on top.

        Raises:
            ValueError: no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"'{kind}' is not a kind of forgery; the kinds are {', '.join(KINDS)}")
        weights: dict[str, object] = {name: float(name == kind) for name in KINDS}
        return cls(**{**weights, "more": 0.0, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Forged:
    """A forged clip: ``frames`` uint8 RGB (T, H, W, 3), ``mask`` float32 (T, H, W) in [0, 1], what was ``applied``."""

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
        frames: uint8 RGB (T, H, W, 3), a fixed cut around one face; T of 8 to 32 is usual, 1 is allowed.
        landmarks: (T, 468, 2) in pixels of those frames.
        rng: every choice comes from it: the same state gives the same forgery bit for bit.
        recipe: mixture, the default one where not given.
        donor: frames and landmarks of somebody else for ``swap`` and as the driver of ``reenact``; of any size and
            length. Without one, the clip is its own donor.

    Raises:
        ValueError: shapes do not fit, or landmarks are not finite.
    """
    recipe = recipe or ForgeRecipe()
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 (T, H, W, 3) with T >= 1, not {frames.dtype} {frames.shape}")
    landmarks = check_landmarks(landmarks, len(frames))
    if donor is not None:
        donor = (donor[0], check_landmarks(donor[1], len(donor[0])))
    kind = draw_kind(rng, recipe, KINDS)
    forged, mask = _apply(kind, frames, landmarks, rng, recipe, donor)
    applied = [kind]
    if extra := _draw_extra(kind, rng, recipe):
        forged, second = _apply(extra, forged, landmarks, rng, recipe, donor)
        mask = np.maximum(mask, second)
        applied.append(extra)
    return Forged(forged, mask, tuple(applied))


def _draw_extra(kind: str, rng: np.random.Generator, recipe: ForgeRecipe) -> str:
    """What is done on top of a forgery of this kind; "" for nothing."""
    if kind in ("sbv", "swap", "mouth") and rng.random() < recipe.more:
        return draw_kind(rng, recipe, TEMPORAL)
    if kind == "reenact":
        chance = rng.random()
        if chance < recipe.rendered:
            return "render"
        if chance < recipe.rendered + recipe.decoded:
            return "resynth"
    return ""


def draw_kind(rng: np.random.Generator, recipe: ForgeRecipe, kinds: tuple[str, ...] = KINDS) -> str:
    """One of ``kinds`` by the recipe's weights; all alike where they weigh nothing."""
    weights = np.array([float(getattr(recipe, kind)) for kind in kinds])
    if weights.sum() <= 0:
        weights[:] = 1
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]


def _apply(
    kind: str,
    frames: UInt8Array,
    landmarks: FloatArray,
    rng: np.random.Generator,
    recipe: ForgeRecipe,
    donor: Donor | None,
) -> tuple[UInt8Array, FloatArray]:
    blended = {"sbv": self_blend, "cut": cut, "breathe": breathe}
    temporal = {
        "drift": drift,
        "jitter": jitter,
        "flicker": flicker,
        "inner_repeat": inner_repeat,
        "oversmooth": oversmooth,
    }
    if kind in blended:
        return blended[kind](frames, landmarks, rng, recipe.blended)
    if kind in temporal:
        return temporal[kind](frames, landmarks, rng, recipe.temporal)
    if kind == "reenact":
        return reenact(frames, landmarks, rng, recipe.reenacted, donor)
    if kind == "swap":
        return swap(frames, landmarks, rng, recipe.swapped, donor)
    if kind == "resynth":
        return resynth(frames, landmarks, rng, recipe.resynthesised)
    if kind == "render":
        return render(frames, landmarks, rng, recipe.renderer)
    return mouth(frames, landmarks, rng, recipe.swapped)

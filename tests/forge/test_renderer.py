"""Neural rendering: what a network makes of a warped portrait."""

from __future__ import annotations

import numpy as np

from facetell.forge.reenact import animate
from facetell.forge.renderer import WEIGHTS, RendererConfig, render
from facetell.types import FloatArray, UInt8Array

FaceClip = tuple[UInt8Array, FloatArray]
STEADY = RendererConfig(noise=(0, 0), strength=(1, 1))


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 3_000_000


def test_a_rendered_portrait_is_the_same_picture_made_anew(woman_face: FaceClip) -> None:
    """The woman is none of the people it was trained on."""
    frames, landmarks = woman_face
    moved = animate(frames[0], landmarks[0], landmarks[:4], 0.0)
    made, mask = render(moved, landmarks[:4], np.random.default_rng(0), RendererConfig(steady=(0, 0), strength=(1, 1)))
    inside = mask > 0.99
    assert inside.mean() > 0.3 and np.array_equal(made[mask == 0], moved[mask == 0])
    difference = np.abs(made.astype(float) - moved)[inside].mean()
    assert 0.5 < difference < 14
    assert np.corrcoef(made[inside].ravel(), moved[inside].ravel())[0, 1] > 0.95


def test_what_stands_still_stays_still(woman_face: FaceClip) -> None:
    frames, landmarks = (np.repeat(part[:1], 4, axis=0) for part in woman_face)
    still, _ = render(frames, landmarks, np.random.default_rng(1), STEADY)
    assert (still == still[:1]).all()
    restless, _ = render(frames, landmarks, np.random.default_rng(1), RendererConfig(noise=(0.3, 0.3)))
    assert (restless[1] != restless[0]).mean() > 0.1


def test_each_clip_has_a_decoder_of_its_own(woman_face: FaceClip) -> None:
    frames, landmarks = (part[:2] for part in woman_face)
    config = RendererConfig(steady=(0.25, 0.25), noise=(0, 0), scale=(1.8, 1.8), strength=(1, 1))
    one, other = (render(frames, landmarks, np.random.default_rng(seed), config)[0] for seed in (0, 1))
    assert np.abs(one.astype(float) - other).mean() > 0.5

"""What every kind of forgery must keep to, on a real face."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facetell.forge import KINDS, ForgeRecipe, TwinConfig, degrade_pair, forge_clip, harmless_twin
from facetell.types import FloatArray, UInt8Array

Face = tuple[UInt8Array, FloatArray]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_bit_for_bit_and_another_does_not(kind: str, woman_face: Face, man_face: Face) -> None:
    def forge(seed: int) -> UInt8Array:
        return forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face).frames

    np.testing.assert_array_equal(forge(7), forge(7))
    assert (forge(7) != forge(8)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_pixel_changes_outside_the_mask(kind: str, woman_face: Face, man_face: Face) -> None:
    for seed in range(4):
        forged = forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face)
        assert forged.frames.dtype == np.uint8 and forged.frames.shape == woman_face[0].shape
        assert forged.mask.dtype == np.float32 and forged.mask.shape == woman_face[0].shape[:3]
        assert forged.applied == (kind,)
        assert forged.mask.min() >= 0 and forged.mask.max() <= 1
        outside = forged.mask == 0
        np.testing.assert_array_equal(forged.frames[outside], woman_face[0][outside])
        assert (forged.frames != woman_face[0]).any()


def test_forgeries_are_subtle(woman_face: Face, man_face: Face) -> None:
    """Inside the face the mean change stays below what a glance would catch; a swap shows another person, and may."""
    for kind in set(KINDS) - {"swap", "reenact"}:
        changes = []
        for seed in range(6):
            forged = forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face)
            inside = forged.mask > 0.5
            if inside.any():
                changes.append(np.abs(forged.frames[inside].astype(float) - woman_face[0][inside]).mean())
        assert 0.2 < np.median(changes) < 25, kind


def test_the_mixture_draws_by_weight(woman_face: Face) -> None:
    recipe = dataclasses.replace(ForgeRecipe.only("drift"), flicker=1.0)
    rng = np.random.default_rng(0)
    drawn = {forge_clip(*woman_face, rng, recipe).applied for _ in range(12)}
    assert drawn == {("drift",), ("flicker",)}


def test_a_seamed_forgery_may_carry_a_temporal_one(woman_face: Face) -> None:
    recipe = ForgeRecipe.only("sbv", more=1.0)
    applied = forge_clip(*woman_face, np.random.default_rng(0), recipe).applied
    assert applied[0] == "sbv" and applied[1] in ("drift", "jitter", "flicker", "inner_repeat")


def test_degradation_is_alike_for_the_clips_of_a_pair(woman_face: Face) -> None:
    """Equal clips stay equal, but for noise, which is new in each clip."""
    frames = woman_face[0][:4]
    equal = 0
    for seed in range(30):
        first, second = degrade_pair([frames, frames], np.random.default_rng(seed))
        assert first.shape == frames.shape and first.dtype == np.uint8
        difference = np.abs(first.astype(float) - second).mean()
        equal += difference == 0
        assert difference < 8
    assert equal >= 15


def test_a_twin_stays_the_same_picture(woman_face: Face) -> None:
    for seed in range(6):
        twin = harmless_twin(*woman_face, np.random.default_rng(seed))
        assert twin.shape == woman_face[0].shape
        assert np.abs(twin.astype(float) - woman_face[0]).mean() < 3


def test_a_twin_warped_there_and_back_moves_nothing(woman_face: Face) -> None:
    """The median change of a warp there and back is that of resampling: a grey level or two."""
    config = TwinConfig(warped=1.0, whole=1.0, jpeg=0.0)
    config = dataclasses.replace(config, sharpness=dataclasses.replace(config.sharpness, probability=0.0))
    twin = harmless_twin(*woman_face, np.random.default_rng(1), config)
    assert np.median(np.abs(twin.astype(float) - woman_face[0])) <= 1


def test_wrong_shapes_are_refused(woman_face: Face) -> None:
    frames, landmarks = woman_face
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="landmarks must have the shape"):
        forge_clip(frames, landmarks[:-1], rng)
    with pytest.raises(ValueError, match="uint8"):
        forge_clip(frames.astype(np.float32), landmarks, rng)
    with pytest.raises(ValueError, match="finite"):
        forge_clip(frames, landmarks * np.nan, rng)
    with pytest.raises(ValueError, match="kinds are sbv"):
        ForgeRecipe.only("morph")

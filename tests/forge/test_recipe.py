"""Properties of every kind of forgery, on a real face."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.forge import KINDS, ForgeRecipe, degrade_pair, forge_clip, harmless_twin
from facetell.forge import resynth as module
from facetell.forge.resynth import CODE, SIDE, decode


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bytes_and_changes_the_mask_only(kind, woman_face, man_face):
    for seed in range(2):
        forged = forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face)
        assert forged.frames.dtype == np.uint8 and forged.frames.shape == woman_face[0].shape
        assert forged.mask.dtype == np.float32 and forged.mask.shape == woman_face[0].shape[:3]
        assert forged.applied == (kind,)
        assert forged.mask.min() >= 0 and forged.mask.max() <= 1
        again = forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face)
        np.testing.assert_array_equal(forged.frames, again.frames)
        outside = forged.mask == 0
        np.testing.assert_array_equal(forged.frames[outside], woman_face[0][outside])
        assert (forged.frames != woman_face[0]).any()


def test_the_mixture_draws_by_weight(woman_face):
    def drawn(kind, **changes):
        rng, recipe = np.random.default_rng(0), dataclasses.replace(ForgeRecipe.only(kind), **changes)
        return {forge_clip(*woman_face, rng, recipe).applied for _ in range(8)}

    assert drawn("drift", flicker=1.0) == {("drift",), ("flicker",)}
    assert drawn("sbv", more=1.0, jitter=0.001) == {("sbv", "jitter")}


def test_degradation_is_alike_for_the_clips_of_a_pair(woman_face):
    """Equal clips stay equal except for noise, which is drawn for each clip."""
    frames = woman_face[0][:4]
    equal = 0
    for seed in range(30):
        first, second = degrade_pair([frames, frames], np.random.default_rng(seed))
        assert first.shape == frames.shape and first.dtype == np.uint8
        difference = np.abs(first.astype(float) - second).mean()
        equal += difference == 0
        assert difference < 8
    assert equal >= 15


def test_a_twin_only_resamples(woman_face):
    for seed in range(4):
        twin = harmless_twin(*woman_face, np.random.default_rng(seed))
        assert np.median(np.abs(twin.astype(float) - woman_face[0])) <= 2


def test_a_face_is_decoded_nearly_as_it_was(woman_face, monkeypatch):
    """The woman is not one of the people of the training data. OpenCV gives the same to one grey level."""
    real, noise = woman_face[0][:2, :SIDE, :SIDE], np.zeros((2, *CODE), np.float32)
    made = decode(real, noise)
    assert 0.5 < np.abs(made.astype(float) - real).mean() < 12
    assert np.corrcoef(made.ravel(), real.ravel())[0, 1] > 0.95
    np.testing.assert_array_equal(made[1], decode(real[1:], noise[1:])[0])  # frames do not depend on each other
    assert (decode(real[:1], noise[:1] + np.float32(0.3)) != made[:1]).mean() > 0.3
    monkeypatch.setattr(module, "_load", module._in_opencv)
    other = decode(real, noise)
    assert np.abs(other.astype(int) - made).max() <= 1 and (other == made).mean() > 0.99


def test_wrong_shapes_are_refused(woman_face):
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


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    length=st.integers(1, 6),
    height=st.integers(24, 90),
    width=st.integers(24, 90),
    x=st.floats(-0.7, 0.7),
    y=st.floats(-0.7, 0.7),
    scale=st.sampled_from([0.0, 0.1, 0.6, 2.5]),
    seed=st.integers(0, 10_000),
)
def test_any_size_length_and_place_of_a_face_is_accepted(kind, length, height, width, x, y, scale, seed, woman_face):
    """Faces at or beyond the border, landmarks in one point, clips of one frame, tiny frames."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)
    shape = (woman_face[1][0] - woman_face[1][0].mean(axis=0)) / 80
    drift = rng.normal(0, 0.02, (length, 1, 2)).cumsum(axis=0)
    place = np.array([width * (0.5 + x), height * (0.5 + y)])
    landmarks = ((shape + drift) * scale * min(height, width) + place).astype(np.float32)
    before = frames.copy()
    forged = forge_clip(frames, landmarks, rng, ForgeRecipe.only(kind), woman_face)
    assert forged.frames.shape == frames.shape and forged.mask.shape == frames.shape[:3]
    assert np.isfinite(forged.mask).all() and 0 <= forged.mask.min() <= forged.mask.max() <= 1
    np.testing.assert_array_equal(forged.frames[forged.mask == 0], before[forged.mask == 0])
    np.testing.assert_array_equal(frames, before)
    assert harmless_twin(frames, landmarks, rng).shape == frames.shape


@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 9), height=st.integers(16, 80), width=st.integers(16, 80), seed=st.integers(0, 10_000))
def test_any_pair_of_clips_can_be_degraded(length, height, width, seed):
    rng = np.random.default_rng(seed)
    clips = [rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8) for _ in range(2)]
    for clip in degrade_pair(clips, rng):
        assert clip.shape == (length, height, width, 3) and clip.dtype == np.uint8

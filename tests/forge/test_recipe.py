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
        assert forged.frames.dtype == np.uint8 and forged.mask.dtype == np.float32 and forged.applied == (kind,)
        again = forge_clip(*woman_face, np.random.default_rng(seed), ForgeRecipe.only(kind), man_face)
        np.testing.assert_array_equal(forged.frames, again.frames)
        assert (forged.frames != woman_face[0]).any()
        np.testing.assert_array_equal(forged.frames[forged.mask == 0], woman_face[0][forged.mask == 0])


def test_the_mixture_draws_by_weight(woman_face):
    def drawn(kind, **changes):
        rng, recipe = np.random.default_rng(0), dataclasses.replace(ForgeRecipe.only(kind), **changes)
        return {forge_clip(*woman_face, rng, recipe).applied for _ in range(8)}

    assert drawn("drift", flicker=1.0) == {("drift",), ("flicker",)}
    assert drawn("sbv", more=1.0, jitter=0.001) == {("sbv", "jitter")}


def test_degradation_is_alike_for_the_clips_of_a_pair(woman_face):
    """Equal clips stay equal except for noise, which is drawn for each clip."""
    frames = woman_face[0][:4]
    pairs = [degrade_pair([frames, frames], np.random.default_rng(seed)) for seed in range(30)]
    differences = [np.abs(first.astype(float) - second).mean() for first, second in pairs]
    assert max(differences) < 8 and differences.count(0) >= 15


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


def test_wrong_shapes_and_kinds_are_refused(woman_face):
    with pytest.raises(ValueError, match="landmarks"):
        forge_clip(woman_face[0], woman_face[1][:-1], np.random.default_rng(0))
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
    for clip in degrade_pair([frames, forged.frames], rng):
        assert clip.shape == frames.shape and clip.dtype == np.uint8

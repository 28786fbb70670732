"""Re-synthesis: the small autoencoder and what it is used for."""

from __future__ import annotations

import numpy as np

from facetell.forge.networks import CODE_SIDE, SIDE, remake
from facetell.forge.resynth import LATENT, WEIGHTS, ResynthConfig, resynth
from facetell.types import FloatArray, UInt8Array

FaceClip = tuple[UInt8Array, FloatArray]


def squares(clip: FaceClip, count: int) -> UInt8Array:
    return clip[0][:count, :SIDE, :SIDE]


def code(count: int) -> FloatArray:
    return np.zeros((count, LATENT, CODE_SIDE, CODE_SIDE), np.float32)


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 3_000_000


def test_a_face_comes_back_much_as_it_was_but_not_the_same(woman_face: FaceClip) -> None:
    """The woman is none of the people it was trained on."""
    real = squares(woman_face, 2)
    made = remake(WEIGHTS, real, code(2))
    error = np.abs(made.astype(float) - real)
    assert 0.5 < error.mean() < 12
    assert np.corrcoef(made.ravel(), real.ravel())[0, 1] > 0.95


def test_frames_are_made_alone(woman_face: FaceClip) -> None:
    """What a frame becomes does not depend on its neighbours, and new noise makes it another."""
    real = squares(woman_face, 3)
    together = remake(WEIGHTS, real, code(3))
    np.testing.assert_array_equal(together[1], remake(WEIGHTS, real[1:2], code(1))[0])
    disturbed = remake(WEIGHTS, real[:1], code(1) + np.float32(0.3))
    assert (disturbed != together[:1]).mean() > 0.3


def test_per_frame_noise_shows_in_the_second_difference(woman_face: FaceClip) -> None:
    """A still clip stays still without noise; with it, the second difference has six times the variance of a frame."""
    frames = np.repeat(woman_face[0][:1], 8, axis=0)
    landmarks = np.repeat(woman_face[1][:1], 8, axis=0)
    still, mask = resynth(frames, landmarks, np.random.default_rng(1), ResynthConfig(noise=(0, 0), whole=1))
    assert (still == still[:1]).all()
    moving, _ = resynth(frames, landmarks, np.random.default_rng(1), ResynthConfig(noise=(0.3, 0.3), whole=1))
    inside = mask[0] > 0.99
    values = moving[:, inside].astype(float)
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    ratio = second.var() / values.var(axis=0, ddof=1).mean()
    assert 4.5 < ratio < 7.5

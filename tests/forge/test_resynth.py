"""Re-synthesis: the small autoencoder and the forgery made with it."""

from __future__ import annotations

import numpy as np
import pytest

from facetell.forge import resynth as module
from facetell.forge.resynth import CODE, SIDE, ResynthConfig, decode, resynth
from facetell.types import FloatArray, UInt8Array

FaceClip = tuple[UInt8Array, FloatArray]


def test_a_face_is_decoded_nearly_as_it_was(woman_face: FaceClip, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_per_frame_noise_is_seen_in_the_second_difference(woman_face: FaceClip) -> None:
    """A still clip is still without noise; with it, the second difference has six times the variance of a frame."""
    frames, landmarks = (np.repeat(part[:1], 8, axis=0) for part in woman_face)
    still, mask = resynth(frames, landmarks, np.random.default_rng(1), ResynthConfig(noise=(0, 0), whole=1))
    assert (still == still[:1]).all()
    moving, _ = resynth(frames, landmarks, np.random.default_rng(1), ResynthConfig(noise=(0.3, 0.3), whole=1))
    values = moving[:, mask[0] > 0.99].astype(float)
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    assert 4.5 < second.var() / values.var(axis=0, ddof=1).mean() < 7.5

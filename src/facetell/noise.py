"""Reproducible Gaussian noise, used by training degradations and evaluation distortions."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import FloatArray


def normal_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> FloatArray:
    """Normal float32 noise of two axes or more, by OpenCV's generator seeded from ``rng``: faster than NumPy's."""
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise.reshape(shape[0], -1), np.zeros(1), np.full(1, sigma))
    return noise

"""Reproducible Gaussian noise, used by training degradations and evaluation distortions."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import FloatArray


def normal_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> FloatArray:
    """Normally distributed float32 array of standard deviation ``sigma``; ``shape`` has at least two axes.

    OpenCV's generator, three to four times as fast as NumPy's, is seeded from ``rng``.
    """
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise.reshape(shape[0], -1), np.zeros(1), np.full(1, sigma))
    return noise

"""Normal noise, fast and repeatable: what wear and degradation add to pictures."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.types import FloatArray


def normal_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> FloatArray:
    """Normal numbers of standard deviation ``sigma``, float32, in an array of at least two axes.

    OpenCV draws them three to four times as fast as NumPy; its source is set from ours, so that a seed repeats.
    """
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise.reshape(shape[0], -1), np.zeros(1), np.full(1, sigma))
    return noise

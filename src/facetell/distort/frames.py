"""Distortions of single frames, uint8 RGB (H, W, 3), and of the times at which they are shown.

The first six are as in the published tool of DeeperForensics-1.0 (arXiv 2001.03024); see ``docs/distortions.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from facetell.types import FloatArray, UInt8Array

Timed = tuple[UInt8Array, float]
"""A frame and its time in seconds."""
LONGEST_FREEZE = 8  # frames
LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: ITU-R BT.601
FROM_YCRCB = np.array([[1, 1.403, 0], [1, -0.714, -0.344], [1, 0, 1.773]])  # to R, G, B
X265_LEAST = 64  # pixels a side: on frames smaller than its blocks x265 writes outside its memory
BLOCK, GREY = 8, 128  # side in pixels and value of a block
# The published tool adds the noise to components of studio range, divided by 255. On the range of 0 to 255 it is larger
# by 255 x 255 / 219 for luma and 255 x 255 / 224 for chroma.
NOISE_SCALE = np.array([255 * 255 / 219, 255 * 255 / 224, 255 * 255 / 224])
TRUNCATE = -0.499  # turns rounding into truncation; with -0.5 whole numbers might be lowered


def normal_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> FloatArray:
    """Normal float32 noise of two axes or more, by OpenCV's generator seeded from ``rng``: faster than NumPy's."""
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise.reshape(shape[0], -1), np.zeros(1), np.full(1, sigma))
    return noise


def saturation(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """CS: chroma c <- 0.5 + (c - 0.5) p, that is, each channel moves towards luma; 0 gives grey."""
    matrix = p * np.eye(3) + (1 - p) * np.tile(LUMA, (3, 1))
    return np.asarray(cv2.transform(image, np.hstack([matrix, np.full((3, 1), TRUNCATE)])), dtype=np.uint8)


def contrast(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """CC: every value times ``p``, truncated."""
    table = np.clip(np.arange(256, dtype=np.float32) * np.float32(p), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def blocks(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """BW: (min(H, W) // 256) p grey blocks of 8 x 8 at random places, which may overlap; none below 256 pixels."""
    height, width = image.shape[:2]
    count = min(height, width) // 256 * int(p)
    result = image.copy()
    # As in the published tool, the last row and column are never covered.
    xs, ys = (rng.integers(0, max(1, side - BLOCK), count) for side in (width, height))
    for x, y in zip(xs, ys, strict=True):
        result[y : y + BLOCK, x : x + BLOCK] = GREY
    return result


def colour_noise(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """GNC: Gaussian noise of variance ``p`` on each of Y, Cb, Cr in units of 255 (see NOISE_SCALE), truncated."""
    matrix = (np.sqrt(p) * FROM_YCRCB * NOISE_SCALE).astype(np.float32)
    shifted = np.hstack([matrix, np.full((3, 1), TRUNCATE, np.float32)])
    noise = cv2.transform(normal_noise(image.shape, 1.0, rng), shifted)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def blur(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """GB: a Gaussian kernel of ``p`` x ``p`` pixels, standard deviation p / 6."""
    return np.asarray(cv2.GaussianBlur(image, (int(p), int(p)), p / 6), dtype=np.uint8)


def pixelate(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """JPEG (its published name): shrunken by ``p`` and enlarged, both bilinear without a low-pass filter."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, width // int(p)), max(1, height // int(p))), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def rescale(image: UInt8Array, p: float, rng: np.random.Generator) -> UInt8Array:
    """SCALE: shrunken to the share ``p`` by area and enlarged bicubically, as a player shows a small video."""
    height, width = image.shape[:2]
    size = (max(1, round(width * p)), max(1, round(height * p)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


FUNCTIONS: dict[str, Callable[[UInt8Array, float, np.random.Generator], UInt8Array]] = {
    "CS": saturation,
    "CC": contrast,
    "BW": blocks,
    "GNC": colour_noise,
    "GB": blur,
    "JPEG": pixelate,
    "SCALE": rescale,
}


def drop(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """DROP: each frame but the first is missing with probability ``p``; the others keep their times."""
    for number, timed in enumerate(stream):
        if number == 0 or rng.random() >= p:
            yield timed


def freeze(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FREEZE: about the share ``p`` of frames shows the one before, in runs of 1 to 8; times are kept."""
    # Runs of mean m that begin with probability s after a live frame freeze the share s m / (1 + s m).
    start = p / ((1 - p) * (1 + LONGEST_FREEZE) / 2)
    left, shown = 0, None
    for image, time in stream:
        if shown is not None and left == 0 and rng.random() < start:
            left = int(rng.integers(1, LONGEST_FREEZE + 1))
        if shown is None or left == 0:
            shown = image
        else:
            left -= 1
        yield shown, time


def lower_rate(stream: Iterable[Timed], p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """FPS: ``p`` frames per second, at each tick the last one shown by then; none is shown twice."""
    tick = 0
    held: UInt8Array | None = None
    for image, time in stream:
        if held is not None and tick / p < time - 1e-6:
            yield held, tick / p
            tick = max(tick + 1, int(np.ceil(time * p - 1e-6)))
        held = image
    if held is not None:
        yield held, tick / p


TIME_FUNCTIONS: dict[str, Callable[[Iterable[Timed], float, np.random.Generator], Iterator[Timed]]] = {
    "DROP": drop,
    "FREEZE": freeze,
    "FPS": lower_rate,
}

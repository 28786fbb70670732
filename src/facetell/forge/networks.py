"""The small networks that re-synthesis and rendering share: a square picture and noise for its code, made anew.

They run in OpenVINO, or in OpenCV where a borrowed machine has no other: forging needs no torch.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.faces.runtime import compile_small
from facetell.types import Box, FacetellError, FloatArray, UInt8Array

SIDE = 160  # pixels of the square that the networks see
CODE_SIDE = SIDE // 8  # of their code


def remake(weights: Path, squares: UInt8Array, noise: FloatArray) -> UInt8Array:
    """Squares (T, 160, 160, 3) through a network, each alone, with ``noise`` (T, C, 20, 20) added to their codes."""
    network = _load(weights)
    made = np.empty_like(squares)
    for square, disturbance, out in zip(squares, noise, made, strict=True):
        image = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / 255
        (decoded,) = network(image, np.ascontiguousarray(disturbance[None], np.float32))
        out[...] = np.clip(np.rint(decoded[0].transpose(1, 2, 0) * 255), 0, 255)
    return made


def code_noise(
    count: int, channels: int, steady: tuple[float, float], fresh: tuple[float, float], rng: np.random.Generator
) -> FloatArray:
    """Noise (count, C, 20, 20) for the codes of a clip: one draw that holds for all of it, and one for each frame.

    ``steady`` and ``fresh`` are the ranges of their standard deviations.
    """
    shape = (channels, CODE_SIDE, CODE_SIDE)
    held = rng.uniform(*steady) * rng.standard_normal((1, *shape), dtype=np.float32)
    noise = held + rng.uniform(*fresh) * rng.standard_normal((count, *shape), dtype=np.float32)
    return np.asarray(noise, np.float32)


def face_square(points: FloatArray, scale: float) -> FloatArray:
    """The 2 x 3 map from the picture to the square of 160 pixels, ``scale`` face lengths, round one face (468, 2)."""
    box = Box(*map(float, (*points.min(axis=0), *points.max(axis=0))))
    ratio = SIDE / (scale * max(box.width, box.height, 4.0))
    x, y = box.center
    middle = (SIDE - 1) / 2
    return np.array([[ratio, 0, middle - ratio * x], [0, ratio, middle - ratio * y]], dtype=np.float32)


def take(frames: UInt8Array, matrices: list[FloatArray]) -> UInt8Array:
    """What lies in the square of each frame, (T, 160, 160, 3)."""
    shape = (SIDE, SIDE)
    squares = [
        cv2.warpAffine(frame, matrix, shape, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for frame, matrix in zip(frames, matrices, strict=True)
    ]
    return np.asarray(squares, dtype=np.uint8)


def put(squares: Iterable[NDArray[Any]], matrices: list[FloatArray], size: tuple[int, int]) -> NDArray[Any]:
    """Squares (T, 160, 160, ...) where they came from, in frames (T, H, W, ...) of ``size`` (H, W), 0 around them."""
    shape, back = size[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(s, m, shape, flags=back) for s, m in zip(squares, matrices, strict=True)])


def square_masks(matrices: list[FloatArray], size: tuple[int, int]) -> FloatArray:
    """Masks (T, H, W) in [0, 1] of whole squares, which fade to their edge."""
    placed = put([_ramp()] * len(matrices), matrices, size)
    return np.asarray(np.clip(placed, 0, 1), np.float32)


@functools.cache
def _load(weights: Path) -> Callable[..., list[FloatArray]]:
    """The network of a file, loaded once a process: from an image and noise to the image made anew."""
    if not weights.is_file():
        raise FacetellError(f"a network for forging is missing ({weights}); install facetell anew")
    return compile_small(weights) if importlib.util.find_spec("openvino") else _in_opencv(weights)


def _in_opencv(weights: Path) -> Callable[..., list[FloatArray]]:
    """The same from OpenCV, to a grey level; three times as slow."""
    network = cv2.dnn.readNetFromONNX(str(weights))

    def run(image: FloatArray, noise: FloatArray) -> list[FloatArray]:
        network.setInput(image, "image")
        network.setInput(noise, "noise")
        return [np.asarray(network.forward(), np.float32)]

    return run


@functools.cache
def _ramp() -> FloatArray:
    """A mask of the whole square that fades out over its outer tenth, (160, 160)."""
    line = np.clip(np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / (0.1 * SIDE), 0, 1)
    return np.outer(line, line).astype(np.float32)

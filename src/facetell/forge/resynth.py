"""Re-synthesis: every frame is passed through a small autoencoder, as whole-face generators do.

The traces are the texture of a decoder and an error that is new in every frame. The network was trained on real faces
only (docs/forging.md). It runs in OpenVINO, or in OpenCV on machines without it; torch is not needed.
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
from facetell.forge.mesh import smooth
from facetell.forge.pixels import SOFT, Forgery, blend, draw_mask
from facetell.types import FloatArray, UInt8Array

SIDE = 160  # of the crop that the network processes, in pixels
CODE = (32, SIDE // 8, SIDE // 8)  # shape of the code of one frame
WEIGHTS = Path(__file__).with_name("resynth.onnx")


def resynth(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> Forgery:
    """The face decoded again in every frame, with noise in its code that is steady or new in each frame (ours)."""
    calm, size = smooth(landmarks, 1.0), (frames.shape[2], frames.shape[1])
    # Draws per clip come before draws per frame, so that they do not depend on the length of the clip.
    scale, whole = rng.uniform(1.35, 1.8), rng.random() < 0.4  # of the crop in face lengths; without a seam in it
    mask = draw_mask(calm, frames.shape[1:3], rng, families=(0.7, 0.3, 0, 0, 0), softness=SOFT)
    noise = rng.uniform(0.0, 0.2) * rng.standard_normal((1, *CODE), dtype=np.float32)
    noise = noise + rng.uniform(0.0, 0.15) * rng.standard_normal((len(frames), *CODE), dtype=np.float32)
    matrices = [_crop_matrix(points, scale) for points in calm]
    crops = [
        cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for frame, matrix in zip(frames, matrices, strict=True)
    ]

    def placed(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.stack([cv2.warpAffine(p, m, size, flags=back) for p, m in zip(parts, matrices, strict=True)])

    decoded = placed(decode(np.asarray(crops, np.uint8), noise.astype(np.float32)))
    if whole:
        line = np.clip(np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / (0.1 * SIDE), 0, 1)
        ramp = np.outer(line, line).astype(np.float32)  # falls to 0 over the outer tenth
        mask = np.asarray(np.clip(placed([ramp] * len(frames)), 0, 1), np.float32)
    return blend(frames, decoded, mask), mask


def decode(crops: UInt8Array, noise: FloatArray) -> UInt8Array:
    """Crops (T, 160, 160, 3) passed through the autoencoder singly; ``noise`` (T, 32, 20, 20) is added to the codes."""
    network = _load()
    made = np.empty_like(crops)
    for crop, code, out in zip(crops, noise, made, strict=True):
        image = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / 255
        (decoded,) = network(image, np.ascontiguousarray(code[None], np.float32))
        out[...] = np.clip(np.rint(decoded[0].transpose(1, 2, 0) * 255), 0, 255)
    return made


def _crop_matrix(points: FloatArray, scale: float) -> FloatArray:
    """The 2 x 3 map from a frame to the crop, ``scale`` face lengths wide, around the face (468, 2)."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    ratio = SIDE / (scale * max(*(high - low), 4.0))
    (x, y), middle = (low + high) / 2, (SIDE - 1) / 2
    return np.array([[ratio, 0, middle - ratio * x], [0, ratio, middle - ratio * y]], dtype=np.float32)


@functools.cache
def _load() -> Callable[..., list[FloatArray]]:
    """The network, loaded once per process: (image, code noise) -> [image]."""
    return compile_small(WEIGHTS) if importlib.util.find_spec("openvino") else _in_opencv()


def _in_opencv() -> Callable[..., list[FloatArray]]:
    """The same in OpenCV: equal to one grey level, three times as slow."""
    network = cv2.dnn.readNetFromONNX(str(WEIGHTS))

    def run(image: FloatArray, noise: FloatArray) -> list[FloatArray]:
        network.setInput(image, "image")
        network.setInput(noise, "noise")
        return [np.asarray(network.forward(), np.float32)]

    return run

"""Re-synthesis: every frame passed alone through a small autoencoder, as whole-face generators do.

What is left is a decoder's texture and an error that is new in every frame. The network was trained on real faces only
(``resynth_train``); it runs in OpenVINO, or in OpenCV where a borrowed machine has no other.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from facetell.faces.runtime import compile_small
from facetell.forge.colour import blend
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import smooth
from facetell.types import Box, FacetellError, FloatArray, UInt8Array

SIDE = 160  # pixels of the square that the network sees
LATENT = 32  # channels of its code, of SIDE / 8 a side
WEIGHTS = Path(__file__).with_name("resynth.onnx")


@dataclass(frozen=True, slots=True)
class ResynthConfig:
    """Ranges of re-synthesis (ours).

    ``noise``: standard deviation of what is added to the code, new in every frame; ``steady``: the same, but one for
    the whole clip; ``whole``: chance that the whole square is re-made, with no seam inside it; ``scale``: side of the
    square in face lengths.
    """

    noise: tuple[float, float] = (0.0, 0.15)
    steady: tuple[float, float] = (0.0, 0.2)
    whole: float = 0.4
    scale: tuple[float, float] = (1.35, 1.8)
    mask: MaskConfig = field(
        default_factory=lambda: MaskConfig(hull=0.7, inner=0.3, lower=0, regions=0, random=0, softness=(0.02, 0.08))
    )


@functools.cache
def _network() -> Callable[..., list[FloatArray]]:
    """The autoencoder, loaded once a process: from an image and the noise on its code to the image made anew."""
    if not WEIGHTS.is_file():
        raise FacetellError(f"the re-synthesis network is missing ({WEIGHTS}); install facetell anew")
    if importlib.util.find_spec("openvino"):
        return compile_small(WEIGHTS)
    return _in_opencv()


def _in_opencv() -> Callable[..., list[FloatArray]]:
    """The same from OpenCV, to a grey level; three times as slow."""
    network = cv2.dnn.readNetFromONNX(str(WEIGHTS))

    def run(image: FloatArray, noise: FloatArray) -> list[FloatArray]:
        network.setInput(image, "image")
        network.setInput(noise, "noise")
        return [np.asarray(network.forward(), np.float32)]

    return run


def remake(squares: UInt8Array, noise: FloatArray) -> UInt8Array:
    """Squares (T, 160, 160, 3) through the autoencoder with ``noise`` (T, 32, 20, 20) added to their codes."""
    network = _network()
    made = np.empty_like(squares)
    for square, disturbance, out in zip(squares, noise, made, strict=True):
        image = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / 255
        (decoded,) = network(image, np.ascontiguousarray(disturbance[None], np.float32))
        out[...] = np.clip(np.rint(decoded[0].transpose(1, 2, 0) * 255), 0, 255)
    return made


def resynth(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: ResynthConfig
) -> tuple[UInt8Array, FloatArray]:
    """The face re-made frame by frame. Returns forged frames (T, H, W, 3) and their mask (T, H, W)."""
    calm = smooth(landmarks, 1.0)
    size = (frames.shape[1], frames.shape[2])
    count = len(frames)
    code = (count, LATENT, SIDE // 8, SIDE // 8)
    # What holds for the clip is drawn before what is new in every frame: it does not depend on the clip's length.
    scale, whole = rng.uniform(*config.scale), rng.random() < config.whole
    mask = draw_mask(calm, size, rng, config.mask)
    steady = rng.uniform(*config.steady) * rng.standard_normal((1, *code[1:]), dtype=np.float32)
    noise = steady + rng.uniform(*config.noise) * rng.standard_normal(code, dtype=np.float32)
    matrices = [_square(points, scale) for points in calm]
    shape = (SIDE, SIDE)
    squares = [
        cv2.warpAffine(frame, matrix, shape, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for frame, matrix in zip(frames, matrices, strict=True)
    ]
    made = remake(np.asarray(squares, dtype=np.uint8), noise)
    back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pasted = np.stack([cv2.warpAffine(m, a, size[::-1], flags=back) for m, a in zip(made, matrices, strict=True)])
    if whole:
        ramp = _ramp()
        placed = np.stack([cv2.warpAffine(ramp, matrix, size[::-1], flags=back) for matrix in matrices])
        mask = np.clip(placed, 0, 1).astype(np.float32)
    return blend(frames, pasted.astype(np.uint8), mask), mask


def _square(points: FloatArray, scale: float) -> FloatArray:
    """The 2 x 3 map from the picture to the square of 160 pixels round one face (468, 2)."""
    box = Box(*map(float, (*points.min(axis=0), *points.max(axis=0))))
    ratio = SIDE / (scale * max(box.width, box.height, 4.0))
    x, y = box.center
    middle = (SIDE - 1) / 2
    return np.array([[ratio, 0, middle - ratio * x], [0, ratio, middle - ratio * y]], dtype=np.float32)


@functools.cache
def _ramp() -> FloatArray:
    """A mask of the whole square that fades out over its outer tenth, (160, 160)."""
    line = np.clip(np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / (0.1 * SIDE), 0, 1)
    return np.outer(line, line).astype(np.float32)

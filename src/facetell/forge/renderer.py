"""Neural rendering: a warped portrait made anew by a network, as talking-head generators do (PIRenderer, SadTalker).

A warp alone leaves stretched skin and a painted mouth; generators pass what they have warped through a decoder that
was trained to make a real frame of it. Ours was, on real faces only (``renderer_train``). It shows what such decoders
have in common: texture that is made up on a coarse grid, and as steady from frame to frame as the warp.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetell.forge.colour import blend, match_colour
from facetell.forge.networks import code_noise, face_square, put, remake, square_masks, take
from facetell.types import FloatArray, UInt8Array

CHANNELS = 64  # of the network's code
WEIGHTS = Path(__file__).with_name("renderer.onnx")


@dataclass(frozen=True, slots=True)
class RendererConfig:
    """Ranges of rendering (ours).

    ``steady``: standard deviation of what is added to the code, one for the clip: each draw is another decoder;
    ``noise``: the same, new in every frame; ``scale``: side of the square in face lengths; ``strength``: share of the
    rendered picture in what is shown.
    """

    steady: tuple[float, float] = (0.0, 0.25)
    noise: tuple[float, float] = (0.0, 0.03)
    scale: tuple[float, float] = (1.5, 2.2)
    strength: tuple[float, float] = (0.6, 1.0)


def render(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: RendererConfig
) -> tuple[UInt8Array, FloatArray]:
    """An animated portrait (T, H, W, 3) with ``landmarks`` (T, 468, 2) as a network renders it, and the mask (T, H, W).

    The square that is rendered stands still for the clip, as a generator's frame does.
    """
    size = (frames.shape[1], frames.shape[2])
    scale, strength = rng.uniform(*config.scale), rng.uniform(*config.strength)
    noise = code_noise(len(frames), CHANNELS, config.steady, config.noise, rng)
    matrix = face_square(landmarks.mean(axis=0), scale)
    matrices = [matrix] * len(frames)
    squares = take(frames, matrices)
    everywhere = np.ones(squares.shape[:3], np.float32)
    # A network so small makes all a little paler, which would be the easiest thing to learn of it.
    made = match_colour(remake(WEIGHTS, squares, noise), everywhere, squares, everywhere)
    mask = np.repeat(square_masks([matrix], size) * np.float32(strength), len(frames), axis=0)
    return blend(frames, put(made, matrices, size), mask), mask

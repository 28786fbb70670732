"""Re-synthesis: every frame passed alone through a small autoencoder, as whole-face generators do.

What is left is a decoder's texture and an error that is new in every frame. The network was trained on real faces only
(``resynth_train``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facetell.forge.colour import blend
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import smooth
from facetell.forge.networks import code_noise, face_square, put, remake, square_masks, take
from facetell.types import FloatArray, UInt8Array

LATENT = 32  # channels of the network's code
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


def resynth(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: ResynthConfig
) -> tuple[UInt8Array, FloatArray]:
    """The face re-made frame by frame. Returns forged frames (T, H, W, 3) and their mask (T, H, W)."""
    calm = smooth(landmarks, 1.0)
    size = (frames.shape[1], frames.shape[2])
    # What holds for the clip is drawn before what is new in every frame: it does not depend on the clip's length.
    scale, whole = rng.uniform(*config.scale), rng.random() < config.whole
    mask = draw_mask(calm, size, rng, config.mask)
    noise = code_noise(len(frames), LATENT, config.steady, config.noise, rng)
    matrices = [face_square(points, scale) for points in calm]
    pasted = put(remake(WEIGHTS, take(frames, matrices), noise), matrices, size)
    if whole:
        mask = square_masks(matrices, size)
    return blend(frames, pasted, mask), mask

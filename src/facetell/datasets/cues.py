"""Properties of coding and framing that must not predict the label, and a linear probe that measures how well they do.

Training images of both classes have to have one distribution of sharpness, brightness, compression and framing: on a
sample of the batches, the AUC of the probe should be at most 0.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetell.faces.quality import noise_level
from facetell.metrics.ranking import auc
from facetell.types import UInt8Array

CUES = (
    *(f"energy in the {place} octave" for place in ("highest", "second", "third")),
    *("brightness", "contrast", "saturation", "noise", "blocks of 8 pixels", "border"),
)
RIDGE = 1.0  # penalty on the weights of standardised cues; negligible beyond some dozen rows
_FLAT = 0.5  # grey levels of 255; neighbouring lines of a bar or of a repeated border differ by less
_TINY = 1e-9


def cues_of(images: UInt8Array | Sequence[UInt8Array]) -> NDArray[np.float64]:
    """The cues of images, uint8 RGB (N, H, W, 3) of at least 16 x 16 pixels: float64 (N, len(CUES))."""
    return np.array([_cues(image) for image in images]).reshape(-1, len(CUES))


def probe_auc(cues: NDArray[np.float64], labels: ArrayLike, folds: ArrayLike) -> float:
    """AUC in [0, 1] of a linear probe (ridge regression of the label, classes weighing the same), scored out of fold.

    ``cues`` has shape (N, C), ``labels`` (1 forged, 0 real) and ``folds`` (:mod:`facetell.datasets.folds`) have (N,).
    NaN where a class is missing, or where the rows outside some fold lack one.
    """
    y, of = np.asarray(labels, dtype=np.float64), np.asarray(folds)
    scores = np.full(len(y), np.nan)
    for fold in np.unique(of):
        train = of != fold
        x, t = cues[train], y[train]
        if 0 < t.sum() < len(t):
            mean, std = x.mean(axis=0), x.std(axis=0) + _TINY
            weights = np.where(t > 0, 0.5 / t.mean(), 0.5 / (1 - t.mean()))[:, None]
            z = np.hstack([(x - mean) / std, np.ones((len(x), 1))])
            penalty = np.diag([*[RIDGE] * x.shape[1], 0.0])
            found = np.linalg.solve(z.T @ (weights * z) + penalty, z.T @ (weights[:, 0] * t))
            scores[~train] = np.hstack([(cues[~train] - mean) / std, np.ones(((~train).sum(), 1))]) @ found
    return auc(y, scores)


def _cues(image: UInt8Array) -> list[float]:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean() / 255
    unit = luma / 255
    noise = float(np.log10(noise_level(image) / 255 + 1e-4))
    blocks = (_blockiness(luma) + _blockiness(luma.T)) / 2
    return [*_octaves(unit), unit.mean(), unit.std(), saturation, noise, blocks, _border(luma)]


def _octaves(luma: NDArray[np.float64]) -> list[float]:
    """Log10 of the shares of the spectral energy at 1/2 to 1/4, to 1/8 and to 1/16 cycles per pixel (Hann window)."""
    height, width = luma.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    energy = np.abs(np.fft.rfft2((luma - luma.mean()) * window)) ** 2
    energy[:, 1 : (width + 1) // 2] *= 2  # columns that represent two of the full spectrum
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    total = energy.sum() + _TINY
    shares = (energy[(radius > 2.0**-k / 2) & (radius <= 2.0**-k)].sum() / total for k in (1, 2, 3))
    return [float(np.log10(share + 1e-7)) for share in shares]


def _blockiness(luma: NDArray[np.float64]) -> float:
    """Log of the mean step across a grid of 8 pixels, of the phase with the largest steps, over that elsewhere."""
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    phases = np.array([steps[phase::8].mean() for phase in range(8)])
    highest = int(phases.argmax())
    return float(np.log((phases[highest] + 0.1) / (np.delete(phases, highest).mean() + 0.1)))


def _border(luma: NDArray[np.float64]) -> float:
    """Share of the lines, counted from the four sides, that are bars or repeat their neighbour."""
    share = 0.0
    for lines in (luma, luma[::-1], luma.T, luma.T[::-1]):
        changed = np.abs(np.diff(lines, axis=0)).mean(axis=1) > _FLAT
        share += (int(changed.argmax()) if changed.any() else len(changed)) / len(lines)
    return share

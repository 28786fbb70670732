"""Motion, pixelation, noise and blur of the crops of a clip: they decide whether it is scored, and what the score says.

The measurements behind the thresholds are in ``docs/architecture.md`` ("Motion, noise, blur and pixelation").
"""

from __future__ import annotations

import functools
import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.faces.crop import crop_frame
from facetell.types import Crop, FloatArray, Status, UInt8Array

Flaws = NDArray[np.float64]  # (2,), of a face: noise in grey levels, and blur
STILL = 0.03  # change within a clip, before registration: less is not scored
MOVING = 0.11  # motion within a clip: a face moves if two of its clips reach this
CHANGED = 0.1  # motion between successive clips: a face moves if the median reaches this
LEAST_CLIPS = 3  # with fewer clips a face counts as still only if nothing changes in them
BLEND = 0.02  # share of the energy of change outside its first component: less is a cut or a dissolve
SPREAD = 0.2  # median over second-largest change of the cells: less is local, as a blink is
PIXELATED = 0.4  # grid strength

_INNER = 0.68  # side of the inner face in sides of the crop
_SIDE, _CELL = 32, 4  # pixels of the image that motion is measured on, and of its cells
_BLUR = 1.2  # standard deviation in those pixels: removes codec noise and the errors of interpolation
_STEPS = 3  # of the registration
_FLAT = 1.0  # grey levels per pixel: the gradient of a face is at least this
_COLLAPSED = 0.1  # area of a pixel after a step of the registration: less is a failure

_GRID_PART = 0.56  # side of the region that is searched for a grid, in sides of the crop
_PERIODS = (4.0, 22.0)  # pixels of a crop of 160: smaller cells do not hide a face, larger ones are too few


@dataclass(slots=True)
class FaceMotion:
    """Motion of one face, within its clips and between successive ones.

    Motion is in pixels of an image in which 0.68 sides of the crop are 32: the residual after registration, without
    brightness, contrast and affine motion, over the mean gradient. Only the latest ``kept`` clips count (default: all).
    """

    kept: int | None = None
    within: deque[float] = field(init=False)
    between: deque[float] = field(init=False)
    _last: FloatArray | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.within, self.between = deque(maxlen=self.kept), deque(maxlen=self.kept)

    def add(self, frames: UInt8Array) -> bool:
        """Add the next clip, uint8 RGB (T, S, S, 3), T >= 2; whether the face or its position changes in it at all.

        Motion is not measured once the face has moved, where all clips count.
        """
        images = np.stack([_inner_face(frame) for frame in frames])
        middle, others = images[len(images) // 2], np.delete(images, len(images) // 2, axis=0)
        changes = _change(others, middle) >= STILL
        if self.kept is None and self._moves_within:
            return changes
        within = 0.0
        if changes:
            residuals, gradient = _register(others, middle)
            within = _third(residuals) / gradient
        self.within.append(within)
        if self._last is not None:
            residuals, gradient = _register(self._last[None], middle)
            self.between.append(float(np.partition(_cells(residuals)[0], -4)[-4]) / gradient)
        self._last = middle
        return changes

    @property
    def is_absent(self) -> bool:
        """Whether the face moves neither in its clips nor between them, but for one clip of :data:`MOVING` or more."""
        if not any(self.within):
            return bool(self.within)
        if len(self.within) < LEAST_CLIPS or self._moves_within:
            return False
        return statistics.median(self.between) < CHANGED

    @property
    def _moves_within(self) -> bool:
        return sum(value >= MOVING for value in self.within) >= 2


def why_unfit(frames: UInt8Array, roll: float, motion: FaceMotion) -> Status | None:
    """``face_obscured`` or ``no_motion`` if a clip is not to be scored, else None.

    ``frames`` is uint8 RGB (T, S, S, 3), T >= 2, ``roll`` in radians. A clip not obscured is added to ``motion``.
    """
    if is_pixelated(frames, roll):
        return Status.FACE_OBSCURED
    return None if motion.add(frames) else Status.NO_MOTION


def is_pixelated(frames: UInt8Array, roll: float = 0.0) -> bool:
    """Whether the inner face of a clip (T, S, S, 3) is a mosaic, by its first, middle and last frame."""
    indices = sorted((0, len(frames) // 2, len(frames) - 1))
    return float(np.median([grid_strength(frames[index], roll) for index in indices])) >= PIXELATED


def flaws_of(image: UInt8Array) -> Flaws:
    """Noise in grey levels and blur of the crop of a face, RGB (S, S, 3): with too much, scores are worth less.

    Blur is the contrast of the inner face in the third octave of a Laplacian pyramid over that in the first and finest.
    """
    grey, side = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), min(len(image), 224)  # blur is relative to this size
    level = np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    contrasts = []
    for _ in range(3):
        half = cv2.pyrDown(level)
        inner = slice(margin := round(len(level) * (1 - _INNER) / 2), len(level) - margin)
        contrasts.append(float((level - cv2.pyrUp(half, dstsize=level.shape[::-1]))[inner, inner].std()))
        level = np.asarray(half, np.float32)
    return np.array([noise_level(image), contrasts[2] / (contrasts[0] + 0.01)])


def noise_level(image: UInt8Array) -> float:
    """Standard deviation of the noise of an RGB image (H, W, 3) in grey levels, by its diagonal Haar coefficients."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    diagonal = luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:] + luma[1:, 1:]
    return float(np.median(np.abs(diagonal))) / 2 / 0.6745


def grid_strength(frame: UInt8Array, roll: float = 0.0) -> float:
    """Share in [0, 1] of the brightness steps of the inner face that are on the lines of a square grid.

    It is the magnitude of the Fourier coefficient of the mean absolute differences along each axis, relative to their
    mean, at the cell size where the weaker of the two axes is strongest. Bilinear enlargement and deblocking distribute
    the steps of other grids. ``frame`` is uint8 RGB (S, S, 3), ``roll`` the clockwise rotation of the crop in radians:
    the cells of a mosaic are along the axes of the uncropped frame.
    """
    size = frame.shape[0]
    side = round(size * _GRID_PART)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    inner = crop_frame(grey, Crop(size / 2, size / 2, side, -roll), side).astype(np.float32)
    steps = np.stack([np.abs(np.diff(inner, axis=1)).mean(axis=0), np.abs(np.diff(inner, axis=0)).mean(axis=1)])
    waves, window = _waves(side - 1, size / 160)
    mean = steps @ window
    strengths = np.abs((steps - mean[:, None]) @ waves) / np.maximum(mean[:, None], 1e-3)
    return float(strengths.min(axis=0).max())


@functools.cache
def _waves(length: int, scale: float) -> tuple[NDArray[np.complex64], FloatArray]:
    """Windowed waves (length, periods) of the cell sizes that are searched for, and the window, of sum 1."""
    periods = [_PERIODS[0] * scale]
    while periods[-1] < _PERIODS[1] * scale:
        periods.append(periods[-1] + 0.4 * periods[-1] ** 2 / length)  # at most 0.4 of a cell apart over the length
    window = np.hanning(length + 2)[1:-1]
    window /= window.sum()
    waves = np.exp(2j * np.pi * np.arange(length)[:, None] / np.array(periods)) * window[:, None]
    return waves.astype(np.complex64), window.astype(np.float32)


def _inner_face(frame: UInt8Array) -> FloatArray:
    size = frame.shape[0]
    margin = round(size * (1 - _INNER) / 2)
    grey = cv2.cvtColor(frame[margin : size - margin, margin : size - margin], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _BLUR), dtype=np.float32)


def _change(others: FloatArray, middle: FloatArray) -> float:
    """Motion of images (T - 1, side, side) against the middle one, unregistered; 0 for blends (cut, dissolve)."""
    lights, _ = np.linalg.qr(np.stack([middle[_OVAL], np.ones_like(middle[_OVAL])], axis=1))
    changes = (others - middle)[:, _OVAL]
    changes -= changes @ lights @ lights.T  # a flash or a flicker is no motion, and no cut
    return (
        0.0 if _is_blend(changes) or others.std(axis=(1, 2)).min() < _FLAT else _third(changes) / _gradient(middle)[2]
    )


def _third(residuals: FloatArray) -> float:
    """Of residuals (N, pixels of the oval): the second-most changed cell in the third-most changed frame.

    A blink counts, the flicker of a single key frame does not, and repeated frames do not lower it.
    """
    second = np.partition(_cells(residuals), -2, axis=1)[:, -2]
    return float(np.sort(second)[-min(3, len(second))])


def _is_blend(changes: FloatArray) -> bool:
    """Whether all frames are blends of two images: one pattern explains their changes, and covers the face."""
    if len(changes) < 3:
        return False
    gram = (changes @ changes.T).astype(np.float64)
    energy = float(np.trace(gram))
    if energy - float(np.linalg.eigvalsh(gram)[-1]) >= BLEND * energy:
        return False
    cells = _cells(np.sqrt((changes**2).mean(axis=0))[None])[0][_FULL_CELLS]
    return float(np.median(cells)) >= SPREAD * float(np.partition(cells, -2)[-2])


def _cells(residuals: FloatArray) -> FloatArray:
    """Root mean square (N, cells) of residuals (N, pixels of the oval)."""
    squares = np.zeros((len(residuals), _SIDE, _SIDE), np.float32)
    squares[:, _OVAL] = residuals**2
    return np.asarray(np.sqrt(_by_cell(squares).mean(axis=2)), dtype=np.float32)


def _by_cell(images: NDArray[Any]) -> NDArray[Any]:
    """The pixels of (N, side, side) as (N, cells, pixels of a cell)."""
    count = _SIDE // _CELL
    return images.reshape(-1, count, _CELL, count, _CELL).swapaxes(2, 3).reshape(-1, count**2, _CELL**2)


def _gradient(image: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Along x and y, at the pixels of the oval, in grey levels per pixel, and their root mean square."""
    dx, dy = (
        np.asarray(cv2.Sobel(image, cv2.CV_32F, *axis, ksize=3, scale=1 / 8), dtype=np.float32)[_OVAL]
        for axis in ((1, 0), (0, 1))
    )
    return dx, dy, max(_FLAT, float(np.sqrt(np.mean(dx**2 + dy**2))))


def _register(images: FloatArray, reference: FloatArray) -> tuple[FloatArray, float]:
    """Residuals of images (N, side, side) after affine registration with the reference, and the mean gradient.

    Inverse compositional Gauss-Newton (Baker and Matthews, 2004) with gain and bias of the brightness, at the pixels of
    the oval. For each image the step with the smallest residual counts.
    """
    dx, dy, gradient = _gradient(reference)
    x, y = _X[_OVAL], _Y[_OVAL]
    jacobian = np.stack([dx, dy, x * dx, y * dx, x * dy, y * dy, reference[_OVAL], np.ones_like(dx)], axis=1)
    solve = np.linalg.pinv(jacobian.astype(np.float64), rcond=1e-6).astype(np.float32)
    warps = np.tile(np.eye(3), (len(images), 1, 1))
    warped, least = images, np.full(len(images), np.inf)
    residuals = np.empty((len(images), len(dx)), np.float32)
    for step in range(_STEPS + 1):
        changes = (warped - reference)[:, _OVAL]
        found = changes @ solve.T
        rest = changes - found @ jacobian.T
        energy = (rest**2).sum(axis=1)
        better = energy < least
        residuals[better], least[better] = rest[better], energy[better]
        if step == _STEPS:
            break
        updates = np.tile(np.eye(3), (len(images), 1, 1))
        updates[:, :2, :2] += found[:, [[2, 3], [4, 5]]]
        updates[:, :2, 2] = found[:, :2] + _CENTER - updates[:, :2, :2] @ _CENTER
        if np.abs(np.linalg.det(updates)).min() < _COLLAPSED:
            break
        warps = warps @ np.linalg.inv(updates)
        parts = zip(images, warps[:, :2], strict=True)
        warped = np.stack([cv2.warpAffine(one, to, (_SIDE, _SIDE), flags=_HOW, borderMode=_EDGE) for one, to in parts])
    return residuals, gradient


_HOW, _EDGE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
_CENTER = np.full(2, (_SIDE - 1) / 2)
_Y, _X = (np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2).astype(np.float32)
_OVAL: NDArray[np.bool_] = np.hypot(_X / (0.85 * _SIDE / 2), _Y / (_SIDE / 2)) <= math.sqrt(0.9)
_FULL_CELLS: NDArray[np.bool_] = _by_cell(_OVAL[None])[0].all(axis=1)

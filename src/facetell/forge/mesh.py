"""Indices and functions of the 468-point face mesh. Right and left are the person's own, mirrored in the image."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.faces.regions import BROWS, EYES, EYES_WITH_BROWS, LIPS_OUTER, NOSE, OVAL, IndexArray, indices
from facetell.types import FloatArray

POINTS = 468
LIPS_INNER = indices("78 191 80 81 82 13 312 311 310 415 308 324 318 402 317 14 87 178 88 95")
CHEEKS = indices("50 280 205 425 118 347 101 330 187 411 207 427 192 416")
CHIN = indices("152 199 200 18 175 208 428")
LOWER_FACE = np.concatenate([OVAL[7:30], LIPS_OUTER, CHIN, indices("2 98 327 205 425 50 280")])
INNER = np.concatenate([*EYES, *BROWS, NOSE, LIPS_OUTER, CHIN[1:3]])
UPPER_LID, LOWER_LID = (159, 386), (145, 374)
REGIONS = (*EYES_WITH_BROWS, NOSE, LIPS_OUTER)
FEATURES = (*EYES, *BROWS, NOSE, LIPS_OUTER, CHIN, CHEEKS[::2], CHEEKS[1::2])
# The points that control a warp of the whole face. With the points of the image border, a spline has fewer than 100
# unknowns: from 100 on the linear solver starts threads, which on a busy machine made it fifty times slower.
CONTROL = np.unique(
    np.concatenate(
        [
            *(ring[::2] for ring in (OVAL, LIPS_OUTER, LIPS_INNER, *EYES)),
            *(brow[:5:2] for brow in BROWS),
            indices("6 195 4 2 98 327 50 280 205 425 101 330 151 9 199"),
        ]
    )
)


def face_width(landmarks: FloatArray) -> float:
    """Median width of the mesh (T, 468, 2) in pixels, at least 8: the unit of lengths in this package."""
    return max(8.0, float(np.median(np.ptp(landmarks[..., 0], axis=-1))))


def centers(landmarks: FloatArray) -> FloatArray:
    """Centre of the inner face in each frame, (T, 2)."""
    return np.asarray(landmarks[:, INNER].mean(axis=1), dtype=np.float32)


def feature_centres(landmarks: FloatArray) -> FloatArray:
    """Centres (T, K, 2) of the facial :data:`FEATURES` of landmarks (T, 468, 2)."""
    return np.stack([landmarks[:, feature].mean(axis=1) for feature in FEATURES], axis=1)


def smooth(values: FloatArray, sigma: float) -> FloatArray:
    """Gaussian smoothing along the first axis, ``sigma`` in frames, ends replicated; 0 returns ``values``."""
    if sigma <= 0 or len(values) < 2:
        return values
    kernel = cv2.getGaussianKernel(2 * round(3 * sigma) + 1, sigma)
    flat = values.reshape(len(values), -1)
    smoothed = cv2.sepFilter2D(flat, cv2.CV_32F, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smoothed, dtype=np.float32).reshape(values.shape)


def coloured_noise(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> FloatArray:
    """Noise of unit variance along the first axis with correlation ``memory`` in [0, 1) to the step before."""
    noise = rng.standard_normal(shape).astype(np.float32)
    fresh = np.float32(np.sqrt(1 - memory * memory))
    for t in range(1, shape[0]):
        noise[t] = np.float32(memory) * noise[t - 1] + fresh * noise[t]
    return noise


def similarity(source: FloatArray, target: FloatArray) -> FloatArray:
    """The 2 x 3 similarity (rotation, scale, translation) that maps ``source`` (K, 2) onto ``target`` (K, 2)."""
    a, b = source.mean(axis=0), target.mean(axis=0)
    p, q = (source - a).astype(np.float64), (target - b).astype(np.float64)
    norm = float((p * p).sum())
    linear = np.eye(2)
    if norm >= 1e-6:  # else all points coincide and there is a translation only
        cos = float((p * q).sum()) / norm
        sin = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / norm
        linear = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([linear, (b - linear @ a)[:, None]]).astype(np.float32)


def transform(points: FloatArray, matrix: FloatArray) -> FloatArray:
    """Points (..., 2) mapped by a 2 x 3 affine matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def mouth_opening(landmarks: FloatArray) -> FloatArray:
    """Distance of the lips over the height of the face, (T,)."""
    height = np.maximum(np.linalg.norm(landmarks[:, 10] - landmarks[:, 152], axis=-1), 1.0)
    return np.asarray(np.linalg.norm(landmarks[:, 13] - landmarks[:, 14], axis=-1) / height)


def eye_opening(landmarks: FloatArray) -> FloatArray:
    """Distance of the lids over the width of the eye, (T, 2): right eye, left eye."""
    gaps = np.linalg.norm(landmarks[:, UPPER_LID] - landmarks[:, LOWER_LID], axis=-1)
    widths = np.linalg.norm(landmarks[:, (33, 263)] - landmarks[:, (133, 362)], axis=-1)
    return np.asarray(gaps / np.maximum(widths, 1.0))


def reflected(indices: IndexArray, length: int) -> IndexArray:
    """Frame indices that run back and forth within [0, length)."""
    period = max(1, 2 * (length - 1))
    folded = indices % period
    return np.minimum(folded, 2 * (length - 1) - folded)

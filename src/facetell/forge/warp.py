"""Smooth dense warps: a displacement is known at some points or at nodes of a coarse grid, and wanted at each pixel.

All maps are backward maps, as ``cv2.remap`` takes them: for each pixel of the result, where to look in the source.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.types import FloatArray, UInt8Array

CELL = 4  # pixels between nodes of the coarse grid on which warps are computed, at least
CELLS_A_FACE = 32  # nodes across a face where it is large
MAX_NODES = 256  # nodes along the longer side at most, whatever the face
CHUNK = 512  # nodes evaluated at once
Floating = TypeVar("Floating", np.float32, np.float64)


def grid_nodes(size: tuple[int, int], face: float) -> FloatArray:
    """Pixels of the coarse grid's nodes (rows, columns, 2) as (x, y), for a picture (H, W) with a ``face`` so wide.

    Nodes stand where ``cv2.resize`` takes the pixels of a shrunken picture to be, so that resizing a field is right.
    """
    height, width = size
    cell = max(CELL, face / CELLS_A_FACE, max(size) / MAX_NODES)
    rows, columns = max(2, round(height / cell)), max(2, round(width / cell))
    ys = (np.arange(rows) + 0.5) * height / rows - 0.5
    xs = (np.arange(columns) + 0.5) * width / columns - 0.5
    return np.stack(np.meshgrid(xs, ys), axis=-1).astype(np.float32)


def remap_field(image: UInt8Array, field: FloatArray, size: tuple[int, int] | None = None) -> UInt8Array:
    """Warp ``image`` (H, W, 3) by a coarse ``field`` (rows, columns, 2) of displacements in pixels; edges replicate.

    The result has the ``size`` (height, width) that the field was made for, the image's own by default.
    """
    height, width = image.shape[:2] if size is None else size
    xs = cv2.resize(field[..., 0], (width, height), interpolation=cv2.INTER_LINEAR) + np.arange(width, dtype=np.float32)
    ys = cv2.resize(field[..., 1], (width, height), interpolation=cv2.INTER_LINEAR)
    ys = ys + np.arange(height, dtype=np.float32)[:, None]
    warped = cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def bump_field(
    nodes: FloatArray, points: FloatArray, displacements: FloatArray, radius: float, chunk: int = 8
) -> FloatArray:
    """Sum of Gaussian bumps: displacement ``displacements`` (T, K, 2) at ``points`` (T, K, 2), fading with ``radius``.

    Returns:
        Coarse fields (T, rows, columns, 2) in pixels. Bumps that overlap add up.
    """
    flat = nodes.reshape(-1, 2)
    fields = np.empty((len(points), len(flat), 2), np.float32)
    for start in range(0, len(points), chunk):
        part = slice(start, start + chunk)
        weights = np.exp(_squared_distances(flat[None], points[part]) / (-2 * radius * radius))
        fields[part] = weights @ displacements[part].astype(np.float32)
    return fields.reshape(len(points), *nodes.shape)


def border_points(size: tuple[int, int], per_side: int = 3) -> FloatArray:
    """Points (4 * per_side, 2) round the edge of a picture of ``size`` (H, W), corners among them."""
    height, width = size
    steps = np.arange(per_side) / per_side
    zeros, ones = np.zeros(per_side), np.ones(per_side)
    x = np.concatenate([steps, ones, 1 - steps, zeros]) * (width - 1)
    y = np.concatenate([zeros, steps, ones, 1 - steps]) * (height - 1)
    return np.stack([x, y], axis=1).astype(np.float32)


def spline_field(nodes: FloatArray, to: FloatArray, source: FloatArray, stiffness: float = 3e-5) -> FloatArray:
    """Thin-plate splines: the field that looks up ``source`` (T, K, 2) at the points ``to`` (T, K, 2), in pixels.

    ``stiffness`` > 0 lets the spline miss its points a little rather than fold where they crowd; points of a frame may
    coincide, but must not all lie on one line (add :func:`border_points`).

    Returns:
        Coarse fields (T, rows, columns, 2) of displacements in pixels.
    """
    count, k = to.shape[:2]
    unit = max(1.0, float(nodes.max()))
    points, values = to.astype(np.float64) / unit, (source - to).astype(np.float64) / unit
    system = np.zeros((count, k + 3, k + 3))
    system[:, :k, :k] = _spline_kernel(_squared_distances(points, points)) + stiffness * np.eye(k)
    system[:, :k, k] = system[:, k, :k] = 1
    system[:, :k, k + 1 :] = points
    system[:, k + 1 :, :k] = points.transpose(0, 2, 1)
    right = np.zeros((count, k + 3, 2))
    right[:, :k] = values
    weights = (np.linalg.solve(system, right) * unit).astype(np.float32)
    flat = (nodes / unit).reshape(-1, 2)
    affine = np.concatenate([np.ones((len(flat), 1), np.float32), flat], axis=1)
    fields = np.empty((count, len(flat), 2), np.float32)
    for t in range(count):
        for start in range(0, len(flat), CHUNK):  # piece by piece, so that the kernel stays in the cache
            part = slice(start, start + CHUNK)
            kernel = _spline_kernel(_squared_distances(flat[part], to[t] / np.float32(unit)))
            fields[t, part] = kernel @ weights[t, :k] + affine[part] @ weights[t, k:]
    return fields.reshape(count, *nodes.shape)


def _spline_kernel(squared: NDArray[Floating]) -> NDArray[Floating]:
    """r² log r², 0 at 0."""
    safe = np.maximum(squared, 1e-12)
    return np.asarray(safe * np.log(safe), dtype=squared.dtype)


def _squared_distances(a: NDArray[Floating], b: NDArray[Floating]) -> NDArray[Floating]:
    """Squared distances between points (..., N, 2) and (..., M, 2): (..., N, M)."""
    dx = a[..., :, None, 0] - b[..., None, :, 0]
    dy = a[..., :, None, 1] - b[..., None, :, 1]
    dx *= dx
    dy *= dy
    dx += dy
    return np.asarray(dx)

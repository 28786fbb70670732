"""Dense warps from displacements at a few points, evaluated on a coarse grid and interpolated to pixels.

All fields are backward displacements, as ``cv2.remap`` takes them: for each output pixel, where to read the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.forge.mesh import CONTROL
from facetell.types import FloatArray, UInt8Array

CELL = 4  # least distance of grid nodes in pixels
CELLS_A_FACE = 32  # nodes across a large face
MAX_NODES = 256  # nodes along the longer side of the image
CHUNK = 512  # nodes evaluated at once, so that the spline kernel stays in the cache
STIFFNESS = 3e-5  # of splines: a point may be missed a little rather than the image fold where points are dense


def grid_nodes(size: tuple[int, int], face: float) -> FloatArray:
    """Coarse grid (rows, columns, 2) of (x, y) for an image of ``size`` (H, W) with a ``face`` of this width.

    Nodes are at the pixel centres of a shrunken image as ``cv2.resize`` defines them, so a field can be resized.
    """
    height, width = size
    cell = max(CELL, face / CELLS_A_FACE, max(size) / MAX_NODES)
    rows, columns = max(2, round(height / cell)), max(2, round(width / cell))
    ys = (np.arange(rows) + 0.5) * height / rows - 0.5
    xs = (np.arange(columns) + 0.5) * width / columns - 0.5
    return np.stack(np.meshgrid(xs, ys), axis=-1).astype(np.float32)


def remap_field(image: UInt8Array, field: FloatArray, size: tuple[int, int] | None = None) -> UInt8Array:
    """Warp ``image`` (H, W, 3) by a coarse ``field`` (rows, columns, 2) in pixels; the border is replicated.

    ``size`` (height, width) of the output is the one that the field was computed for; default: that of the image.
    """
    height, width = image.shape[:2] if size is None else size
    xs, ys = (cv2.resize(field[..., i], (width, height), interpolation=cv2.INTER_LINEAR) for i in range(2))
    xs = xs + np.arange(width, dtype=np.float32)
    ys = ys + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def remap_fields(images: Iterable[UInt8Array], fields: FloatArray, size: tuple[int, int] | None = None) -> UInt8Array:
    """As :func:`remap_field`, each image by its own field: (T, H, W, 3)."""
    return np.stack([remap_field(image, field, size) for image, field in zip(images, fields, strict=True)])


def affine(image: NDArray[Any], matrix: FloatArray) -> NDArray[Any]:
    """``image`` (H, W[, 3]) mapped by a 2 x 3 matrix onto a frame of the same size; the border is replicated."""
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def bump_field(nodes: FloatArray, points: FloatArray, displacements: FloatArray, radius: float) -> FloatArray:
    """Sums of Gaussian bumps of standard deviation ``radius``: ``displacements`` at ``points``, both (T, K, 2).

    Returns:
        Coarse fields (T, rows, columns, 2) in pixels.
    """
    flat = nodes.reshape(-1, 2)
    fields = np.empty((len(points), len(flat), 2), np.float32)
    for start in range(0, len(points), 8):
        part = slice(start, start + 8)
        weights = np.exp(_squared_distances(flat[None], points[part]) / (-2 * radius * radius))
        fields[part] = weights @ displacements[part].astype(np.float32)
    return fields.reshape(len(points), *nodes.shape)


def border_points(size: tuple[int, int], per_side: int = 3) -> FloatArray:
    """Points (4 * per_side, 2) along the border of an image of ``size`` (H, W), corners included."""
    height, width = size
    steps = np.arange(per_side) / per_side
    zeros, ones = np.zeros(per_side), np.ones(per_side)
    x = np.concatenate([steps, ones, 1 - steps, zeros]) * (width - 1)
    y = np.concatenate([zeros, steps, ones, 1 - steps]) * (height - 1)
    return np.stack([x, y], axis=1).astype(np.float32)


def spline_field(nodes: FloatArray, to: FloatArray, source: FloatArray, stiffness: float = STIFFNESS) -> FloatArray:
    """Thin-plate splines that read ``source`` at ``to``, both (T, K, 2) in pixels.

    Points of a frame may coincide, but must not all be on one line (add :func:`border_points`).

    Returns:
        Coarse fields (T, rows, columns, 2) in pixels.
    """
    count, k = to.shape[:2]
    unit = max(1.0, float(nodes.max()))
    points, values = to.astype(np.float64) / unit, (source - to).astype(np.float64) / unit
    system = np.zeros((count, k + 3, k + 3))
    system[:, :k, :k] = _spline_kernel(points, points) + stiffness * np.eye(k)
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
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            kernel = _spline_kernel(flat[part], to[t] / np.float32(unit))
            fields[t, part] = kernel @ weights[t, :k] + affine[part] @ weights[t, k:]
    return fields.reshape(count, *nodes.shape)


def face_fields(
    size: tuple[int, int], width: float, goals: FloatArray, faces: FloatArray, edge: FloatArray, source_edge: FloatArray
) -> FloatArray:
    """Spline fields that move landmarks ``faces`` onto ``goals``, both (T, 468, 2), and the border along.

    Args:
        size: (H, W) of the output.
        width: of the face in pixels; it sets the density of the grid.
        goals: landmarks in the output.
        faces: landmarks in the source.
        edge: border points in the output, (B, 2) or (T, B, 2).
        source_edge: where they are read in the source, (B, 2) or (T, B, 2).
    """
    shape = (len(goals), edge.shape[-2], 2)
    to = np.concatenate([goals[:, CONTROL], np.broadcast_to(edge, shape)], axis=1)
    source = np.concatenate([faces[:, CONTROL], np.broadcast_to(source_edge, shape)], axis=1)
    return spline_field(grid_nodes(size, width), to, source)


def _spline_kernel(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """r² log r² of the distances r between points (..., N, 2) and (..., M, 2), 0 at r = 0."""
    squared = np.maximum(_squared_distances(a, b), 1e-12)
    return np.asarray(squared * np.log(squared))


def _squared_distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    dx, dy = (a[..., :, None, i] - b[..., None, :, i] for i in range(2))
    return np.asarray(dx * dx + dy * dy)

"""What the forgeries share: changes of colour and sharpness, soft masks that follow the landmarks, blending, and warps.

Frames are uint8 RGB (T, H, W, 3), masks float32 (T, H, W) in [0, 1]. A change is drawn once per clip. Warps are
backward displacement fields on a coarse grid, interpolated to pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.distort.frames import LUMA
from facetell.faces.regions import IndexArray
from facetell.forge.mesh import CONTROL, INNER, LOWER_FACE, POINTS, REGIONS, centers, face_width
from facetell.types import FloatArray, UInt8Array

Forgery = tuple[UInt8Array, FloatArray]
"""Forged frames (T, H, W, 3) and their mask (T, H, W)."""

FAMILIES = (0.4, 0.25, 0.1, 0.15, 0.1)
"""Weights of the shapes of a mask: whole face, brows to mouth, below the nose, some features, random hulls."""
SOFT = (0.02, 0.08)
REFERENCE = 256  # face width in pixels to which the elastic deformation refers, as in the paper
FRACTION_BITS = 4  # sub-pixel precision of the filling: a mask must not move by whole pixels
CELL = 4  # least distance of grid nodes in pixels
CELLS_A_FACE = 32  # nodes across a large face
MAX_NODES = 256  # nodes along the longer side of the image
CHUNK = 512  # nodes evaluated at once, so that the spline kernel stays in the cache
STIFFNESS = 3e-5  # of splines: a point may be missed a little rather than the image fold where points are dense


def draw_colour(rng: np.random.Generator, rgb: float = 20.0, hue: float = 4.0, contrast: float = 0.1) -> FloatArray:
    """A random colour change as a 3 x 4 matrix on RGB in [0, 255] (self-blended images, arXiv 2204.08376).

    One strength, uniform in [0, 1], scales all ranges: most changes are subtle. Half-widths of the ranges: ``rgb`` in
    grey levels, ``hue`` in degrees, ``contrast`` relative. Each part is drawn in half of the cases.
    """
    strength = rng.random()
    matrix = np.eye(3, 4)
    if rng.random() < 0.5:
        matrix[:, 3] += strength * rng.uniform(-rgb, rgb, 3)
    if rng.random() < 0.5:
        gain, saturation = 1 + strength * rng.uniform(-1, 1, 2) * (0.05, 0.3)
        turn = strength * np.deg2rad(rng.uniform(-hue, hue))
        matrix = gain * _chroma_matrix(saturation, turn) @ matrix
    if rng.random() < 0.5:
        gain = 1 + strength * rng.uniform(-contrast, contrast)
        lift = 255 * strength * rng.uniform(-0.1, 0.1)
        matrix *= gain
        matrix[:, 3] += 127.5 * (1 - gain) + lift
    return matrix.astype(np.float32)


def _chroma_matrix(saturation: float, turn: float) -> FloatArray:
    """Scales colours about their luma by ``saturation`` and rotates them about the grey axis by ``turn`` radians."""
    grey, axis = np.tile(LUMA, (3, 1)), np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = np.cos(turn) * np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * axis
    return np.asarray((grey + saturation * (np.eye(3) - grey)) @ rotation)


def apply_colour(frames: UInt8Array, matrix: FloatArray) -> UInt8Array:
    """Frames transformed by a 3 x 4 colour matrix, clipped to [0, 255]."""
    count, height, width, _ = frames.shape
    flat = cv2.transform(np.ascontiguousarray(frames).reshape(count * height, width, 3), matrix)
    return np.asarray(flat, dtype=np.uint8).reshape(frames.shape)


def draw_sharpness(rng: np.random.Generator, probability: float = 0.6, quarter: float = 0.25) -> float:
    """A change of sharpness: 1/2 or 1/4 shrinks and enlarges, 1 + amount sharpens, 1 changes nothing.

    ``probability`` of any change; ``quarter`` is that of 1/4 among those that shrink (arXiv 2204.08376).
    """
    if rng.random() >= probability:
        return 1.0
    if rng.random() < 0.5:
        return 0.25 if rng.random() < quarter else 0.5
    return 1 + float(rng.uniform(0.2, 0.8))


def apply_sharpness(frames: UInt8Array, change: float) -> UInt8Array:
    """Frames shrunk and enlarged (``change`` < 1), sharpened (> 1) or returned as they are (1)."""
    if change == 1.0:
        return frames
    height, width = frames.shape[1:3]
    size = (max(1, round(width * change)), max(1, round(height * change)))
    changed = np.empty_like(frames)
    for frame, out in zip(frames, changed, strict=True):
        if change < 1:
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            cv2.resize(small, (width, height), out, interpolation=cv2.INTER_LINEAR)
        else:
            cv2.addWeighted(frame, change, cv2.GaussianBlur(frame, (0, 0), 1.2), 1 - change, 0, out)
    return changed


def match_colour(source: UInt8Array, target: UInt8Array, mask: FloatArray) -> UInt8Array:
    """``source`` with the mean and standard deviation of ``target`` in CIE Lab, one change for the clip.

    Reinhard et al. (2001). Statistics are of every fourth frame where ``mask`` exceeds 0.5, or of all if it never does.
    """
    lab, goal = (np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2LAB) for frame in clip]) for clip in (source, target[::4]))
    inside = mask[::4] > 0.5
    inside = inside if inside.any() else np.ones_like(inside)
    (mean, spread), (goal_mean, goal_spread) = (
        (values.mean(axis=0), values.std(axis=0)) for values in (p[inside].astype(np.float32) for p in (lab[::4], goal))
    )
    gain = np.clip(goal_spread / np.maximum(spread, 1.0), 0.5, 2.0)
    matrix = np.hstack([np.diag(gain), (goal_mean - gain * mean)[:, None]]).astype(np.float32)
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_LAB2RGB) for frame in apply_colour(lab, matrix)])


def blend(target: UInt8Array, source: UInt8Array, mask: FloatArray) -> UInt8Array:
    """``source`` over ``target`` by ``mask``; where the mask is 0 no pixel changes."""
    mixed = [cv2.blendLinear(over, under, a, 1 - a) for under, over, a in zip(target, source, mask, strict=True)]
    return np.asarray(mixed, dtype=np.uint8)


def poisson_blend(target: UInt8Array, source: UInt8Array, mask: FloatArray) -> UInt8Array:
    """Blend gradients (Pérez et al. 2003) where the mask exceeds 0.5; a mask that reaches the border is feathered."""
    result = blend(target, source, mask)
    for t, alpha in enumerate(mask):
        hard = (alpha > 0.5).astype(np.uint8) * 255
        x, y, width, height = cv2.boundingRect(hard)
        inside = x > 1 and y > 1 and x + width < hard.shape[1] - 1 and y + height < hard.shape[0] - 1
        if inside and width > 2 and height > 2:
            middle = (x + width // 2, y + height // 2)
            cloned = cv2.seamlessClone(source[t], target[t], hard, middle, cv2.NORMAL_CLONE)
            result[t] = blend(target[t : t + 1], cloned[None], alpha[None])[0]
    return result


def draw_mask(
    landmarks: FloatArray,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    families: Sequence[float] = FAMILIES,
    shapes: Sequence[IndexArray] | None = None,
    scale: tuple[float, float] = (0.9, 1.05),
    softness: tuple[float, float] = (0.01, 0.06),
    breath: FloatArray | float = 1.0,
) -> FloatArray:
    """Soft masks (T, H, W) in [0, 1] for ``landmarks`` (T, 468, 2) in frames of ``size`` (H, W).

    The shape is drawn once as displacements of the landmarks and filled in each frame, so the mask moves with the face.
    Default ranges: self-blended images (arXiv 2204.08376). ``shapes`` are groups of landmarks whose convex hulls are
    covered, by default drawn by the weights ``families``; ``scale`` is the range of the size about the centre,
    ``softness`` that of the standard deviation of the blur in face widths; ``breath`` (T,) scales each frame's size.
    """
    width = face_width(landmarks)
    shapes = _draw_shapes(rng, np.array(families)) if shapes is None else shapes
    offsets = _elastic_offsets(landmarks[0], rng) * width
    scales = np.full(len(landmarks), rng.uniform(*scale), np.float32) * breath
    middle = centers(landmarks)[:, None]
    points = middle + (landmarks + offsets - middle) * scales[:, None, None]
    first, second = (max(0.3, sigma / 2) for sigma in rng.uniform(*softness, 2) * width)
    # Filling and blurring at half size is fast, and smoother than a full-size edge.
    rows, columns = (size[0] + 1) // 2, (size[1] + 1) // 2
    fixed = np.round(((points + 0.5) / 2 - 0.5) * (1 << FRACTION_BITS)).clip(-(1 << 20), 1 << 20).astype(np.int32)
    masks = np.empty((len(points), 2 * rows, 2 * columns), np.float32)
    for frame, full in zip(fixed, masks, strict=True):
        half = np.zeros((rows, columns), np.float32)
        for shape in shapes:
            cv2.fillConvexPoly(half, cv2.convexHull(frame[shape]), 1.0, cv2.LINE_8, FRACTION_BITS)
        # The first blur rounds the shape. Values below a half are removed, so that the second ramp is mostly inside it.
        blurred = cv2.GaussianBlur(half, (0, 0), first, borderType=cv2.BORDER_REPLICATE)
        inner = np.clip((blurred - 0.5) * 2, 0, 1)
        soft = cv2.GaussianBlur(inner, (0, 0), second, borderType=cv2.BORDER_REPLICATE)
        cv2.resize(soft, (2 * columns, 2 * rows), full, interpolation=cv2.INTER_LINEAR)
    # A blur with a finite kernel leaves tiny values far out: less than one grey level is not forged.
    masks[masks < 1 / 512] = 0
    return np.minimum(masks, 1.0, out=masks)[:, : size[0], : size[1]]


def _draw_shapes(rng: np.random.Generator, weights: NDArray[np.float64]) -> list[IndexArray]:
    """The groups of landmarks whose convex hulls form one mask."""
    family = int(rng.choice(5, p=weights / weights.sum()))
    if family < 3:
        return [(np.arange(POINTS), INNER, LOWER_FACE)[family]]
    if family == 3:
        return [REGIONS[i] for i in rng.choice(len(REGIONS), size=int(rng.integers(1, len(REGIONS))), replace=False)]
    return [rng.choice(POINTS, size=int(rng.integers(6, 24)), replace=False) for _ in range(int(rng.integers(1, 4)))]


def _elastic_offsets(shape: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Elastic displacements (468, 2) of landmarks (468, 2), in face widths: alpha 50, sigma 7 at a width of 256."""
    size = REFERENCE // 2
    noise = rng.uniform(-0.5, 0.5, (size, size, 2)).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 7.0 / 2), dtype=np.float32)
    low, high = shape.min(axis=0), shape.max(axis=0)
    cells = ((shape - low) / max(1e-6, float((high - low).max())) * (size - 1)).astype(int).clip(0, size - 1)
    return np.asarray(noise[cells[:, 1], cells[:, 0]] * (50.0 / REFERENCE))


def affine(image: NDArray[Any], matrix: FloatArray) -> NDArray[Any]:
    """``image`` (H, W[, 3]) mapped by a 2 x 3 matrix onto a frame of the same size; the border is replicated."""
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def remap_fields(images: Iterable[UInt8Array], fields: FloatArray, size: tuple[int, int] | None = None) -> UInt8Array:
    """Warp each image (H, W, 3) by its own coarse field (rows, columns, 2) in pixels; the border is replicated.

    ``size`` (height, width) of the output is the one that the fields were computed for; default: that of the image.
    """
    warped = []
    for image, field in zip(images, fields, strict=True):
        height, width = image.shape[:2] if size is None else size
        xs, ys = (cv2.resize(field[..., i], (width, height), interpolation=cv2.INTER_LINEAR) for i in range(2))
        xs = xs + np.arange(width, dtype=np.float32)
        ys = ys + np.arange(height, dtype=np.float32)[:, None]
        warped.append(cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return np.asarray(warped, dtype=np.uint8)


def bump_field(
    size: tuple[int, int], face: float, points: FloatArray, displacements: FloatArray, radius: float
) -> FloatArray:
    """Fields (T, rows, columns, 2): sums of Gaussian bumps of ``displacements`` at ``points``, both (T, K, 2)."""
    nodes = grid_nodes(size, face)
    flat = nodes.reshape(-1, 2)
    fields = np.empty((len(points), len(flat), 2), np.float32)
    for start in range(0, len(points), 8):
        part = slice(start, start + 8)
        weights = np.exp(_squared_distances(flat[None], points[part]) / (-2 * radius * radius))
        fields[part] = weights @ displacements[part].astype(np.float32)
    return fields.reshape(len(points), *nodes.shape)


def face_fields(
    size: tuple[int, int], width: float, goals: FloatArray, faces: FloatArray, edge: FloatArray, source_edge: FloatArray
) -> FloatArray:
    """Spline fields that move landmarks ``faces`` onto ``goals``, both (T, 468, 2), and the border along.

    The output of ``size`` (H, W) reads its border points ``edge`` at ``source_edge``, both (B, 2) or (T, B, 2).
    """
    shape = (len(goals), edge.shape[-2], 2)
    to = np.concatenate([goals[:, CONTROL], np.broadcast_to(edge, shape)], axis=1)
    source = np.concatenate([faces[:, CONTROL], np.broadcast_to(source_edge, shape)], axis=1)
    return spline_field(grid_nodes(size, width), to, source)


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


def border_points(size: tuple[int, int]) -> FloatArray:
    """Points (12, 2) along the border of an image of ``size`` (H, W), corners included."""
    height, width = size
    steps, zeros, ones = np.arange(3) / 3, np.zeros(3), np.ones(3)
    x = np.concatenate([steps, ones, 1 - steps, zeros]) * (width - 1)
    y = np.concatenate([zeros, steps, ones, 1 - steps]) * (height - 1)
    return np.stack([x, y], axis=1).astype(np.float32)


def spline_field(nodes: FloatArray, to: FloatArray, source: FloatArray, stiffness: float = STIFFNESS) -> FloatArray:
    """Thin-plate splines (T, rows, columns, 2) that read ``source`` at ``to``, both (T, K, 2), not all on one line."""
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


def _spline_kernel(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """r² log r² of the distances r between points (..., N, 2) and (..., M, 2), 0 at r = 0."""
    squared = np.maximum(_squared_distances(a, b), 1e-12)
    return np.asarray(squared * np.log(squared))


def _squared_distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    dx, dy = (a[..., :, None, i] - b[..., None, :, i] for i in range(2))
    return np.asarray(dx * dx + dy * dy)

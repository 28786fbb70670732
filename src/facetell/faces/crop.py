"""The crop of a clip: one region for all frames, rotated with the face, sampled with sub-pixel precision.

The reasons are in ``docs/architecture.md`` ("One crop per clip", "The crop is upright").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from facetell.types import Crop, FloatArray, Pose, UInt8Array

RIGHT_EYE, LEFT_EYE = 33, 263  # indices of landmarks: outer corners of the person's right and left eye
FOREHEAD, CHIN = 10, 152


def face_pose(landmarks: FloatArray) -> Pose:
    """Position, size and roll of a face mesh, (468, 2) in pixels.

    The roll is that of the eye axis and of the axis from forehead to chin, weighted by length: it is short in profile.
    """
    across = landmarks[LEFT_EYE] - landmarks[RIGHT_EYE]
    down = landmarks[CHIN] - landmarks[FOREHEAD]
    roll = math.atan2(across[1] - down[0], across[0] + down[1])
    cos, sin = math.cos(roll), math.sin(roll)
    to_face = np.array([[cos, sin], [-sin, cos]])
    upright = landmarks @ to_face.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = to_face.T @ ((low + high) / 2)
    width, height = high - low
    return Pose(float(x), float(y), float(width), float(height), roll)


def clip_crop(poses: Sequence[Pose], scale: float) -> Crop:
    """The crop of a clip: mean centre, ``scale`` x the median face length, median roll of at least one pose."""
    x, y = np.mean([(pose.x, pose.y) for pose in poses], axis=0)
    # Angles are unwrapped: the median of faces that are upside down must not mix pi with -pi.
    roll = float(np.median(np.unwrap([pose.roll for pose in poses])))
    roll = math.remainder(roll, 2 * math.pi)
    return Crop(float(x), float(y), scale * float(np.median([pose.length for pose in poses])), roll)


def crop_frame(image: UInt8Array, crop: Crop, size: int) -> UInt8Array:
    """Crop a uint8 frame, RGB (H, W, 3) or grey (H, W), to (size, size[, 3]); outside the frame the edge is repeated.

    A frame that shrinks by two or more is averaged over areas first, against aliasing.
    """
    matrix = crop_matrix(crop, size)
    factor = min(int(crop.side / size), *image.shape[:2])
    if factor >= 2:
        image, matrix = _shrink(image, crop, factor, matrix)
    cropped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cropped.astype(np.uint8, copy=False)


def halved(image: UInt8Array, times: int) -> UInt8Array:
    """An image (H, W, 3) halved ``times`` times, averaged over areas: several times faster than another factor."""
    for _ in range(times):
        height, width = (side // 2 for side in image.shape[:2])
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return image


def crop_matrix(crop: Crop, size: int) -> FloatArray:
    """The 2 x 3 affine map from pixel centres of the frame to pixel centres of the crop."""
    scale = size / crop.side
    cos, sin = scale * math.cos(crop.roll), scale * math.sin(crop.roll)
    linear = np.array([[cos, sin], [-sin, cos]])
    shift = (size - 1) / 2 - linear @ (crop.x - 0.5, crop.y - 0.5)
    return np.hstack([linear, shift[:, None]]).astype(np.float32)


def _shrink(image: UInt8Array, crop: Crop, factor: int, matrix: FloatArray) -> tuple[UInt8Array, FloatArray]:
    """The part of the frame under the crop, shrunk by an integer ``factor``, and the map from it to the crop."""
    height, width = image.shape[:2]
    xs, ys = zip(*crop.corners, strict=True)
    # Cells of factor x factor pixels on a grid that is fixed to the frame: the same for every frame of the clip.
    x0 = int(np.clip(np.floor(min(xs) / factor) - 1, 0, width // factor - 1)) * factor
    y0 = int(np.clip(np.floor(min(ys) / factor) - 1, 0, height // factor - 1)) * factor
    columns = max(1, min(int(np.ceil((max(xs) - x0) / factor)) + 1, (width - x0) // factor))
    rows = max(1, min(int(np.ceil((max(ys) - y0) / factor)) + 1, (height - y0) // factor))
    patch = image[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
    small = cv2.resize(patch, (columns, rows), interpolation=cv2.INTER_AREA)
    # Centre i of the shrunk patch is at x0 + factor * (i + 0.5) - 0.5 of the frame.
    to_image = np.array([[factor, 0, x0 + 0.5 * factor - 0.5], [0, factor, y0 + 0.5 * factor - 0.5], [0, 0, 1]])
    return small.astype(np.uint8, copy=False), (matrix @ to_image).astype(np.float32)

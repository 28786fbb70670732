"""BlazeFace full range: face boxes in a picture, through OpenVINO.

The network sees 192 x 192 pixels and finds faces down to about 1/10 of the longer side of what it is shown; for
smaller ones it is shown overlapping tiles as well (:meth:`FaceDetector.detect` with ``tiles=True``).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.runtime import compile_small
from facetell.types import Box, FloatArray, UInt8Array

SIZE = 192
GRID = 48  # 48 x 48 anchors, one at the centre of each cell of 4 x 4 input pixels
IOU_SAME = 0.3
TILE = 640  # side in pixels of a tile: faces of 64 pixels and more, the smallest we score, are found in it


@dataclass(frozen=True, slots=True)
class Detection:
    """A face box (forehead to chin) with ``roll`` in radians (positive = clockwise) and ``score`` in [0, 1]."""

    box: Box
    roll: float
    score: float


class FaceDetector:
    """Finds the faces of a picture.

    Args:
        min_score: detections below this score are dropped.

    Raises:
        AssetError: the pinned detector is missing or altered.
    """

    def __init__(self, min_score: float = 0.5) -> None:
        self.min_score = min_score
        self._network = compile_small(locate("face_detector"))
        ys, xs = np.mgrid[0:GRID, 0:GRID].reshape(2, -1)
        self._anchors = (np.stack([xs, ys], axis=1) + 0.5).astype(np.float32) / GRID

    def detect(self, image: UInt8Array, *, tiles: bool = False) -> list[Detection]:
        """Faces in a uint8 RGB (H, W, 3) picture, best first; ``tiles`` also looks closely at large pictures."""
        height, width = image.shape[:2]
        found = self._look(image, 0, 0)
        if tiles and max(height, width) > 1.25 * TILE:
            for y0 in _starts(height):
                for x0 in _starts(width):
                    tile = image[y0 : y0 + TILE, x0 : x0 + TILE]
                    found += [d for d in self._look(tile, x0, y0) if _inside(d.box, tile.shape, x0, y0, image.shape)]
        return suppress(found)

    def _look(self, image: UInt8Array, x0: int, y0: int) -> list[Detection]:
        scale = SIZE / max(image.shape[:2])
        fy, fx = (max(scale, 1 / side) for side in image.shape[:2])  # a pixel remains of the narrowest picture
        shrunk = cv2.resize(image, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)[:SIZE, :SIZE]
        blob = np.zeros((1, SIZE, SIZE, 3), np.float32)
        blob[0, : shrunk.shape[0], : shrunk.shape[1]] = shrunk * (2 / 255) - 1
        regressions, logits = self._network(blob)
        return self._decode(regressions[0], logits[0, :, 0], SIZE / scale, x0, y0)

    def _decode(self, regressions: FloatArray, logits: FloatArray, side: float, x0: int, y0: int) -> list[Detection]:
        scores = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
        keep = np.flatnonzero(scores >= self.min_score)
        points = regressions[keep].reshape(-1, 8, 2) / SIZE
        points[:, 0] += self._anchors[keep]
        points[:, 2:] += self._anchors[keep][:, None]
        found = []
        for score, point in zip(scores[keep], points * side + (x0, y0), strict=True):
            center, size = point[0], point[1] - (x0, y0)
            right_eye, left_eye = point[2], point[3]
            roll = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
            box = Box(*(float(v) for v in (*(center - size / 2), *(center + size / 2))))
            found.append(Detection(box, roll, float(score)))
        return found


def _starts(length: int) -> list[int]:
    """First pixels of the tiles along one axis: as few as cover it with an overlap of at least a quarter."""
    if length <= TILE:
        return [0]
    count = int(np.ceil((length - TILE) / (0.75 * TILE))) + 1
    return [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def _inside(box: Box, tile: tuple[int, ...], x0: int, y0: int, image: tuple[int, ...]) -> bool:
    """Whether the box does not touch an inner border of its tile, where it would be a cut face."""
    y1, x1 = y0 + tile[0], x0 + tile[1]
    return (
        (x0 == 0 or box.x0 > x0 + 2)
        and (y0 == 0 or box.y0 > y0 + 2)
        and (x1 == image[1] or box.x1 < x1 - 2)
        and (y1 == image[0] or box.y1 < y1 - 2)
    )


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    overlap = max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0))
    union = a.width * a.height + b.width * b.height - overlap
    return overlap / union if union > 0 else 0.0


def suppress(found: list[Detection]) -> list[Detection]:
    """Non-maximum suppression: of detections that overlap (IoU > 0.3) or contain one another, the best stays."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: d.score, reverse=True):
        if all(iou(candidate.box, k.box) <= IOU_SAME and not _center_in(candidate.box, k.box) for k in kept):
            kept.append(candidate)
    return kept


def _center_in(a: Box, b: Box) -> bool:
    """Whether the centre of one box lies in the other: the same face seen whole and in a tile."""
    return any(
        outer.x0 < inner.center[0] < outer.x1 and outer.y0 < inner.center[1] < outer.y1
        for inner, outer in ((a, b), (b, a))
    )

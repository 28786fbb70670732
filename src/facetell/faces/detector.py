"""BlazeFace full range: face boxes in a frame, on OpenVINO.

Smaller faces are searched for in overlapping tiles, rotated ones in quarter turns, and a doubtful detection is repeated
in four orientations of its surroundings (``docs/architecture.md``: "The crop is upright", "Small faces").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.crop import halved
from facetell.faces.runtime import compile_small
from facetell.types import Box, UInt8Array

SIZE = 192
GRID = 48  # 48 x 48 anchors, one at the centre of each cell of 4 x 4 input pixels
MIN_SCORE = 0.5
IOU_SAME = 0.3
CONFIDENT, ORIENTED = 0.75, 0.5  # least score and largest roll (radians) of a detection whose roll is reliable
AROUND = 2.5  # side of the surroundings that are searched again, in sides of the detection
PREFERRED = 0.1  # least difference in score by which another orientation is preferred to that of the frame
TILE = 640  # side of a tile in pixels: faces of 64 pixels and more are found in it


@dataclass(frozen=True, slots=True)
class Detection:
    """A face box (forehead to chin) with ``roll`` in radians (positive = clockwise) and ``score`` in [0, 1]."""

    box: Box
    roll: float
    score: float

    @property
    def is_upright(self) -> bool:
        """Whether its roll is reliable: a high score, and within the range that the network was trained for."""
        return self.score >= CONFIDENT and abs(self.roll) <= ORIENTED


class FaceDetector:
    """Finds the faces of a frame. Raises AssetError if the network is missing or was changed."""

    def __init__(self) -> None:
        self._network = compile_small(locate("face_detector"))
        ys, xs = np.mgrid[0:GRID, 0:GRID].reshape(2, -1)
        self._anchors = (np.stack([xs, ys], axis=1) + 0.5).astype(np.float32) / GRID

    def detect(self, image: UInt8Array, *, tiles: bool = False) -> list[Detection]:
        """Faces in a uint8 RGB image (H, W, 3), best first; ``tiles`` also searches the tiles of a large image."""
        height, width = image.shape[:2]
        found = self._find(image, 0, 0)
        if tiles and max(height, width) > 1.25 * TILE:
            for y0 in _starts(height):
                for x0 in _starts(width):
                    tile = image[y0 : y0 + TILE, x0 : x0 + TILE]
                    found += [d for d in self._find(tile, x0, y0) if _inside(d.box, tile.shape, x0, y0, image.shape)]
        return suppress(found)

    def detect_turned(self, image: UInt8Array) -> list[Detection]:
        """Faces found in the image rotated by 90, 180 and 270 degrees, in pixels of the original, best first."""
        return suppress([found for turns in (1, 2, 3) for found in self._find_turned(image, turns)])

    def orient(self, image: UInt8Array, detection: Detection) -> Detection:
        """The best of the detections of a face in four orientations of its surroundings, or itself if there is none."""
        (x, y), side = detection.box.center, AROUND * max(detection.box.width, detection.box.height)
        x0, y0 = max(0, int(x - side / 2)), max(0, int(y - side / 2))
        part = image[y0 : int(y + side / 2) + 1, x0 : int(x + side / 2) + 1]
        if not part.size:
            return detection
        best, best_score = detection, -np.inf
        for turns in range(4):
            for found in self._find_turned(part, turns):
                left, top, right, bottom = found.box
                moved = replace(found, box=Box(left + x0, top + y0, right + x0, bottom + y0))
                score = moved.score + (PREFERRED if turns == 0 else 0.0)
                if score > best_score and _center_in(moved.box, detection.box):
                    best, best_score = moved, score
        return best

    def _find_turned(self, image: UInt8Array, turns: int) -> list[Detection]:
        """Detections in the image rotated counter-clockwise by ``turns`` x 90 degrees, in pixels of the original."""
        height, width = image.shape[:2]
        turned = np.ascontiguousarray(np.rot90(image, turns))
        return [_turned_back(found, turns, width, height) for found in self._find(turned, 0, 0)]

    def _find(self, image: UInt8Array, x0: int, y0: int) -> list[Detection]:
        """Detections in an image whose upper left corner is at (x0, y0) of the frame, in pixels of the frame."""
        scale = SIZE / max(image.shape[:2])
        times = max(0, int(np.log2(min(1 / scale, *image.shape[:2]))))
        small = halved(image, times)
        fy, fx = (max(scale * 2**times, 1 / side) for side in small.shape[:2])  # one pixel at least of a narrow image
        shrunk = cv2.resize(small, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)[:SIZE, :SIZE]
        blob = np.zeros((1, SIZE, SIZE, 3), np.float32)
        blob[0, : shrunk.shape[0], : shrunk.shape[1]] = shrunk * (2 / 255) - 1
        regressions, logits = self._network(blob)
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -60, 60)))
        keep = np.flatnonzero(scores >= MIN_SCORE)
        points = regressions[0][keep].reshape(-1, 8, 2) / SIZE  # centre, size, right eye, left eye, others
        points[:, 0] += self._anchors[keep]
        points[:, 2:] += self._anchors[keep][:, None]
        found = []
        for score, point in zip(scores[keep], points * (SIZE / scale) + (x0, y0), strict=True):
            center, size, right_eye, left_eye = point[0], point[1] - (x0, y0), point[2], point[3]
            roll = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
            box = Box(*(float(v) for v in (*(center - size / 2), *(center + size / 2))))
            found.append(Detection(box, roll, float(score)))
        return found


def _turned_back(detection: Detection, turns: int, width: int, height: int) -> Detection:
    """Map a detection back from an image of ``width`` x ``height`` that was rotated counter-clockwise by ``turns``."""
    x0, y0, x1, y1 = detection.box
    box = (
        detection.box,
        Box(width - y1, x0, width - y0, x1),
        Box(width - x1, height - y1, width - x0, height - y0),
        Box(y0, height - x1, y1, height - x0),
    )[turns]
    return Detection(box, math.remainder(detection.roll + turns * math.pi / 2, 2 * math.pi), detection.score)


def _starts(length: int) -> list[int]:
    """First pixels of the tiles along one axis: as few as cover it with an overlap of at least a quarter."""
    if length <= TILE:
        return [0]
    count = int(np.ceil((length - TILE) / (0.75 * TILE))) + 1
    return [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def _inside(box: Box, tile: tuple[int, ...], x0: int, y0: int, image: tuple[int, ...]) -> bool:
    """Whether the box does not touch an inner border of its tile, where part of the face would be missing."""
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
    """Non-maximum suppression: of detections that overlap (IoU > 0.3) or contain one another, the best is kept."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: d.score, reverse=True):
        if all(iou(candidate.box, k.box) <= IOU_SAME and not _center_in(candidate.box, k.box) for k in kept):
            kept.append(candidate)
    return kept


def _center_in(a: Box, b: Box) -> bool:
    """Whether the centre of one box is in the other, as for one face found in the image and in a tile."""
    return any(
        outer.x0 < inner.center[0] < outer.x1 and outer.y0 < inner.center[1] < outer.y1
        for inner, outer in ((a, b), (b, a))
    )

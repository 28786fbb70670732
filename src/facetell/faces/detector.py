"""BlazeFace full range: face boxes in a frame, through OpenVINO.

The network's input is 192 x 192 pixels; it finds faces down to about 1/10 of the longer side of the image it gets. For
smaller ones it also gets overlapping tiles (:meth:`FaceDetector.detect` with ``tiles=True``).

It was trained on faces that are upright or rotated by up to about 45 degrees. Beyond, it finds some faces with a wrong
roll and others not at all, so the image is also searched in quarter turns, and a doubtful detection is repeated in
four orientations of its surroundings (:meth:`FaceDetector.orient`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.runtime import compile_small
from facetell.types import Box, FloatArray, UInt8Array

SIZE = 192
GRID = 48  # 48 x 48 anchors, one at the centre of each cell of 4 x 4 input pixels
IOU_SAME = 0.3
CONFIDENT, ORIENTED = 0.75, 0.5  # least score and largest roll (radians) of a detection whose roll is reliable
AROUND = 2.5  # side of the surroundings that are searched again, in sides of the detection
PREFERRED = 0.1  # by so much another orientation must score higher than the one of the frame
TILE = 640  # side in pixels of a tile: faces of 64 pixels and more, the smallest we score, are found in it


@dataclass(frozen=True, slots=True)
class Detection:
    """A face box (forehead to chin) with ``roll`` in radians (positive = clockwise) and ``score`` in [0, 1]."""

    box: Box
    roll: float
    score: float

    @property
    def is_upright(self) -> bool:
        """Whether it is certain enough that its roll is right, within the range that the network was trained for."""
        return self.score >= CONFIDENT and abs(self.roll) <= ORIENTED


class FaceDetector:
    """Finds the faces of a frame.

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

    def detect_turned(self, image: UInt8Array) -> list[Detection]:
        """Faces of a frame rotated by 90, 180 and 270 degrees, in pixels of the frame as it is, best first."""
        return suppress([found for turns in (1, 2, 3) for found in self._look_turned(image, turns)])

    def orient(self, image: UInt8Array, detection: Detection) -> Detection:
        """Detect a face again in four orientations of its surroundings; the best of them, by score.

        The detection itself where none of them finds a face at its place.
        """
        (x, y), side = detection.box.center, AROUND * max(detection.box.width, detection.box.height)
        x0, y0 = max(0, int(x - side / 2)), max(0, int(y - side / 2))
        part = image[y0 : int(y + side / 2) + 1, x0 : int(x + side / 2) + 1]
        if not part.size:
            return detection
        best, best_score = detection, -np.inf
        for turns in range(4):
            for found in self._look_turned(part, turns):
                moved = replace(found, box=_moved(found.box, x0, y0))
                score = moved.score + (PREFERRED if turns == 0 else 0.0)
                if score > best_score and _center_in(moved.box, detection.box):
                    best, best_score = moved, score
        return best

    def _look_turned(self, image: UInt8Array, turns: int) -> list[Detection]:
        """Detections in the image rotated counter-clockwise by quarter turns, in pixels of the image as it is."""
        height, width = image.shape[:2]
        turned = np.ascontiguousarray(np.rot90(image, turns))
        return [_turned_back(found, turns, width, height) for found in self._look(turned, 0, 0)]

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


def _turned_back(detection: Detection, turns: int, width: int, height: int) -> Detection:
    """A detection in an image that was rotated counter-clockwise by so many quarter turns, in the original's pixels.

    Args:
        detection: in the rotated image.
        turns: 0 to 3.
        width, height: of the original in pixels.
    """
    x0, y0, x1, y1 = detection.box
    box = (
        detection.box,
        Box(width - y1, x0, width - y0, x1),
        Box(width - x1, height - y1, width - x0, height - y0),
        Box(y0, height - x1, y1, height - x0),
    )[turns]
    roll = math.remainder(detection.roll + turns * math.pi / 2, 2 * math.pi)
    return Detection(box, roll, detection.score)


def _moved(box: Box, dx: float, dy: float) -> Box:
    return Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)


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

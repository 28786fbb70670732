"""Track the faces of a video: detection now and then, landmarks in between.

The landmarks of a track in one frame give the search region of the next. The detector runs at the start, once a
second, and while a track is lost; a lost track is kept for a second. A scene cut ends all tracks.

A mesh follows whichever face is there, so a new track begins where the area changes at once (:func:`changed_at`) and
the aligned face differs (:func:`alike`); see "Another person in the same position" in ``docs/architecture.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from facetell.faces.crop import LEFT_EYE, RIGHT_EYE
from facetell.faces.detector import Detection, FaceDetector, iou
from facetell.faces.mesh import FaceMesh
from facetell.types import Box, Face, FloatArray, Frame, UInt8Array

DETECT_EVERY = 1.0  # seconds between searches for new faces
PATIENCE = 1.0  # seconds that a lost track is kept
MIN_PRESENCE = 0.5
MAX_GROWTH = 1.6  # largest factor between the sizes of a face in successive frames
SAME_FACE_IOU = 0.4
CLEARLY_LARGER = 1.5  # widths of the smallest tracked face from which a new face replaces it
CLOSE_LOOK_EVERY = 2.0  # seconds between searches of the tiles of a large frame: eight detections instead of one
SETTLED = 8.0  # seconds without a cut, a new face or a lost one
LOOK_EVERY, LOOK_EVERY_SETTLED = 0.2, 0.5  # seconds between searched frames while no clip needs frames
CLOSE_LOOK_EVERY_SETTLED = 8.0
TURNED_LOOK_EVERY = 1.0  # seconds between searches of the rotated frame where no face is found: three more detections
SCENE_CORRELATION, SCENE_CHANGE = 0.5, 12.0  # of a cut: highest correlation, least mean difference in grey levels
SUDDEN = 0.6  # correlation below which the area of a face has changed at once
CELLS = 12  # side of the grid that the area is averaged to: finer detail changes with small motions
FEWEST_PIXELS = 6  # least side of the area
NOSE_BASE = 2  # index of a landmark: below the tip of the nose
SIZE = 16  # pixels of a portrait
ALIKE = 0.35  # least correlation of two portraits of one person
_PLACES = np.array([[3.5, 4.5], [11.5, 4.5], [7.5, 10.5]], dtype=np.float32)  # of the outer eye corners and the nose
_RELIEF = 2.0  # pixels: smoother variations are due to lighting and removed


@dataclass(slots=True)
class _Track:
    track_id: int
    face: Face
    seen: float  # seconds
    portrait: Callable[[], FloatArray | None]  # at that time; computed when it is compared
    lost: bool = False
    changed: bool = False  # whether its area has changed at once since the last update


class FaceTracker:
    """Assigns a constant number to every face of a video; the networks may serve several trackers in turn.

    At most ``max_faces`` are tracked at once, the largest first; a clearly larger new face replaces the smallest.
    """

    def __init__(self, detector: FaceDetector, mesh: FaceMesh, *, max_faces: int = 8) -> None:
        self._detector, self._mesh, self.max_faces = detector, mesh, max_faces
        self.crowded = False  # whether there was a face that could not be tracked
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
        self._settled_from: float | None = None  # seconds; None after a scene cut
        self.is_settled = False  # whether no face has appeared or was lost for some time
        self._thumbnail: UInt8Array | None = None
        self._width = 0  # of the frames

    @property
    def active(self) -> list[int]:
        """Numbers of the faces in the last frame."""
        return [track.track_id for track in self._tracks if not track.lost]

    @property
    def followed(self) -> frozenset[int]:
        """Numbers of the faces that may appear again: the active ones and those of lost tracks."""
        return frozenset(track.track_id for track in self._tracks)

    @property
    def look_every(self) -> float:
        """Seconds from the last searched frame to the next, while no clip needs frames."""
        return LOOK_EVERY_SETTLED if self.is_settled else LOOK_EVERY

    def glance(self, thumbnail: UInt8Array) -> bool:
        """Check the thumbnail, uint8 (h, w), of each frame for cuts; whether the frame has to be searched.

        A new scene ends all tracks. In a settled one a sudden change of the area of a face is searched at once.
        """
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None:
            return False
        if is_scene_cut(before, thumbnail):
            self._tracks.clear()
            self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
            self._settled_from, self.is_settled = None, False
            return True
        if self._width:
            scale = thumbnail.shape[1] / self._width
            for track in self._tracks:
                area = Box(*(scale * value for value in track.face.box))
                track.changed = track.changed or changed_at(before, thumbnail, area)
        return self.is_settled and any(track.changed for track in self._tracks)

    def update(self, frame: Frame) -> dict[int, Face]:
        """The faces of the next frame by track number; frames are in order of time, and some may be left out."""
        self._width = frame.image.shape[1]
        before = self.active
        for track in self._tracks:
            if not track.lost:
                self._follow(track, frame)
        self._tracks = [t for t in self._tracks if not t.lost or frame.time - t.seen <= PATIENCE]
        self._drop_doubles()
        any_lost = any(track.lost for track in self._tracks)
        if any_lost or not self._tracks or frame.time >= self._next_detection:
            close = frame.time >= self._next_close_look
            if close:
                self._next_close_look = frame.time + (CLOSE_LOOK_EVERY_SETTLED if self.is_settled else CLOSE_LOOK_EVERY)
            self._add(frame, self._detector.detect(frame.image, tiles=close))
            if not self.active and frame.time >= self._next_turned_look:
                self._next_turned_look = frame.time + TURNED_LOOK_EVERY
                self._add(frame, self._detector.detect_turned(frame.image))
            self._next_detection = frame.time + DETECT_EVERY
        if any_lost or self._settled_from is None or self.active != before:
            self._settled_from = frame.time + SETTLED
            self._next_close_look = min(self._next_close_look, frame.time + CLOSE_LOOK_EVERY)
        self.is_settled = frame.time >= self._settled_from
        return {track.track_id: track.face for track in self._tracks if not track.lost}

    def _follow(self, track: _Track, frame: Frame) -> None:
        face = self._mesh.from_previous(frame.image, track.face)
        if not _plausible(face, frame.image) or not _similar_size(track.face, face):
            track.lost = True
            return
        now = partial(portrait, frame.image, face)
        if track.changed and not alike(track.portrait(), now()):
            track.track_id = self._new_id()
        track.face, track.seen, track.portrait, track.changed = face, frame.time, now, False

    def _add(self, frame: Frame, detections: Sequence[Detection]) -> None:
        """Track the detected faces that are not tracked yet, the largest first."""
        for detection in sorted(detections, key=lambda d: d.box.width, reverse=True):
            boxes = [track.face.box for track in self._tracks if not track.lost]
            x, y = detection.box.center
            if any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for box in boxes):  # the box of a mesh is larger
                continue
            face = self._locate(frame.image, detection)
            if face is None or any(iou(box, face.box) > SAME_FACE_IOU for box in boxes):
                continue
            if len(self.active) >= self.max_faces and not self._replace_smallest(face.box):
                return  # the remaining ones are smaller still
            now = partial(portrait, frame.image, face)
            track = self._lost_near(face)
            if track is None:
                self._tracks.append(_Track(self._new_id(), face, frame.time, now))
            else:
                track.face, track.seen, track.portrait = face, frame.time, now
                track.lost = track.changed = False

    def _locate(self, image: UInt8Array, detection: Detection) -> Face | None:
        """The mesh of a new face or None. Placed with a wrong roll it may be confident, so that is found first."""
        if detection.is_upright:
            face = self._mesh.from_detection(image, detection)
            if _plausible(face, image):
                return face
        # Large rolls of detections are up to 15 degrees off: the mesh is placed twice.
        face = self._mesh.from_detection(image, self._detector.orient(image, detection))
        face = self._mesh.from_previous(image, face)
        return face if _plausible(face, image) else None

    def _replace_smallest(self, box: Box) -> bool:
        """End the smallest track if ``box`` is clearly larger; whether it was ended."""
        self.crowded = True
        smallest = min((t for t in self._tracks if not t.lost), key=lambda t: t.face.box.width)
        if box.width < CLEARLY_LARGER * smallest.face.box.width:
            return False
        self._tracks.remove(smallest)
        return True

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _lost_near(self, face: Face) -> _Track | None:
        """The nearest lost track whose last position and size fit ``face``."""

        def distance(track: _Track) -> float:
            before = track.face.pose
            return float(np.hypot(face.pose.x - before.x, face.pose.y - before.y)) / max(before.width, 1.0)

        near = [t for t in self._tracks if t.lost and distance(t) < 1 and _similar_size(t.face, face)]
        return min(near, key=distance, default=None)

    def _drop_doubles(self) -> None:
        """Merge tracks that moved onto the same face: the older one is kept."""
        kept: list[_Track] = []
        for track in self._tracks:
            if track.lost or all(k.lost or iou(k.face.box, track.face.box) <= SAME_FACE_IOU for k in kept):
                kept.append(track)
        self._tracks = kept


def _plausible(face: Face, image: UInt8Array) -> bool:
    """Whether the mesh network is confident and the centre of the face is in the frame."""
    height, width = image.shape[:2]
    x, y = face.box.center
    return face.presence >= MIN_PRESENCE and 0 <= x < width and 0 <= y < height and face.box.width >= 8


def _similar_size(before: Face, after: Face) -> bool:
    return 1 / MAX_GROWTH < after.pose.length / max(before.pose.length, 1.0) < MAX_GROWTH


def is_scene_cut(before: UInt8Array, after: UInt8Array) -> bool:
    """Whether a new scene begins between two frames, by their luma thumbnails, uint8 (h, w).

    A flash or a fade changes only the brightness: where the mean absolute difference is large, the correlation decides.
    """
    if before.shape != after.shape:
        return True
    old, new = before[::2, ::2].astype(np.float32), after[::2, ::2].astype(np.float32)
    return bool(np.abs(new - old).mean() >= SCENE_CHANGE) and _correlation(old, new) < SCENE_CORRELATION


def changed_at(before: UInt8Array, after: UInt8Array, box: Box) -> bool:
    """Whether the ``box`` changes at once between two thumbnails, uint8 (h, w); False where it is too small."""
    height, width = after.shape
    x0, x1 = max(0, round(box.x0)), min(width, round(box.x1))
    y0, y1 = max(0, round(box.y0)), min(height, round(box.y1))
    if x1 - x0 < FEWEST_PIXELS or y1 - y0 < FEWEST_PIXELS:
        return False
    size = min(CELLS, x1 - x0), min(CELLS, y1 - y0)
    old, new = (cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA) for image in (before, after))
    return _correlation(old.astype(np.float32), new.astype(np.float32)) < SUDDEN


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson correlation of the pixels; 1 where an image is flat."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0


def portrait(image: UInt8Array, face: Face) -> FloatArray | None:
    """The aligned face of a uint8 RGB frame, float32 (16, 16) without low frequencies, mean 0, norm 1; None if flat."""
    height, width = image.shape[:2]
    x0, y0 = (max(0, int(value)) for value in face.box[:2])
    x1, y1 = min(width, int(face.box.x1) + 1), min(height, int(face.box.y1) + 1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    corners = face.landmarks[[RIGHT_EYE, LEFT_EYE, NOSE_BASE]].astype(np.float32)
    to_portrait = cv2.getAffineTransform(corners - np.array([x0, y0], dtype=np.float32), _PLACES)
    shrinking = int(1 / max(float(np.sqrt(abs(np.linalg.det(to_portrait[:, :2])))), 1e-3))
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    if shrinking > 1:  # against aliasing
        grey = cv2.blur(grey, (shrinking, shrinking))
    small = cv2.warpAffine(grey, to_portrait, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    relief = small - cv2.GaussianBlur(small, (0, 0), _RELIEF)
    relief -= relief.mean()
    norm = float(np.linalg.norm(relief))
    return np.asarray(relief / norm, dtype=np.float32) if norm > 1 else None


def alike(before: FloatArray | None, after: FloatArray | None) -> bool:
    """Whether two portraits may be of one person; True if one of them is None."""
    return before is None or after is None or float((before * after).sum()) >= ALIKE

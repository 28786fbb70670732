"""Track the faces of a video: detection now and then, landmarks in between.

The landmarks of a track in one frame give the search region of the next. The detector runs at the start, once a
second, and while a track is lost; a lost track is kept for a second. A scene cut ends all tracks. Where another
person's face appears at once in the position of a track, it begins a track of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facetell.faces.continuity import alike, changed_at, is_scene_cut, portrait
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
TURNED_LOOK_EVERY = 1.0  # seconds between searches of the rotated frame where no face is found: three more detections


@dataclass(slots=True)
class _Track:
    track_id: int
    face: Face
    seen: float  # seconds
    portrait: FloatArray | None
    lost: bool = False
    changed: bool = False  # whether its area has changed at once since the last update


class FaceTracker:
    """Assigns a constant number to every face of a video.

    Args:
        detector, mesh: networks; one instance may serve several trackers, not at the same time.
        max_faces: largest number of faces tracked at once, the largest first; a new face that is clearly larger
            replaces the smallest of them.
    """

    def __init__(self, detector: FaceDetector, mesh: FaceMesh, *, max_faces: int = 8) -> None:
        self._detector, self._mesh, self.max_faces = detector, mesh, max_faces
        self.crowded = False  # whether there was a face that could not be tracked
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
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

    def glance(self, thumbnail: UInt8Array) -> bool:
        """Check the thumbnail, uint8 (h, w), of each frame for cuts; a new scene ends all tracks and returns True."""
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None:
            return False
        if is_scene_cut(before, thumbnail):
            self._tracks.clear()
            self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
            return True
        if self._width:
            scale = thumbnail.shape[1] / self._width
            for track in self._tracks:
                area = Box(*(scale * value for value in track.face.box))
                track.changed = track.changed or changed_at(before, thumbnail, area)
        return False

    def update(self, frame: Frame) -> dict[int, Face]:
        """The faces of the next frame by track number; frames are in order of time, and some may be left out."""
        self._width = frame.image.shape[1]
        for track in self._tracks:
            if not track.lost:
                self._follow(track, frame)
        self._tracks = [t for t in self._tracks if not t.lost or frame.time - t.seen <= PATIENCE]
        self._drop_doubles()
        any_lost = any(track.lost for track in self._tracks)
        if any_lost or not self._tracks or frame.time >= self._next_detection:
            self._detect(frame)
            self._next_detection = frame.time + DETECT_EVERY
        return {track.track_id: track.face for track in self._tracks if not track.lost}

    def _follow(self, track: _Track, frame: Frame) -> None:
        face = self._mesh.from_previous(frame.image, track.face)
        if not _plausible(face, frame.image) or not _similar_size(track.face, face):
            track.lost = True
            return
        now = portrait(frame.image, face)
        if track.changed and not alike(track.portrait, now):
            track.track_id = self._new_id()
        track.face, track.seen, track.portrait, track.changed = face, frame.time, now, False

    def _detect(self, frame: Frame) -> None:
        close = frame.time >= self._next_close_look
        if close:
            self._next_close_look = frame.time + CLOSE_LOOK_EVERY
        self._add(frame, self._detector.detect(frame.image, tiles=close))
        if not self.active and frame.time >= self._next_turned_look:
            self._next_turned_look = frame.time + TURNED_LOOK_EVERY
            self._add(frame, self._detector.detect_turned(frame.image))

    def _add(self, frame: Frame, detections: Sequence[Detection]) -> None:
        """Track the detected faces that are not tracked yet, the largest first."""
        for detection in sorted(detections, key=lambda d: d.box.width, reverse=True):
            boxes = [track.face.box for track in self._tracks if not track.lost]
            if any(_covers(box, detection.box) for box in boxes):
                continue
            face = self._locate(frame.image, detection)
            if face is None or any(iou(box, face.box) > SAME_FACE_IOU for box in boxes):
                continue
            if len(self.active) >= self.max_faces and not self._replace_smallest(face.box):
                return  # the remaining ones are smaller still
            now = portrait(frame.image, face)
            track = self._lost_near(face)
            if track is None:
                self._tracks.append(_Track(self._new_id(), face, frame.time, now))
            else:
                track.face, track.seen, track.portrait = face, frame.time, now
                track.lost = track.changed = False

    def _locate(self, image: UInt8Array, detection: Detection) -> Face | None:
        """The mesh of a new face; None where the mesh network finds none.

        A mesh placed with a wrong roll may have full confidence, so an unreliable roll is determined first.
        """
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


def _covers(face: Box, detection: Box) -> bool:
    """Whether a detection is of a tracked face: its centre is in the mesh's larger box."""
    x, y = detection.center
    return face.x0 < x < face.x1 and face.y0 < y < face.y1

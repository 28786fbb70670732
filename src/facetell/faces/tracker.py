"""Follow the faces of a video: detection now and then, landmarks in between.

A track's landmarks in one picture say where to look in the next, so the detector runs only at the start, every
``detect_every`` seconds for newcomers, and while a track is lost. A lost track waits ``patience`` seconds for its face
to come back from behind a hand; a scene cut ends all tracks, and where another person's face takes the place of one all
at once, it begins a track of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facetell.faces.cuts import SceneCuts, changed_at
from facetell.faces.detector import Detection, FaceDetector, iou
from facetell.faces.mesh import FaceMesh
from facetell.faces.portrait import alike, portrait
from facetell.types import Box, Face, FloatArray, Frame, UInt8Array

MIN_PRESENCE = 0.5
MAX_GROWTH = 1.6  # a face does not grow or shrink by more from one look to the next
SAME_FACE_IOU = 0.4
CLEARLY_LARGER = 1.5  # a newcomer so many times as wide as the smallest face that is followed takes its place
CLOSE_LOOK_EVERY = 2.0  # seconds between looks at tiles of a large picture: eight detections instead of one
TURNED_LOOK_EVERY = 1.0  # seconds between searches of the rotated frame where no face is found: three detections more


@dataclass(slots=True)
class _Track:
    track_id: int
    face: Face
    seen: float
    portrait: FloatArray | None
    lost: bool = False
    changed: bool = False  # whether its place has changed all at once since it was looked at


class FaceTracker:
    """Gives every face of a video a number that it keeps.

    Args:
        detector: finds faces; one instance may serve many trackers, not at the same time.
        mesh: places landmarks.
        max_faces: at most this many faces are followed at once, the largest first; a newcomer that is clearly larger
            than the smallest of them takes its place.
        detect_every: seconds between looks for newcomers.
        patience: seconds a lost face is waited for.
    """

    def __init__(
        self,
        detector: FaceDetector,
        mesh: FaceMesh,
        *,
        max_faces: int = 8,
        detect_every: float = 1.0,
        patience: float = 1.0,
    ) -> None:
        self._detector, self._mesh = detector, mesh
        self.max_faces, self._detect_every, self._patience = max_faces, detect_every, patience
        self.crowded = False  # whether there has been a face that could not be followed
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
        self._scenes = SceneCuts()
        self._thumbnail: UInt8Array | None = None
        self._width = 0  # of the pictures

    @property
    def active(self) -> list[int]:
        """Numbers of the faces that were seen in the last picture."""
        return [track.track_id for track in self._tracks if not track.lost]

    @property
    def followed(self) -> frozenset[int]:
        """Numbers of the faces that may still be seen: the active ones, and lost ones that are waited for."""
        return frozenset(track.track_id for track in self._tracks)

    def glance(self, thumbnail: UInt8Array) -> bool:
        """See the next frame in small, looked at or not, uint8 (h, w); True where it begins a new scene.

        That ends all tracks. Who never glances is told of no cut.
        """
        before, self._thumbnail = self._thumbnail, thumbnail
        if self._scenes(thumbnail):
            self._tracks.clear()
            self._next_detection = self._next_close_look = self._next_turned_look = -np.inf
            return True
        if before is not None and self._width:
            scale = thumbnail.shape[1] / self._width
            for track in self._tracks:
                place = Box(*(scale * value for value in track.face.box))
                track.changed = track.changed or changed_at(before, thumbnail, place)
        return False

    def update(self, frame: Frame) -> dict[int, Face]:
        """The faces of the next picture by track number; pictures come in order of time."""
        self._width = frame.image.shape[1]
        for track in self._tracks:
            if not track.lost:
                self._follow(track, frame)
        self._tracks = [t for t in self._tracks if not t.lost or frame.time - t.seen <= self._patience]
        self._drop_doubles()
        any_lost = any(track.lost for track in self._tracks)
        if any_lost or not self._tracks or frame.time >= self._next_detection:
            self._look_for_newcomers(frame)
            self._next_detection = frame.time + self._detect_every
        return {track.track_id: track.face for track in self._tracks if not track.lost}

    def _follow(self, track: _Track, frame: Frame) -> None:
        face = self._mesh.from_previous(frame.image, track.face)
        if not _plausible(face, frame.image) or not 1 / MAX_GROWTH < _growth(track.face, face) < MAX_GROWTH:
            track.lost = True
            return
        now = portrait(frame.image, face)
        if track.changed and not alike(track.portrait, now):
            track.track_id = self._new_id()
        track.face, track.seen, track.portrait, track.changed = face, frame.time, now, False

    def _look_for_newcomers(self, frame: Frame) -> None:
        close = frame.time >= self._next_close_look
        if close:
            self._next_close_look = frame.time + CLOSE_LOOK_EVERY
        self._add(frame, self._detector.detect(frame.image, tiles=close))
        if not self.active and frame.time >= self._next_turned_look:
            self._next_turned_look = frame.time + TURNED_LOOK_EVERY
            self._add(frame, self._detector.detect_turned(frame.image))

    def _add(self, frame: Frame, detections: Sequence[Detection]) -> None:
        """Follow the detected faces that are not followed yet, the largest first."""
        for detection in sorted(detections, key=lambda d: d.box.width, reverse=True):
            if any(_covers(t.face.box, detection.box) for t in self._tracks if not t.lost):
                continue
            face = self._located(frame.image, detection)
            if face is None:
                continue
            if any(iou(t.face.box, face.box) > SAME_FACE_IOU for t in self._tracks if not t.lost):
                continue
            if len(self.active) >= self.max_faces and not self._make_room(face.box):
                return  # those to come are smaller still
            now = portrait(frame.image, face)
            track = next(self._lost_near(face), None)
            if track is None:
                self._tracks.append(_Track(self._new_id(), face, frame.time, now))
            else:
                track.face, track.seen, track.portrait = face, frame.time, now
                track.lost = track.changed = False

    def _located(self, image: UInt8Array, detection: Detection) -> Face | None:
        """The mesh of a newcomer; None where the mesh network finds no face.

        A mesh placed with a wrong roll may have full confidence, so the roll is made certain first.
        """
        if detection.is_upright:
            face = self._mesh.from_detection(image, detection)
            if _plausible(face, image):
                return face
        # The rolls of detections are up to 15 degrees off where they are large: the mesh is placed twice.
        face = self._mesh.from_detection(image, self._detector.orient(image, detection))
        face = self._mesh.from_previous(image, face)
        return face if _plausible(face, image) else None

    def _make_room(self, box: Box) -> bool:
        """Whether the smallest face that is followed has given way to a clearly larger one."""
        self.crowded = True
        smallest = min((t for t in self._tracks if not t.lost), key=lambda t: t.face.box.width)
        if box.width < CLEARLY_LARGER * smallest.face.box.width:
            return False
        self._tracks.remove(smallest)
        return True

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _lost_near(self, face: Face) -> Iterator[_Track]:
        """Lost tracks whose last place and size fit ``face``, the nearest first."""

        def distance(track: _Track) -> float:
            before = track.face.pose
            return float(np.hypot(face.pose.x - before.x, face.pose.y - before.y)) / max(before.width, 1.0)

        lost = sorted((t for t in self._tracks if t.lost), key=distance)
        return (t for t in lost if distance(t) < 1 and 1 / MAX_GROWTH < _growth(t.face, face) < MAX_GROWTH)

    def _drop_doubles(self) -> None:
        """Two tracks that slid onto one face become one: the older stays."""
        kept: list[_Track] = []
        for track in self._tracks:
            if track.lost or all(k.lost or iou(k.face.box, track.face.box) <= SAME_FACE_IOU for k in kept):
                kept.append(track)
        self._tracks = kept


def _plausible(face: Face, image: UInt8Array) -> bool:
    """Whether the mesh network believes in the face, and its middle lies in the picture."""
    height, width = image.shape[:2]
    x, y = face.box.center
    return face.presence >= MIN_PRESENCE and 0 <= x < width and 0 <= y < height and face.box.width >= 8


def _growth(before: Face, after: Face) -> float:
    return after.pose.length / max(before.pose.length, 1.0)


def _covers(face: Box, detection: Box) -> bool:
    """Whether a detection is of an already known face: detector boxes are smaller than the mesh's."""
    x, y = detection.center
    return face.x0 < x < face.x1 and face.y0 < y < face.y1

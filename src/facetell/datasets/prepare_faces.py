"""Where the faces of a video are, and into which clips they are to be cut: the first of two passes over it.

A clip has one square for all its frames, placed so that it holds the face with a margin throughout: a square that
followed the face would add the jitter of its own placing to the face's motion, which second differences amplify.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facetell.clips import HOLE, MAX_JUMP
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh, bounding_box
from facetell.faces.tracker import MIN_PRESENCE, FaceTracker, SceneCuts
from facetell.media.pictures import open_video
from facetell.types import Box, Face, FloatArray, Frame, UInt8Array

MARGIN = 1.7  # the square holds a square of so many face lengths around the face in every frame
LARGEST = 2.6  # face lengths: the square grows no larger when the face moves, a new clip begins
LEAST_FRAMES = 8
LEAST_FACE = 32.0  # pixels; narrower faces are not cut
SHARED = 0.2  # of two faces seen at once for more than this share of a clip, only the larger is a main face
NEAR = 0.08  # face lengths from a real's landmarks to a forgery's own: further apart, they are not of one picture
AGREED = 0.8  # share of the looks at which they must be near

Codec = Literal["h264", "jpeg"]
Faces = Literal["main", "all"]


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How faces are cut.

    Attributes:
        codec: of the clips.
        size: pixels; larger squares are scaled down to this side, smaller ones kept as they are.
        faces: "main" (at any time the largest face only) or "all".
        seconds: longest clip.
    """

    codec: Codec = "h264"
    size: int = 320
    faces: Faces = "main"
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip to be cut: frames ``first`` to ``last`` of a video (by index), one square for all.

    ``points`` is a file with ``landmarks`` (F, 468, 2) in pixels of the video and ``times`` (F,) in seconds: the
    landmarks of long videos do not fit into memory. ``length`` is the median of the face's longer side in pixels.
    """

    track: int
    first: int
    last: int
    square: Box
    size: int
    length: float
    points: Path

    @property
    def frames(self) -> int:
        """F."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Located:
    """The clips to be cut out of one video, by time.

    ``reason`` says why there is none, ``damage`` what could not be read.
    """

    stretches: tuple[Stretch, ...]
    reason: str = ""
    damage: tuple[str, ...] = ()


class FaceFinder:
    """Finds the faces of videos; made once a process, as its networks take time to load."""

    def __init__(self) -> None:
        self._detector, self.mesh = FaceDetector(), FaceMesh()

    def locate(
        self, path: Path, settings: PrepareSettings, folder: Path, start: float = 0.0, end: float = math.inf
    ) -> Located:
        """Follow the faces of a video from ``start`` to ``end`` seconds.

        Args:
            path: the video.
            settings: how to cut.
            folder: for the files of landmarks.
            start, end: seconds.

        Raises:
            Unreadable: no picture can be had of it.
        """
        tracker = FaceTracker(self._detector, self.mesh, max_faces=8 if settings.faces == "all" else 2)
        cuts = SceneCuts()
        growing: dict[int, _Growing] = {}
        found: list[Stretch] = []
        closed = seen = 0

        def close(track: int) -> None:
            nonlocal closed
            stretch = _closed(growing.pop(track), track, settings.size, folder / f"{closed}.npz")
            closed += 1
            if stretch is not None:
                found.append(stretch)

        # One thread: processes share the cores, and the same pictures come out of a damaged file whatever the machine.
        with open_video(path, threads=1) as reader:
            for raw in reader:
                if raw.time < start:
                    continue
                if raw.time >= end:
                    break
                if cuts(raw.luma_thumbnail()):
                    tracker.cut()
                faces = tracker.update(Frame(raw.index, raw.time, raw.rgb()))
                seen += len(faces)
                for track in [track for track in growing if track not in faces]:
                    close(track)
                for track, face in faces.items():
                    if track in growing and not growing[track].takes(raw.index, raw.time, face, settings.seconds):
                        close(track)
                    growing.setdefault(track, _Growing(raw.index)).add(raw.time, face)
            damage = reader.errors
        for track in list(growing):
            close(track)
        if settings.faces == "main":
            found = _main_faces(found)
        reason = "" if found else "no face was found" if not seen else "faces are seen too briefly or too small"
        return Located(tuple(sorted(found, key=lambda stretch: (stretch.first, stretch.track))), reason, damage)


@dataclass(slots=True)
class _Growing:
    """A stretch that is not closed yet."""

    first: int
    times: list[float] = field(default_factory=list)
    landmarks: list[FloatArray] = field(default_factory=list)
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(2, -np.inf))
    center: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    shortest: float = math.inf
    lengths: list[float] = field(default_factory=list)

    def takes(self, index: int, time: float, face: Face, seconds: float) -> bool:
        """Whether the face goes on from the last one and still fits into the clip."""
        low, high, length = _need(face)
        side = float((np.maximum(self.high, high) - np.minimum(self.low, low)).max())
        return (
            index == self.first + len(self.times)
            and time - self.times[-1] <= HOLE
            and time - self.times[0] < seconds
            and float(np.hypot(*((low + high) / 2 - self.center))) <= MAX_JUMP * length
            and side <= LARGEST * min(self.shortest, length)
        )

    def add(self, time: float, face: Face) -> None:
        low, high, length = _need(face)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.center, self.shortest = (low + high) / 2, min(self.shortest, length)
        self.times.append(time)
        self.landmarks.append(face.landmarks)
        self.lengths.append(length)


def _need(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Corners of the square that a face needs, and the face's length."""
    length = max(face.box.width, face.box.height)
    center = np.array(face.box.center)
    return center - MARGIN / 2 * length, center + MARGIN / 2 * length, length


def _closed(grown: _Growing, track: int, size: int, points: Path) -> Stretch | None:
    """The finished stretch with its landmarks written down; None where it is too short, or the face too small."""
    landmarks = np.stack(grown.landmarks)
    width = float(np.median(np.ptp(landmarks[:, :, 0], axis=1)))
    if len(grown.times) < LEAST_FRAMES or width < LEAST_FACE:
        return None
    # Whole and even pixels: a square that is not scaled is a plain copy, and coders want even sides.
    side = 2 * math.ceil(float((grown.high - grown.low).max()) / 2)
    x0, y0 = (float(v) for v in np.floor((grown.low + grown.high - side) / 2))
    np.savez(points, landmarks=landmarks, times=np.array(grown.times))
    return Stretch(
        track=track,
        first=grown.first,
        last=grown.first + len(grown.times) - 1,
        square=Box(x0, y0, x0 + side, y0 + side),
        size=min(side, size - size % 2),
        length=float(np.median(grown.lengths)),
        points=points,
    )


def _main_faces(found: list[Stretch]) -> list[Stretch]:
    """Of faces seen at the same time only the largest."""
    kept: list[Stretch] = []
    for stretch in sorted(found, key=lambda s: -s.length * s.frames):
        shared = sum(max(0, min(stretch.last, other.last) - max(stretch.first, other.first) + 1) for other in kept)
        if shared <= SHARED * stretch.frames:
            kept.append(stretch)
    return kept


class Agreement:
    """Whether the landmarks of a real lie on the face of what is said to be its forgery, frame for frame.

    Args:
        mesh: places landmarks of the forgery's own.
    """

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._looks = self._near = 0

    def look(self, image: UInt8Array, landmarks: FloatArray) -> None:
        """Compare in one picture, uint8 RGB (H, W, 3); ``landmarks`` (468, 2) are the real's."""
        box = bounding_box(landmarks)
        face = self._mesh.from_previous(image, Face(box, landmarks, 1.0))
        apart = float(np.median(np.linalg.norm(face.landmarks - landmarks, axis=1)))
        self._looks += 1
        self._near += face.presence >= MIN_PRESENCE and apart <= NEAR * max(box.width, box.height)

    @property
    def holds(self) -> bool:
        """Whether they did so at most looks."""
        return self._near >= AGREED * self._looks

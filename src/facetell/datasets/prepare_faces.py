"""Where the faces of a video are, and into which clips they are to be cut.

A clip has one square for all its frames, placed so that it holds the face with a margin throughout: a square that
followed the face would add the jitter of its own placing to the face's motion, which second differences amplify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.prepare_patch import KEPT_BYTES, Kept, Patch, Store, patch_around, patch_of
from facetell.faces.clips import HOLE, MAX_JUMP
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh, face_of
from facetell.faces.tracker import MIN_PRESENCE, FaceTracker
from facetell.types import Box, Face, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoInfo
from facetell.video.source import open_video

MARGIN = 1.7  # the square holds a square of so many face lengths around the face in every frame
WIDEST_CROP = 1.4  # face lengths: a crop of this side lies within the square, however it is rotated
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
        image_rate: frames per second of folders of images, see :class:`facetell.video.sequence.ImageSequence`.
    """

    codec: Codec = "h264"
    size: int = 320
    faces: Faces = "main"
    seconds: float = 10.0
    image_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip to be cut: frames ``first`` to ``last`` of a video (by index), one square for all, out of one patch.

    ``points`` is a file with ``landmarks`` (F, 468, 2) in pixels of the video and ``times`` (F,) in seconds: the
    landmarks of long videos do not fit into memory. ``length`` is the median of the face's longer side in pixels.
    """

    track: int
    first: int
    last: int
    square: Box
    patch: Patch
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

    ``reason`` says why there is none; ``notes`` are the messages of the reader; ``is_damaged`` says whether one of them
    is on damaged or missing frames.
    """

    stretches: tuple[Stretch, ...]
    reason: str = ""
    notes: tuple[str, ...] = ()
    is_damaged: bool = False


CutNow = Callable[[Stretch, UInt8Array, float | None], None]
"""Takes a stretch, its patch of each of its pictures (F, h, w, 3), and the pictures a second of the video."""


class FaceFinder:
    """Finds the faces of videos; made once a process, as its networks take time to load."""

    def __init__(self) -> None:
        self._detector, self.mesh, self._store = FaceDetector(), FaceMesh(), Store()

    def locate(
        self,
        path: Path,
        settings: PrepareSettings,
        folder: Path,
        start: float = 0.0,
        end: float = math.inf,
        cut: CutNow | None = None,
    ) -> Located:
        """Follow the faces of a video from ``start`` to ``end`` seconds.

        Args:
            path: the video.
            settings: how to cut.
            folder: for the files of landmarks.
            start, end: seconds.
            cut: called at the end of each stretch whose pictures could be kept, also of those that turn out not to be
                of a main face.

        Raises:
            Unreadable: no picture can be had of it.
        """
        tracker = FaceTracker(self._detector, self.mesh, max_faces=8 if settings.faces == "all" else 2)
        seen = 0
        # One thread: processes share the cores, and the same pictures come out of a damaged file whatever the machine.
        with open_video(path, threads=1, image_rate=settings.image_rate) as reader:
            self._store.lent = False  # an earlier video may have ended in a fault
            growth = _Growth(settings, folder, reader.info, cut, self._store)
            for raw in reader:
                if raw.time < start:
                    continue
                if raw.time >= end:
                    break
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                faces = tracker.update(frame)
                seen += len(faces)
                growth.add(frame, faces)
            notes, is_damaged = reader.errors, bool(reader.damage)
        found = growth.end()
        if settings.faces == "main":
            found = _main_faces(found)
        reason = "" if found else "no face was found" if not seen else "faces are seen too briefly or too small"
        found.sort(key=lambda stretch: (stretch.first, stretch.track))
        return Located(tuple(found), reason, notes, is_damaged)


class _Growth:
    """The stretches of a video while it is read.

    Args:
        settings: how to cut.
        folder: for the files of landmarks.
        info: of the video.
        cut: see :meth:`FaceFinder.locate`.
        store: for the pictures that are kept.
    """

    def __init__(
        self, settings: PrepareSettings, folder: Path, info: VideoInfo, cut: CutNow | None, store: Store
    ) -> None:
        self._settings, self._folder, self._info, self._cut = settings, folder, info, cut
        self._growing: dict[int, _Growing] = {}
        self._found: list[Stretch] = []
        self._closed = 0
        self._store = store
        # A clip of the greatest length is to fit; without a rate, as in `cut`, 25 pictures a second are assumed.
        self._most = math.ceil(settings.seconds * (info.fps or 25.0)) + 1

    def add(self, frame: Frame, faces: dict[int, Face]) -> None:
        """Go on with the faces of the next picture."""
        for track in [track for track in self._growing if track not in faces]:
            self._close(track)
        for track, face in faces.items():
            growing = self._growing.get(track)
            if growing is not None and not growing.takes(frame.index, frame.time, face, self._settings.seconds):
                self._close(track)
            if track not in self._growing:
                self._growing[track] = _Growing(frame.index, self._kept(frame, face))
            self._growing[track].add(frame, face)

    def end(self) -> list[Stretch]:
        """All stretches, in the order in which they ended."""
        for track in list(self._growing):
            self._close(track)
        return self._found

    def _kept(self, frame: Frame, face: Face) -> Kept | None:
        low, high, length = _need(face)
        side = float((high - low).max())
        patch = patch_around(
            (face.pose.x, face.pose.y), length, side, self._settings.size, frame.image.shape, KEPT_BYTES / self._most
        )
        if patch is None:
            return None
        kept = Kept(patch, self._store)
        if self._cut is None:
            kept.drop()
        return kept

    def _close(self, track: int) -> None:
        grown = self._growing.pop(track)
        width, height = self._info.width, self._info.height
        points = self._folder / f"{self._closed}.npz"
        stretch = _closed(grown, track, self._settings.size, (width, height), points)
        self._closed += 1
        if stretch is not None:
            self._found.append(stretch)
            kept = grown.kept
            if self._cut and kept and kept.pictures is not None and kept.patch == stretch.patch:
                self._cut(stretch, kept.pictures, self._info.fps)
        if grown.kept:
            grown.kept.drop()


@dataclass(slots=True)
class _Growing:
    """A stretch that is not closed yet."""

    first: int
    kept: Kept | None
    times: list[float] = field(default_factory=list)
    landmarks: list[FloatArray] = field(default_factory=list)
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(2, -np.inf))
    center: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    shortest: float = math.inf
    lengths: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

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

    def add(self, frame: Frame, face: Face) -> None:
        """Go on with the next picture."""
        low, high, length = _need(face)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.center, self.shortest = (low + high) / 2, min(self.shortest, length)
        self.times.append(frame.time)
        self.landmarks.append(face.landmarks)
        self.lengths.append(length)
        self.widths.append(face.pose.width)
        if self.kept:
            height, width = frame.image.shape[:2]
            if self.kept.pictures is not None and not self.kept.patch.holds(self.square, width, height):
                self.kept.drop()
            self.kept.add(frame.image)

    @property
    def square(self) -> Box:
        """What holds the face in all pictures so far: whole and even pixels.

        So a square that is not scaled is a plain copy, and coders want even sides.
        """
        side = 2 * math.ceil(float((self.high - self.low).max()) / 2)
        x0, y0 = (float(v) for v in np.floor((self.low + self.high - side) / 2))
        return Box(x0, y0, x0 + side, y0 + side)


def _need(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Corners of the square that a face needs, and the face's length, larger where the crop will be rotated much."""
    pose = face.pose
    extent = abs(math.cos(pose.roll)) + abs(math.sin(pose.roll))  # of a rotated square, in its sides
    length = pose.length * max(1.0, WIDEST_CROP * extent / MARGIN)
    center = np.array([pose.x, pose.y])
    return center - MARGIN / 2 * length, center + MARGIN / 2 * length, length


def _closed(grown: _Growing, track: int, size: int, picture: tuple[int, int], points: Path) -> Stretch | None:
    """The finished stretch with its landmarks written down; None where it is too short, or the face too small."""
    landmarks = np.stack(grown.landmarks)
    if len(grown.times) < LEAST_FRAMES or np.median(grown.widths) < LEAST_FACE:
        return None
    square = grown.square
    # Whether pictures were kept must leave no trace: the patch of the beginning is that of the clip where it suffices.
    begun = grown.kept.patch if grown.kept else None
    patch = begun if begun and begun.holds(square, *picture) else patch_of(square, size, *picture)
    np.savez(points, landmarks=landmarks, times=np.array(grown.times))
    return Stretch(
        track=track,
        first=grown.first,
        last=grown.first + len(grown.times) - 1,
        square=square,
        patch=patch,
        size=min(int(square.width), size - size % 2),
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
        known = face_of(landmarks)
        face = self._mesh.from_previous(image, known)
        apart = float(np.median(np.linalg.norm(face.landmarks - landmarks, axis=1)))
        self._looks += 1
        self._near += face.presence >= MIN_PRESENCE and apart <= NEAR * known.pose.length

    @property
    def holds(self) -> bool:
        """Whether they did so at most looks."""
        return self._near >= AGREED * self._looks

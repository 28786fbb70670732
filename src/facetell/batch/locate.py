"""Locate the faces of a video and decide which clips are cut from it.

A clip is cropped by one square in all its frames, which holds the face with a margin throughout: a square that followed
the face would add its own jitter to the motion of the face, and second differences amplify that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facetell.batch.patch import Patch, patch_around, patch_of
from facetell.faces.clips import HOLE, MAX_JUMP
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh, face_of
from facetell.faces.tracker import MIN_PRESENCE, FaceTracker
from facetell.types import Box, Face, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoInfo
from facetell.video.source import open_video

MARGIN = 1.7  # side in face lengths of the square around the face that the crop holds in every frame
WIDEST_CROP = 1.4  # face lengths: a crop of this side is within the square, however it is rotated
LARGEST = 2.6  # face lengths: if the square had to be larger, because the face moves, a new clip begins
LEAST_FRAMES = 8
LEAST_FACE = 32.0  # pixels; narrower faces are not cut
SHARED = 0.2  # if two faces are visible together for a larger share of a clip, only the larger is a main face
NEAR = 0.08  # face lengths between the landmarks of a real and of its forgery, up to which they agree
AGREED = 0.8  # share of the checks at which they must agree
KEPT_BYTES = 192_000_000  # memory for the frames of one clip; those of other faces at the same time are not kept

Codec = Literal["h264", "jpeg"]
Faces = Literal["main", "all"]


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How faces are cut.

    Attributes:
        codec: of the clips.
        size: side in pixels to which larger crops are reduced; smaller ones are not enlarged.
        faces: "main" (only the largest face at any time) or "all".
        seconds: length of the longest clip.
        image_rate: frames per second of folders of images, see :class:`facetell.video.sequence.ImageSequence`.
    """

    codec: Codec = "h264"
    size: int = 320
    faces: Faces = "main"
    seconds: float = 10.0
    image_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip to cut: frames ``first`` to ``last`` of a video (by index), cropped from ``patch`` by ``square``.

    ``points`` is a file with ``landmarks`` (F, 468, 2) in pixels of the video and ``times`` (F,) in seconds: those of a
    long video do not fit into memory. ``length`` is the median of the longer side of the face in pixels.
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
    """The clips to cut from one video, by time.

    ``reason`` says why there is none; ``notes`` are the messages of the reader; ``is_damaged`` if one of them is about
    damaged or missing frames.
    """

    stretches: tuple[Stretch, ...]
    reason: str = ""
    notes: tuple[str, ...] = ()
    is_damaged: bool = False


Keep = Callable[[Stretch, UInt8Array, float | None], None]
"""Receives a stretch, its patch of each frame as uint8 (F, h, w, 3), and the frames per second of the video."""


class FaceFinder:
    """Locates the faces of videos; reuse it, as its networks take time to load."""

    memory = KEPT_BYTES
    """Bytes for frames that are kept; a clip has the same bytes if they do not suffice and its video is read again."""

    def __init__(self) -> None:
        self._detector, self.mesh = FaceDetector(), FaceMesh()
        self._memory: UInt8Array = np.empty(self.memory, np.uint8)  # reused, as the system takes time to provide it

    def locate(
        self,
        path: Path,
        settings: PrepareSettings,
        folder: Path,
        start: float = 0.0,
        end: float = math.inf,
        keep: Keep | None = None,
    ) -> Located:
        """Track the faces of a video from ``start`` to ``end`` seconds.

        Args:
            path: the video.
            settings: how to cut.
            folder: for the files of landmarks.
            start, end: seconds.
            keep: called at the end of each stretch whose frames fitted into memory, also if its face turns out not to
                be a main face.

        Raises:
            Unreadable: no frame can be read.
        """
        tracker = FaceTracker(self._detector, self.mesh, max_faces=8 if settings.faces == "all" else 2)
        seen = 0
        # One thread: processes share the cores, and a damaged file gives the same frames on every machine.
        with open_video(path, threads=1, image_rate=settings.image_rate) as reader:
            growth = _Growth(settings, folder, reader.info, keep, self._memory)
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
        reason = "" if found else "no face was found" if not seen else "faces are visible too briefly or too small"
        found.sort(key=lambda stretch: (stretch.first, stretch.track))
        return Located(tuple(found), reason, notes, is_damaged)


class _Growth:
    """The stretches of a video while it is read; the arguments are those of :meth:`FaceFinder.locate`."""

    def __init__(
        self, settings: PrepareSettings, folder: Path, info: VideoInfo, keep: Keep | None, memory: UInt8Array
    ) -> None:
        self._settings, self._folder, self._info, self._keep = settings, folder, info, keep
        self._memory = memory
        self._growing: dict[int, _Growing] = {}
        self._found: list[Stretch] = []
        self._closed = 0
        # The longest clip must fit into memory; without a frame rate 25 is assumed, as when the clip is written.
        self._most_bytes = KEPT_BYTES / (math.ceil(settings.seconds * (info.fps or 25.0)) + 1)

    def add(self, frame: Frame, faces: dict[int, Face]) -> None:
        """Continue with the faces of the next frame."""
        for track in [track for track in self._growing if track not in faces]:
            self._close(track)
        for track, face in faces.items():
            growing = self._growing.get(track)
            if growing is not None and not growing.takes(frame.index, frame.time, face, self._settings.seconds):
                self._close(track)
            if track not in self._growing:
                self._growing[track] = self._begin(frame, face)
            self._growing[track].add(frame, face)

    def end(self) -> list[Stretch]:
        """All stretches, in the order in which they ended."""
        for track in list(self._growing):
            self._close(track)
        return self._found

    def _begin(self, frame: Frame, face: Face) -> _Growing:
        low, high, length = _need(face)
        center, side = (face.pose.x, face.pose.y), float((high - low).max())
        patch = patch_around(center, length, side, self._settings.size, frame.image.shape, self._most_bytes)
        growing = _Growing(frame.index, patch)
        if self._keep and patch and all(other.kept is None for other in self._growing.values()):
            count = len(self._memory) // patch.size
            growing.kept = self._memory[: count * patch.size].reshape(count, *patch.shape)
        return growing

    def _close(self, track: int) -> None:
        grown = self._growing.pop(track)
        points = self._folder / f"{self._closed}.npz"
        self._closed += 1
        stretch = _closed(grown, track, self._settings.size, (self._info.width, self._info.height), points)
        if stretch is not None:
            self._found.append(stretch)
            if self._keep and grown.kept is not None:
                self._keep(stretch, grown.kept[: stretch.frames], self._info.fps)


@dataclass(slots=True)
class _Growing:
    """A stretch that is not complete yet; ``kept`` is memory for ``patch`` of each frame, None if it does not fit."""

    first: int
    patch: Patch | None
    kept: UInt8Array | None = None
    times: list[float] = field(default_factory=list)
    landmarks: list[FloatArray] = field(default_factory=list)
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(2, -np.inf))
    center: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    shortest: float = math.inf
    lengths: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def takes(self, index: int, time: float, face: Face, seconds: float) -> bool:
        """Whether the face continues that of the last frame and still fits into the clip."""
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
        """Append the next frame."""
        low, high, length = _need(face)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.center, self.shortest = (low + high) / 2, min(self.shortest, length)
        if self.kept is not None and self.patch is not None:
            height, width = frame.image.shape[:2]
            if len(self.times) < len(self.kept) and self.patch.holds(self.square, width, height):
                self.patch.of(frame.image, self.kept[len(self.times)])
            else:
                self.kept = None
        self.times.append(frame.time)
        self.landmarks.append(face.landmarks)
        self.lengths.append(length)
        self.widths.append(face.pose.width)

    @property
    def square(self) -> Box:
        """The square that holds the face in all frames so far.

        Its corners are integers, so that a crop that is not scaled copies pixels; its side is even, as encoders need.
        """
        side = 2 * math.ceil(float((self.high - self.low).max()) / 2)
        x0, y0 = (float(v) for v in np.floor((self.low + self.high - side) / 2))
        return Box(x0, y0, x0 + side, y0 + side)


def _need(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Corners of the square that a face needs, and the length of the face, larger if its crop will be rotated much."""
    pose = face.pose
    extent = abs(math.cos(pose.roll)) + abs(math.sin(pose.roll))  # of a rotated square, in its sides
    length = pose.length * max(1.0, WIDEST_CROP * extent / MARGIN)
    center = np.array([pose.x, pose.y])
    return center - MARGIN / 2 * length, center + MARGIN / 2 * length, length


def _closed(grown: _Growing, track: int, size: int, frame: tuple[int, int], points: Path) -> Stretch | None:
    """The complete stretch, its landmarks written to a file; None if it is too short or the face too small."""
    landmarks = np.stack(grown.landmarks)
    if len(grown.times) < LEAST_FRAMES or np.median(grown.widths) < LEAST_FACE:
        return None
    square = grown.square
    # The clip must not depend on whether its frames were kept, so the patch of its beginning is used if it suffices.
    begun = grown.patch
    patch = begun if begun and begun.holds(square, *frame) else patch_of(square, size, *frame)
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
    """Only the largest of the faces that are visible at the same time."""
    kept: list[Stretch] = []
    for stretch in sorted(found, key=lambda s: -s.length * s.frames):
        shared = sum(max(0, min(stretch.last, other.last) - max(stretch.first, other.first) + 1) for other in kept)
        if shared <= SHARED * stretch.frames:
            kept.append(stretch)
    return kept


class Agreement:
    """Checks that the landmarks of a real are on the face in its forgery, frame for frame.

    Args:
        mesh: finds the landmarks of the forgery.
    """

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._checks = self._near = 0

    def look(self, image: UInt8Array, landmarks: FloatArray) -> None:
        """Compare in one frame, uint8 RGB (H, W, 3), with the landmarks (468, 2) of the real."""
        known = face_of(landmarks)
        face = self._mesh.from_previous(image, known)
        apart = float(np.median(np.linalg.norm(face.landmarks - landmarks, axis=1)))
        self._checks += 1
        self._near += face.presence >= MIN_PRESENCE and apart <= NEAR * known.pose.length

    @property
    def holds(self) -> bool:
        """Whether they agreed at enough checks."""
        return self._near >= AGREED * self._checks

"""Find the segments of a video to crop clips from: one face in consecutive frames.

All frames of a segment are cropped by one square, which holds the face with a margin throughout: a square that followed
the face would add its own jitter to the motion of the face, and second differences amplify that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.faces.clips import HOLE, MAX_JUMP
from facetell.faces.crop import crop_frame
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh, face_of
from facetell.faces.tracker import MIN_PRESENCE, FaceTracker
from facetell.types import Box, Crop, Face, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoInfo
from facetell.video.source import open_video

# Lengths are in face lengths unless they have a unit.
MARGIN = 1.7  # side of the square around the face that the crop holds in every frame
WIDEST_CROP = 1.4  # a crop of this side is within the square, however it is rotated
LARGEST = 2.6  # largest square: if the face moves further, a new segment begins
LEAST_FRAMES = 8
LEAST_FACE = 32.0  # pixels; narrower faces are left out
SHARED = 0.2  # if two faces are visible together for a larger share of a segment, only the larger is a main face
NEAR = 0.08  # distance between the landmarks of a real and of its forgery, up to which they agree
KEPT_BYTES = 192_000_000  # memory for the frames of one segment; those of other faces at the same time are not kept
REACHES = (3.2, 2.8, 2.4, 2.0)  # widths of the region to keep; the widest that fits into memory is used
AROUND = 2  # reduced pixels around a crop, so that interpolation at its edge reads pixels of the video


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How faces are cropped.

    Attributes:
        size: side in pixels to which larger crops are reduced; smaller ones are not enlarged.
        faces: "main" (only the largest face at any time) or "all".
        seconds: length of the longest clip.
        image_rate: frames per second of folders of images, see :class:`facetell.video.sequence.ImageSequence`.
    """

    size: int = 320
    faces: Literal["main", "all"] = "main"
    seconds: float = 10.0
    image_rate: float | None = None


class Region(NamedTuple):
    """The part of each frame that is kept for a crop: complete cells of ``factor`` x ``factor`` pixels, averaged.

    The crop of a segment is known only at its end. Until then a region around the face is kept, so that the video need
    not be read twice. If it does not suffice the video is read again; crops of the same region have the same bytes.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    factor: int

    @classmethod
    def of(cls, square: Box, factor: int, width: int, height: int) -> Region:
        """The cells under a square and :data:`AROUND` it, in frames of ``width`` x ``height``; at least one cell."""
        factor = max(1, min(factor, width, height))
        edges = []
        for low, high, length in ((square.x0, square.x1, width), (square.y0, square.y1, height)):
            first = int(np.clip(np.floor(low / factor) - AROUND, 0, length // factor - 1))
            last = int(np.clip(np.ceil(high / factor) + AROUND, first + 1, length // factor))
            edges.append((first * factor, last * factor))
        (x0, x1), (y0, y1) = edges
        return cls(x0, y0, x1, y1, factor)

    @property
    def size(self) -> int:
        """Bytes of :meth:`read`."""
        return 3 * (self.x1 - self.x0) * (self.y1 - self.y0) // self.factor**2

    def read(self, image: UInt8Array) -> UInt8Array:
        """This part of a uint8 RGB (H, W, 3) frame, reduced by ``factor``, as a new array."""
        part = image[self.y0 : self.y1, self.x0 : self.x1]
        if self.factor == 1:
            return part.copy()
        size = (self.x1 - self.x0) // self.factor, (self.y1 - self.y0) // self.factor
        return cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

    def crop(self, part: UInt8Array, square: Box, size: int) -> UInt8Array:
        """Crop ``square`` (in pixels of the frame) from what :meth:`read` returned, as uint8 (size, size, 3)."""
        inside = square.x0 - self.x0, square.y0 - self.y0, square.x1 - self.x0, square.y1 - self.y0
        return crop_frame(part, Crop.of_square(Box(*(v / self.factor for v in inside))), size)

    def holds(self, square: Box, width: int, height: int) -> bool:
        """Whether it contains all pixels that a crop of frames of ``width`` x ``height`` needs."""
        x0, y0, x1, y1, _ = Region.of(square, self.factor, width, height)
        return self.x0 <= x0 and self.y0 <= y0 and x1 <= self.x1 and y1 <= self.y1


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``first`` to ``last`` of a video (by index), to be cropped by ``square`` to ``size`` pixels.

    ``points`` is a file with ``landmarks`` (F, 468, 2) in pixels of the video and ``times`` (F,) in seconds: those of a
    long video do not fit into memory. ``length`` is the median of the longer side of the face in pixels.
    """

    track: int
    first: int
    last: int
    square: Box
    region: Region
    size: int
    length: float
    points: Path

    @property
    def frames(self) -> int:
        """F."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Located:
    """The segments of a video in order of time, and ``reason`` if there is none.

    ``notes`` are the messages of the reader; ``is_damaged`` if one of them is about damaged or missing frames.
    """

    segments: tuple[Segment, ...]
    reason: str = ""
    notes: tuple[str, ...] = ()
    is_damaged: bool = False
    info: VideoInfo | None = None


Keep = Callable[[Segment, list[UInt8Array], float | None], None]
"""Receives a segment, its region of each frame, and the frames per second of the video."""


class FaceFinder:
    """Locates the faces of videos; reuse it, as its networks take time to load."""

    memory = KEPT_BYTES
    """Bytes for frames that are kept; it does not change the clips."""

    def __init__(self) -> None:
        self._detector, self._mesh = FaceDetector(), FaceMesh()

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

        ``keep`` is called at the end of each segment whose frames fitted into memory, also if its face turns out not to
        be a main face. Files of landmarks are written to ``folder``.

        Raises:
            Unreadable: no frame can be read.
        """
        tracker = FaceTracker(self._detector, self._mesh, max_faces=8 if settings.faces == "all" else 2)
        open_: dict[int, _OpenSegment] = {}
        found: list[Segment] = []
        seen = closed = 0
        # One thread: processes share the cores, and a damaged file gives the same frames on every machine.
        with open_video(path, threads=1, image_rate=settings.image_rate) as reader:
            info = reader.info
            # The longest segment must fit into memory; without a frame rate 25 is assumed, as when clips are written.
            per_frame = KEPT_BYTES / (math.ceil(settings.seconds * (info.fps or 25.0)) + 1)

            def close(track: int) -> None:
                nonlocal closed
                segment = open_[track].closed(track, settings.size, folder / f"{closed}.npz")
                parts = open_.pop(track).parts
                closed += 1
                if segment is not None:
                    found.append(segment)
                    if keep and parts:
                        keep(segment, parts, info.fps)

            for raw in reader:
                if raw.time < start:
                    continue
                if raw.time >= end:
                    break
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                faces = tracker.update(frame)
                seen += len(faces)
                for track in list(open_):
                    if track not in faces or not open_[track].continues(frame, faces[track], settings.seconds):
                        close(track)
                for track, face in faces.items():
                    if track not in open_:
                        keeps = keep is not None and all(other.parts is None for other in open_.values())
                        memory = self.memory if keeps else 0
                        open_[track] = _OpenSegment(frame, face, settings.size, per_frame, memory)
                    open_[track].add(frame, face)
            for track in list(open_):
                close(track)
            notes, is_damaged = reader.errors, bool(reader.damage)
        if settings.faces == "main":
            found = _main_faces(found)
        reason = "" if found else "no face was found" if not seen else "faces are visible too briefly or too small"
        found.sort(key=lambda segment: (segment.first, segment.track))
        return Located(tuple(found), reason, notes, is_damaged, info)

    def agrees(self, image: UInt8Array, landmarks: FloatArray) -> bool:
        """Whether the landmarks (468, 2) of a real are on the face in a frame of its forgery, uint8 RGB (H, W, 3)."""
        known = face_of(landmarks)
        face = self._mesh.from_previous(image, known)
        distance = float(np.median(np.linalg.norm(face.landmarks - landmarks, axis=1)))
        return face.presence >= MIN_PRESENCE and distance <= NEAR * known.pose.length


class _OpenSegment:
    """A segment that is not complete yet; ``parts`` are the regions of its frames, None if they are not kept."""

    def __init__(self, frame: Frame, face: Face, size: int, per_frame: float, memory: int) -> None:
        low, high, length = _need(face)
        self.first, self._memory = frame.index, memory
        self._height, self._width = frame.image.shape[:2]
        self._region: Region | None = None
        for reach in REACHES:
            half = reach * length / 2
            around = Box(face.pose.x - half, face.pose.y - half, face.pose.x + half, face.pose.y + half)
            region = Region.of(around, int(float((high - low).max()) / size), self._width, self._height)
            if region.size <= per_frame:
                self._region = region
                break
        self.parts: list[UInt8Array] | None = [] if memory and self._region else None
        self.times: list[float] = []
        self.landmarks: list[FloatArray] = []
        self.lengths: list[float] = []
        self.widths: list[float] = []
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        self.center = np.zeros(2)

    def continues(self, frame: Frame, face: Face, seconds: float) -> bool:
        """Whether the face continues that of the last frame and still fits into a segment of so many seconds."""
        low, high, length = _need(face)
        side = float((np.maximum(self.high, high) - np.minimum(self.low, low)).max())
        return (
            frame.index == self.first + len(self.times)
            and frame.time - self.times[-1] <= HOLE
            and frame.time - self.times[0] < seconds
            and float(np.hypot(*((low + high) / 2 - self.center))) <= MAX_JUMP * length
            and side <= LARGEST * min(*self.lengths, length)
        )

    def add(self, frame: Frame, face: Face) -> None:
        """Append the next frame."""
        low, high, length = _need(face)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.center = (low + high) / 2
        if self.parts is not None and self._region is not None:
            fits = (len(self.parts) + 1) * self._region.size <= self._memory
            if fits and self._region.holds(self.square, self._width, self._height):
                self.parts.append(self._region.read(frame.image))
            else:
                self.parts = None
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

    def closed(self, track: int, size: int, points: Path) -> Segment | None:
        """The complete segment, its landmarks written to a file; None if it is too short or the face too small."""
        if len(self.times) < LEAST_FRAMES or np.median(self.widths) < LEAST_FACE:
            return None
        square, region = self.square, self._region
        # The clip must not depend on whether its frames were kept, so the region of its beginning is used if possible.
        if region is None or not region.holds(square, self._width, self._height):
            region = Region.of(square, int(square.width / size), self._width, self._height)
        np.savez(points, landmarks=np.stack(self.landmarks), times=np.array(self.times))
        last = self.first + len(self.times) - 1
        side = min(int(square.width), size - size % 2)
        return Segment(track, self.first, last, square, region, side, float(np.median(self.lengths)), points)


def _need(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Corners of the square that a face needs, and the length of the face, larger if its crop will be rotated much."""
    pose = face.pose
    extent = abs(math.cos(pose.roll)) + abs(math.sin(pose.roll))  # of a rotated square, in its sides
    length = pose.length * max(1.0, WIDEST_CROP * extent / MARGIN)
    center = np.array([pose.x, pose.y])
    return center - MARGIN / 2 * length, center + MARGIN / 2 * length, length


def _main_faces(found: list[Segment]) -> list[Segment]:
    """Only the largest of the faces that are visible at the same time."""
    kept: list[Segment] = []
    for segment in sorted(found, key=lambda s: -s.length * s.frames):
        shared = sum(max(0, min(segment.last, other.last) - max(segment.first, other.first) + 1) for other in kept)
        if shared <= SHARED * segment.frames:
            kept.append(segment)
    return kept

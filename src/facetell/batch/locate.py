"""Find the segments of a video (one face in consecutive frames) and crop them into clips, landmarks beside them.

All frames of a segment are cropped by one square, which holds the face with a margin throughout: a square that followed
the face would add its own jitter to the motion of the face, and second differences amplify that. The square is known
only at the end of its segment, so a video is decoded twice: frames of a segment need not fit into memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facetell.faces.clips import HOLE, MAX_JUMP
from facetell.faces.crop import crop_frame, crop_matrix
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh, face_of
from facetell.faces.tracker import MIN_PRESENCE, FaceTracker
from facetell.files import sync
from facetell.types import Box, Crop, Face, FacetellError, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoInfo
from facetell.video.source import open_video
from facetell.video.writer import VideoWriter

# Lengths are in face lengths unless they have a unit.
MARGIN = 1.7  # side of the square around the face that the crop holds in every frame
WIDEST_CROP = 1.4  # a crop of this side is within the square, however it is rotated
LARGEST = 2.6  # largest square: if the face moves further, a new segment begins
LEAST_FRAMES = 8
LEAST_FACE = 32.0  # pixels; narrower faces are left out
SHARED = 0.2  # if two faces are visible together for a larger share of a segment, only the larger is a main face
NEAR = 0.08  # distance between the landmarks of a real and of its forgery, up to which they agree
CHECK_EVERY = 25  # frames between two checks that the landmarks are on the face

# Frequent key frames make seeking fast; with several threads the bytes would depend on the machine.
CODING: dict[str, Any] = {
    "codec": "libx264",
    "crf": 15.0,
    "pix_fmt": "yuv420p",
    "options": {"preset": "superfast", "g": "16", "bf": "0", "threads": "1"},
}


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How faces are cropped."""

    size: int = 320  # side in pixels to which larger crops are reduced; smaller ones are not enlarged
    faces: Literal["main", "all"] = "main"  # "main": only the largest face at any time
    seconds: float = 10.0  # length of the longest clip
    image_rate: float | None = None  # frames per second of folders of images


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``first`` to ``last`` of a video (by index), to be cropped by ``square`` to ``size`` pixels."""

    track: int
    first: int
    last: int
    square: Box
    size: int
    length: float  # median of the longer side of the face in pixels
    points: Path  # landmarks (F, 468, 2) in pixels of the video and times (F,) in seconds: too large for memory

    @property
    def frames(self) -> int:
        """F."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Located:
    """The segments of a video in order of time, and ``reason`` if there is none."""

    segments: tuple[Segment, ...]
    reason: str = ""
    notes: tuple[str, ...] = ()  # messages of the reader
    is_damaged: bool = False  # whether one of them is about damaged or missing frames
    info: VideoInfo | None = None


class FaceFinder:
    """Locates the faces of videos; reuse it, as its networks take time to load."""

    def __init__(self) -> None:
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def locate(self, path: Path, settings: PrepareSettings, folder: Path) -> Located:
        """Track the faces of a video, their landmarks in files in ``folder``. Unreadable: no frame can be read."""
        tracker = FaceTracker(self._detector, self._mesh, max_faces=8 if settings.faces == "all" else 2)
        open_: dict[int, _OpenSegment] = {}
        found: list[Segment] = []
        seen = 0

        def close(track: int) -> None:
            if (segment := open_.pop(track).closed(track, settings.size, folder / f"{len(found)}.npz")) is not None:
                found.append(segment)

        # One thread: processes share the cores, and a damaged file gives the same frames on every machine.
        with open_video(path, threads=1, image_rate=settings.image_rate) as reader:
            for raw in reader:
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                faces = tracker.update(frame)
                seen += len(faces)
                for track in list(open_):
                    if track not in faces or not open_[track].continues(frame, faces[track], settings.seconds):
                        close(track)
                for track, face in faces.items():
                    open_.setdefault(track, _OpenSegment(frame.index)).add(frame, face)
            for track in list(open_):
                close(track)
            info, notes, is_damaged = reader.info, reader.errors, bool(reader.damage)
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
    """A segment that is not complete yet."""

    def __init__(self, first: int) -> None:
        self.first = first
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
        self.times.append(frame.time)
        self.landmarks.append(face.landmarks)
        self.lengths.append(length)
        self.widths.append(face.pose.width)

    def closed(self, track: int, size: int, points: Path) -> Segment | None:
        """The complete segment, its landmarks written to a file; None if it is too short or the face too small."""
        if len(self.times) < LEAST_FRAMES or np.median(self.widths) < LEAST_FACE:
            return None
        np.savez(points, landmarks=np.stack(self.landmarks), times=np.array(self.times))
        # Integer corners: a crop that is not scaled copies pixels. Its side is even, as encoders need.
        side = 2 * math.ceil(float((self.high - self.low).max()) / 2)
        x0, y0 = (float(v) for v in np.floor((self.low + self.high - side) / 2))
        square, last = Box(x0, y0, x0 + side, y0 + side), self.first + len(self.times) - 1
        length = float(np.median(self.lengths))
        return Segment(track, self.first, last, square, min(side, size - size % 2), length, points)


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


class _Clip:
    """A clip that is being written, to a file that ``stack`` closes."""

    def __init__(self, number: int, segment: Segment, folder: Path, fps: float | None, stack: ExitStack) -> None:
        with np.load(segment.points) as points:  # closed at once: a film has more clips than files may be open
            self.landmarks, self.times = points["landmarks"], points["times"]
        self.number, self.segment, self.written = number, segment, 0
        writer = VideoWriter(
            folder / f"clip-{number:03d}.mp4", fps=fps or 25.0, width=segment.size, height=segment.size, **CODING
        )
        self.writer = stack.enter_context(writer)

    def write(self, image: UInt8Array) -> None:
        """Append the crop of the next frame."""
        self.writer.write(crop_frame(image, Crop.of_square(self.segment.square), self.segment.size))
        self.written += 1

    def finish(self) -> dict[str, Any]:
        """Close the video, and write its landmarks (in pixels of the clip), times and square beside it."""
        self.writer.close()
        segment, times = self.segment, self.times[: self.written]
        matrix = crop_matrix(Crop.of_square(segment.square), segment.size)
        landmarks = (self.landmarks[: self.written] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        beside = self.writer.path.with_suffix(".npz")
        np.savez(beside, landmarks=landmarks, times=times, square=np.array(segment.square))
        same = {"number": self.number, "track": segment.track, "frames": self.written}
        return {"path": self.writer.path} | same | {"start": float(times[0]), "end": float(times[-1])}


def crop_segments(
    path: Path,
    segments: Sequence[Segment],
    folder: Path,
    image_rate: float | None = None,
    like: VideoInfo | None = None,
    look: Callable[[UInt8Array, FloatArray], None] = lambda image, landmarks: None,
) -> list[dict[str, Any]]:
    """Write segments, sorted by first frame, as videos with their landmarks, times and square beside them.

    Returns a record of each clip in order of the segments, with ``path``, ``number`` of the segment, ``track``,
    ``frames``, ``start`` and ``end`` in seconds. If the video ends within a segment, the clip ends there; with too few
    frames it is left out. The segments may be those of another video that is the same frame for frame; ``like`` is the
    information on it. ``look`` is called every few frames with the frame (H, W, 3) and the landmarks (468, 2).
    FacetellError: the video differs from that one in size or frame rate, or is damaged or lacks frames.
    """
    waiting = list(enumerate(segments))
    clips: list[dict[str, Any]] = []
    writing: list[_Clip] = []
    with ExitStack() as stack:
        reader = stack.enter_context(open_video(path, threads=1, image_rate=image_rate))
        if like is not None:
            _check_like(reader.info, like)
        for raw in reader:
            while waiting and waiting[0][1].first <= raw.index:
                writing.append(_Clip(*waiting.pop(0), folder, reader.info.fps, stack))
            if not writing:
                if not waiting:
                    break
                continue
            image = raw.rgb()
            for clip in list(writing):
                if clip.written % CHECK_EVERY == 0:
                    look(image, clip.landmarks[clip.written])
                clip.write(image)
                if raw.index >= clip.segment.last:
                    clips.append(clip.finish())
                    writing.remove(clip)
        clips += [clip.finish() for clip in writing if clip.written >= LEAST_FRAMES]
        if like is not None and reader.damage:
            raise FacetellError(reader.damage[0])
    return sorted(clips, key=lambda clip: int(clip["number"]))


def _check_like(a: VideoInfo, b: VideoInfo) -> None:
    if (a.width, a.height) != (b.width, b.height):
        raise FacetellError(f"its frames are {a.width}x{a.height}, not {b.width}x{b.height}")
    if abs((a.fps or 0) - (b.fps or 0)) > 0.01 * (b.fps or 1):
        raise FacetellError(f"it has {a.fps or 0:.5g} frames per second, not {b.fps or 0:.5g}")


def move_clips(clips: Sequence[dict[str, Any]], folder: Path, name: str) -> list[dict[str, Any]]:
    """Move clips to ``folder`` under the names ``NAME-NNN``, complete and on disk; returns records with new paths."""
    records = []
    for clip in clips:
        target = folder / f"{name}-{clip['number']:03d}.mp4"
        for suffix in (".npz", ".mp4"):
            sync(clip["path"].with_suffix(suffix))
            clip["path"].with_suffix(suffix).replace(target.with_suffix(suffix))
        records.append(clip | {"path": f"{folder.name}/{target.name}"})
    sync(folder)
    return records

"""Cut the faces out of one video: where they are is found in a first pass, the pictures are cut in a second.

A clip has one square for all its frames, placed so that it holds the face with a margin throughout: a square that
followed the face would add the jitter of its own placing to the face's motion, which second differences amplify.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facetell.clips import HOLE
from facetell.faces.crop import cut_square, square_matrix
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker, SceneCuts
from facetell.media.pictures import open_video
from facetell.media.writer import VideoWriter
from facetell.types import Box, Face, FacetellError, FloatArray, Frame

MARGIN = 1.7  # the square holds a square of so many face lengths around the face in every frame
LARGEST = 2.6  # face lengths: the square grows no larger when the face moves, a new clip begins
LEAST_FRAMES = 8
LEAST_FACE = 32.0  # pixels; narrower faces are not cut
SHARED = 0.2  # of two faces seen at once for more than this share of a clip, only the larger is a main face

Codec = Literal["h264", "jpeg"]
CODECS: dict[Codec, tuple[str, str, float | None, str, dict[str, str]]] = {
    # Suffix, encoder, crf, pixel format, options. Pictures in between are few, so that a window is reached soon.
    "h264": (".mp4", "libx264", 14.0, "yuv420p", {"preset": "veryfast", "g": "16", "bf": "0", "threads": "1"}),
    "jpeg": (".avi", "mjpeg", None, "yuvj420p", {"qmin": "2", "qmax": "2", "threads": "1"}),
}


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
    faces: Literal["main", "all"] = "main"
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip to be cut: frames ``first`` to ``last`` of a video (by index), one square for all.

    ``points`` is a file with ``landmarks`` (F, 468, 2) in pixels of the video and ``times`` (F,) in seconds: the
    landmarks of long videos do not fit into memory.
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


@dataclass(slots=True)
class _Open:
    """A stretch that still grows."""

    first: int
    times: list[float] = field(default_factory=list)
    landmarks: list[FloatArray] = field(default_factory=list)
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(2, -np.inf))
    shortest: float = math.inf
    lengths: list[float] = field(default_factory=list)

    def takes(self, index: int, time: float, face: Face, seconds: float) -> bool:
        """Whether the face still fits into the clip."""
        if not self.times:
            return True
        low, high, length = _need(face)
        side = float((np.maximum(self.high, high) - np.minimum(self.low, low)).max())
        return (
            index == self.first + len(self.times)
            and time - self.times[-1] <= HOLE
            and time - self.times[0] < seconds
            and side <= LARGEST * min(self.shortest, length)
        )

    def add(self, time: float, face: Face) -> None:
        low, high, length = _need(face)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.shortest = min(self.shortest, length)
        self.times.append(time)
        self.landmarks.append(face.landmarks)
        self.lengths.append(length)


def _need(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Corners of the square that a face needs, and its length."""
    length = max(face.box.width, face.box.height)
    center = np.array(face.box.center)
    return center - MARGIN / 2 * length, center + MARGIN / 2 * length, length


class Locator:
    """Finds faces; made once a process, as its networks take time to load."""

    def __init__(self) -> None:
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def stretches(
        self, path: Path, settings: PrepareSettings, folder: Path, start: float, end: float
    ) -> tuple[list[Stretch], str]:
        """The clips to be cut out of a video from ``start`` to ``end`` seconds, by time, and why there is none.

        Args:
            path: the video.
            settings: how to cut.
            folder: for the files of landmarks.
            start, end: seconds.

        Raises:
            Unreadable: no picture can be had of it.
        """
        tracker = FaceTracker(self._detector, self._mesh, max_faces=8 if settings.faces == "all" else 2)
        cuts = SceneCuts()
        growing: dict[int, _Open] = {}
        found: list[Stretch] = []
        seen = 0

        def close(track: int) -> None:
            stretch = _closed(growing.pop(track), track, settings.size, folder / f"{track}-{len(found)}.npz")
            if stretch is not None:
                found.append(stretch)

        with open_video(path) as reader:
            for raw in reader:
                if raw.time < start or raw.time >= end:
                    continue
                if cuts(raw.luma_thumbnail()):
                    tracker.cut()
                faces = tracker.update(Frame(raw.index, raw.time, raw.rgb()))
                seen += len(faces)
                for track in [track for track in growing if track not in faces]:
                    close(track)
                for track, face in faces.items():
                    if track in growing and not growing[track].takes(raw.index, raw.time, face, settings.seconds):
                        close(track)
                    growing.setdefault(track, _Open(raw.index)).add(raw.time, face)
        for track in list(growing):
            close(track)
        if settings.faces == "main":
            found = _main_faces(found)
        reason = "" if found else "no face was found" if not seen else "faces are seen too briefly or too small"
        return sorted(found, key=lambda stretch: (stretch.first, stretch.track)), reason


def _closed(grown: _Open, track: int, size: int, points: Path) -> Stretch | None:
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


@dataclass(frozen=True, slots=True)
class Cut:
    """A clip that was cut: its file in ``folder``, the face's number, its time in the video in seconds."""

    file: Path
    track: int
    frames: int
    start: float
    end: float


def cut_stretches(path: Path, stretches: list[Stretch], folder: Path, name: str, codec: Codec) -> list[Cut]:
    """Write each stretch as a video and, beside it, its landmarks, times and square.

    Args:
        path: the video; it may be another than the stretches were found in, frame for frame the same.
        stretches: what to cut.
        folder: where to.
        name: begins the names of the files.
        codec: of the clips.

    Raises:
        FacetellError: the video ends before a stretch does.
    """
    suffix, encoder, crf, pix_fmt, options = CODECS[codec]
    cuts = []
    with open_video(path) as reader, ExitStack() as stack:
        fps = reader.info.fps or 25.0
        waiting = list(enumerate(stretches))
        writing: dict[int, VideoWriter] = {}
        last = -1
        for raw in reader:
            last = raw.index
            while waiting and waiting[0][1].first <= raw.index:
                number, stretch = waiting.pop(0)
                writing[number] = stack.enter_context(
                    VideoWriter(
                        folder / f"{name}-{number:03d}{suffix}",
                        fps=fps,
                        width=stretch.size,
                        height=stretch.size,
                        codec=encoder,
                        crf=crf,
                        pix_fmt=pix_fmt,
                        options=options,
                    )
                )
            if not writing:
                if not waiting:
                    break
                continue
            image = raw.rgb()
            for number, writer in list(writing.items()):
                stretch = stretches[number]
                writer.write(cut_square(image, stretch.square, stretch.size))
                if raw.index == stretch.last:
                    writing.pop(number).close()
        if writing or waiting:
            raise FacetellError(f"it ends after {last + 1} pictures, before the face that is to be cut does")
    for number, stretch in enumerate(stretches):
        file = folder / f"{name}-{number:03d}{suffix}"
        start, end = _write_points(file.with_suffix(".npz"), stretch)
        cuts.append(Cut(file, stretch.track, stretch.frames, start, end))
    return cuts


def _write_points(file: Path, stretch: Stretch) -> tuple[float, float]:
    """Landmarks in pixels of the clip; returns its first and last time."""
    matrix = square_matrix(stretch.square, stretch.size)
    with np.load(stretch.points) as located:
        points, times = located["landmarks"], located["times"]
    landmarks = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    with file.open("wb") as stream:
        np.savez(stream, landmarks=landmarks, times=times, square=np.array(stretch.square))
    return float(times[0]), float(times[-1])


def move_to(cut: Cut, folder: Path) -> Iterator[Path]:
    """Move a clip and what lies beside it, each whole or not at all, the pictures last."""
    for file in (cut.file.with_suffix(".npz"), cut.file):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        yield file.replace(folder / file.name)

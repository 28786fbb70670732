"""Clips of the faces in a video, cut as detection cuts them, for looking at and for measuring with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facetell.faces.clips import ClipAssembler, FrameSampler
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.types import Clip, Frame
from facetell.video.reader import VideoReader


def face_clips(
    path: Path | str,
    frames: int,
    size: int,
    *,
    scale: float = 1.35,
    rate: float = 25.0,
    start: float = 0.0,
    clips_per_second: float = 1.0,
) -> Iterator[Clip]:
    """Clips of the largest face of a video, in order of time.

    Args:
        path: the video.
        frames: T, pictures a clip.
        size: side of a cut in pixels.
        scale: side of the square in face lengths.
        rate: pictures a second that the clip should have, as nearly as the video allows.
        start: seconds; what lies before is passed over.
        clips_per_second: how many clips begin in each second.

    Raises:
        FacetellError: the video cannot be read.
    """
    tracker = FaceTracker(FaceDetector(), FaceMesh(), max_faces=1)
    assembler = ClipAssembler(frames, size, scale, 1 / clips_per_second)
    with VideoReader(path) as reader:
        sampler = FrameSampler(reader.info.fps, rate)
        for raw in reader:
            number = sampler.take(raw.time) if raw.time >= start else None
            if number is None:
                continue
            tracker.glance(raw.luma_thumbnail())
            frame = Frame(raw.index, raw.time, raw.rgb())
            yield from assembler.push(number, frame, tracker.update(frame))

"""Clips of the largest face in a video, cropped as in detection, for drawings and for the check of exported files."""

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
    path: Path | str, frames: int, size: int, *, scale: float = 1.35, rate: float = 25.0, start: float = 0.0
) -> Iterator[Clip]:
    """One clip per second of the largest face of a video from ``start`` seconds on, in order of time.

    Args:
        path: the video; raises FacetellError if it cannot be read.
        frames, size: frames per clip and side of a frame in pixels.
        scale: side of the crop in face lengths.
        rate: frames per second of the clip, as nearly as the video allows.
    """
    tracker = FaceTracker(FaceDetector(), FaceMesh(), max_faces=1)
    assembler = ClipAssembler(frames, size, scale)
    with VideoReader(path) as reader:
        sampler = FrameSampler(reader.info.fps, rate)
        for raw in reader:
            number = sampler.take(raw.time) if raw.time >= start else None
            if number is not None:
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                yield from assembler.push(number, frame, tracker.update(frame))

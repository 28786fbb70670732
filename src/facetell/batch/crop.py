"""Crop located faces into clips: video files with their landmarks beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetell.batch.locate import LEAST_FRAMES, Segment
from facetell.faces.crop import crop_matrix
from facetell.files import sync
from facetell.types import Crop, FacetellError, FloatArray, UInt8Array
from facetell.video.reader import VideoInfo
from facetell.video.source import open_video
from facetell.video.writer import VideoWriter

CHECK_EVERY = 25  # frames between two checks that the landmarks are on the face

# Frequent key frames make seeking fast; with several threads the bytes would depend on the machine.
CODING: dict[str, Any] = {
    "codec": "libx264",
    "crf": 15.0,
    "pix_fmt": "yuv420p",
    "options": {"preset": "superfast", "g": "16", "bf": "0", "threads": "1"},
}


@dataclass(frozen=True, slots=True)
class Written:
    """A written clip: its file (with an ``.npz`` beside it), number of frames, first and last time in seconds."""

    file: Path
    frames: int
    start: float
    end: float


Clips = dict[Path, Written]
"""Clips by the ``points`` of their segment."""


class _Clip:
    """A clip that is being written, to a file that ``stack`` closes."""

    def __init__(self, segment: Segment, folder: Path, fps: float | None, stack: ExitStack) -> None:
        with np.load(segment.points) as points:  # closed at once: a film has more clips than files may be open
            self.landmarks, self.times = points["landmarks"], points["times"]
        self.segment, self.written = segment, 0
        file = folder / f"clip-{segment.points.stem}.mp4"
        writer = VideoWriter(file, fps=fps or 25.0, width=segment.size, height=segment.size, **CODING)
        self.writer = stack.enter_context(writer)

    def write(self, part: UInt8Array) -> None:
        """Append the next frame, given its region."""
        self.writer.write(self.segment.region.crop(part, self.segment.square, self.segment.size))
        self.written += 1

    def finish(self) -> Written:
        """Close the video, and write its landmarks (in pixels of the clip), times and square beside it."""
        self.writer.close()
        segment, file = self.segment, self.writer.path
        times = self.times[: self.written]
        matrix = crop_matrix(Crop.of_square(segment.square), segment.size)
        landmarks = (self.landmarks[: self.written] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        np.savez(file.with_suffix(".npz"), landmarks=landmarks, times=times, square=np.array(segment.square))
        return Written(file, self.written, float(times[0]), float(times[-1]))


def write_kept(segment: Segment, parts: Sequence[UInt8Array], fps: float | None, folder: Path) -> Written:
    """Write a segment from its region of each frame."""
    with ExitStack() as stack:
        clip = _Clip(segment, folder, fps, stack)
        for part in parts:
            clip.write(part)
        return clip.finish()


def crop_segments(
    path: Path,
    segments: Sequence[Segment],
    folder: Path,
    look: Callable[[UInt8Array, FloatArray], None] = lambda image, landmarks: None,
    image_rate: float | None = None,
    like: VideoInfo | None = None,
) -> Clips:
    """Write each segment as a video, with its landmarks, times and square beside it.

    If the video ends within a segment, the clip ends there; with too few frames it is left out. ``segments`` are sorted
    by first frame. They may be those of another video that is the same frame for frame; ``like`` is the information on
    it. ``look`` is called every few frames with the frame (H, W, 3) and the landmarks (468, 2) of the segment.

    Raises:
        FacetellError: the video differs from that one in size or frame rate, or is damaged or lacks frames.
    """
    waiting: list[Segment] = list(segments)
    clips: Clips = {}
    writing: list[_Clip] = []
    with ExitStack() as stack:
        reader = stack.enter_context(open_video(path, threads=1, image_rate=image_rate))
        if like is not None:
            _check_like(reader.info, like)
        for raw in reader:
            while waiting and waiting[0].first <= raw.index:
                writing.append(_Clip(waiting.pop(0), folder, reader.info.fps, stack))
            if not writing:
                if not waiting:
                    break
                continue
            image = raw.rgb()
            for clip in list(writing):
                if clip.written % CHECK_EVERY == 0:
                    look(image, clip.landmarks[clip.written])
                clip.write(clip.segment.region.read(image))
                if raw.index >= clip.segment.last:
                    clips[clip.segment.points] = clip.finish()
                    writing.remove(clip)
        clips |= {clip.segment.points: clip.finish() for clip in writing if clip.written >= LEAST_FRAMES}
        if like is not None and reader.damage:
            raise FacetellError(reader.damage[0])
        return clips


def _check_like(a: VideoInfo, b: VideoInfo) -> None:
    if (a.width, a.height) != (b.width, b.height):
        raise FacetellError(f"its frames are {a.width}x{a.height}, not {b.width}x{b.height}")
    if abs((a.fps or 0) - (b.fps or 0)) > 0.01 * (b.fps or 1):
        raise FacetellError(f"it has {a.fps or 0:.5g} frames per second, not {b.fps or 0:.5g}")


def move_clips(
    clips: Mapping[Path, Written], segments: Sequence[Segment], folder: Path, name: str
) -> list[dict[str, Any]]:
    """Move clips to ``folder`` under the names ``NAME-NNN``, complete and on disk; returns a record of each clip."""
    records = []
    for number, segment in enumerate(segments):
        if clip := clips.get(segment.points):
            target = folder / f"{name}-{number:03d}.mp4"
            for suffix in (".npz", target.suffix):
                sync(clip.file.with_suffix(suffix))
                clip.file.with_suffix(suffix).replace(target.with_suffix(suffix))
            where = {"path": f"{folder.name}/{target.name}", "number": number, "track": segment.track}
            records.append(where | {"frames": clip.frames, "start": clip.start, "end": clip.end})
    sync(folder)
    return records

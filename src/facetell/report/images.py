"""The images of a report, cropped in a second pass over the video, since the verdict decides which are needed.

The second pass needs no memory that grows with the video, and crops the same pixels that the model was given: the same
frames, by the same region and function.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import av
import cv2
import numpy as np

from facetell.detector import Progress
from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.faces.crop import crop_frame
from facetell.report import strings
from facetell.report.chart import ranked, shown_clips
from facetell.types import ClipScore, Crop, Status, TrackVerdict, UInt8Array, VideoVerdict
from facetell.video.reader import Unreadable
from facetell.video.source import VideoSource, content_sha256, open_video

THUMBNAIL = 112  # pixels, side of a face
SCENE = 480  # pixels, long side of a whole frame
JPEG_QUALITY = 82
SEGMENT_FRAMES = 8  # frames of a segment that are shown
_TOLERANCE = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """How many images a video of a report may have."""

    faces: int = 6  # with images, those with the highest estimates first
    moments: int = 96  # images over time, of all faces together
    segments: int = 3  # highest-scoring clips per face that are shown frame by frame
    heat: bool = True  # whether there is an irregular-motion map

    @classmethod
    def of(cls, videos: int) -> Budget:
        """The budget of each of so many videos: a report is below 3 MB for one video, some 20 MB for a thousand."""
        if videos <= 3:
            return cls()
        return cls(4, 36, 1) if videos <= 20 else cls(1, 4, 0, heat=False)


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG image and its size in pixels."""

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The image as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")

    @classmethod
    def of(cls, pixels: UInt8Array) -> Image:
        """Encode uint8 RGB (H, W, 3)."""
        _, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return cls(data.tobytes(), pixels.shape[1], pixels.shape[0])


@dataclass(slots=True)
class TrackImages:
    """The images of one face: the frame with the face marked; by index of the clip, its middle and its frames."""

    scene: Image | None = None
    moments: dict[int, Image] = field(default_factory=dict)
    segments: dict[int, list[Image]] = field(default_factory=dict)


@dataclass(slots=True)
class VideoImages:
    """The images of one video.

    ``tracks`` by track id; ``worst`` is the highest-scoring clip as the model was given it, uint8 RGB (T, S, S, 3);
    ``note`` says why images are missing.
    """

    tracks: dict[int, TrackImages] = field(default_factory=dict)
    worst: UInt8Array | None = None
    note: str = ""


@dataclass(slots=True)
class _Wanted:
    """A clip to crop: its middle (``moment``), all its frames (``segment``, ``worst``), the whole frame (``scene``)."""

    track_id: int
    index: int
    clip: ClipScore
    moment: bool
    segment: bool
    scene: bool
    worst: bool
    frames: list[UInt8Array] = field(default_factory=list)
    past_middle: bool = False

    def take(self, image: UInt8Array, time: float, size: int, found: TrackImages) -> None:
        """Crop what is needed of a frame within the clip."""
        if self.segment or self.worst:
            self.frames.append(crop_frame(image, self.clip.crop, size))
        if self.past_middle or time + _TOLERANCE < (self.clip.t0 + self.clip.t1) / 2:
            return
        self.past_middle = True
        if self.moment:
            found.moments[self.index] = Image.of(crop_frame(image, self.clip.crop, THUMBNAIL))
        if self.scene:
            found.scene = Image.of(_scene(image, self.clip.crop))

    def segment_images(self) -> list[Image]:
        """At most :data:`SEGMENT_FRAMES` of the frames, evenly spread, small."""
        shown = np.linspace(0, len(self.frames) - 1, min(SEGMENT_FRAMES, len(self.frames))).round().astype(int)
        small = (cv2.resize(self.frames[i], (THUMBNAIL,) * 2, interpolation=cv2.INTER_AREA) for i in shown)
        return [Image.of(cast(UInt8Array, face)) for face in small]


def by_estimate(tracks: Iterable[TrackVerdict]) -> list[TrackVerdict]:
    """The scored tracks, those with the highest estimate first."""
    scored = [track for track in tracks if track.status is Status.SCORED]
    return sorted(scored, key=lambda track: (-(track.probability or 0.0), track.track_id))


def collect_images(
    verdict: VideoVerdict, info: ModelInfo, budget: Budget, progress: Progress | None = None, rate: float | None = None
) -> VideoImages:
    """The images of a video; a note instead where the file has changed or cannot be read any more.

    ``info`` is of the model that scored it; ``rate`` the frame rate at which a folder of images was scored.
    ``progress`` is called with (seconds done, seconds in all or None) as the video is read.
    """
    wanted = _wanted(verdict, budget)
    if not wanted:
        return VideoImages()
    found = VideoImages({clip.track_id: TrackImages() for clip in wanted})
    try:
        with open_video(verdict.path, image_rate=rate) as reader:
            if content_sha256(reader.path) != verdict.sha256:
                return VideoImages(note=strings.FILE_CHANGED)
            _cut(reader, wanted, info, progress, found)
    except (Unreadable, OSError, av.FFmpegError, ValueError, LookupError):
        return VideoImages(note=strings.FILE_GONE)
    for clip in wanted:
        if clip.segment and clip.frames:
            found.tracks[clip.track_id].segments[clip.index] = clip.segment_images()
        if clip.worst and clip.frames:
            found.worst = np.stack(clip.frames)
    return found


def _wanted(verdict: VideoVerdict, budget: Budget) -> list[_Wanted]:
    """The clips to crop, in order of time. The highest-scoring clip of all may be of a face without other images."""
    shown, worst = by_estimate(verdict.tracks)[: budget.faces], verdict.most_suspect
    wanted = []
    for track in verdict.tracks:
        order = ranked(track) if track in shown else []
        segments = set(order[: budget.segments])
        moments = {*order[:1]} | segments
        if order:
            moments |= _spread(shown_clips(track), budget.moments // len(shown))
        for index, clip in enumerate(track.clips):
            flags = (index in moments, index in segments, index in order[:1], clip is worst)
            if any(flags):
                wanted.append(_Wanted(track.track_id, index, clip, *flags))
    return sorted(wanted, key=lambda clip: (clip.clip.t0, clip.track_id))


def _spread(indices: list[int], count: int) -> set[int]:
    """At most ``count`` of the indices, evenly spread from the first to the last."""
    if len(indices) <= count:
        return set(indices)
    return {indices[round(place)] for place in np.linspace(0, len(indices) - 1, count)}


def _cut(
    reader: VideoSource, wanted: list[_Wanted], info: ModelInfo, progress: Progress | None, found: VideoImages
) -> None:
    """Read the video once, to the end of the last clip that is wanted."""
    sampler = FrameSampler(reader.info.fps, info.frame_rate)
    waiting, current = list(reversed(wanted)), list[_Wanted]()
    for raw in reader:
        if progress:
            progress(raw.time, reader.duration)
        if sampler.take(raw.time) is None:
            continue
        while waiting and waiting[-1].clip.t0 <= raw.time + _TOLERANCE:
            current.append(waiting.pop())
        current = [clip for clip in current if raw.time <= clip.clip.t1 + _TOLERANCE]
        if current:
            image = raw.rgb()
            for clip in current:
                clip.take(image, raw.time, info.size, found.tracks[clip.track_id])
        elif not waiting:
            break


def _scene(image: UInt8Array, crop: Crop) -> UInt8Array:
    """The whole frame, reduced, with the outline of the crop in white on black, which is visible on any colour."""
    scale = min(1.0, SCENE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    corners = np.round(np.array(crop.corners) * scale).astype(np.int32)
    for colour, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.polylines(small, [corners], True, colour, width)
    return cast(UInt8Array, small)

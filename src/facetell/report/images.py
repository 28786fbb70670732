"""The images of a report, cropped in a second pass over the video, since the verdict decides which are needed.

They show what the model was given, but for the area beyond the frame, where that is the repeated edge: it is hatched.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.detector import Progress
from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.faces.crop import crop_frame, crop_matrix
from facetell.report.chart import ranked
from facetell.types import N_, ClipScore, Crop, TrackVerdict, UInt8Array, VideoVerdict
from facetell.video.reader import Unreadable
from facetell.video.source import VideoSource, content_sha256, open_video

THUMBNAIL, LARGE = 112, 320  # pixels, side of a face
SCENE = 480  # pixels, long side of a whole frame
JPEG_QUALITY = 82
SEGMENT_FRAMES = 8  # frames of a segment that are shown
FILE_CHANGED = N_("There are no images: the file has changed since it was scored.")
FILE_GONE = N_("There are no images: the file could not be read when this report was written.")
_TOLERANCE = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """How many images a video of a report may have."""

    faces: int = 6  # with images, those with the highest estimates first
    moments: int = 96  # images over time, of all faces together
    segments: int = 3  # highest-scoring clips per face that are shown frame by frame
    regions: int = 3  # faces whose regions are scored in their highest-scoring clip

    @classmethod
    def of(cls, videos: int) -> Budget:
        """The budget of each of so many videos: a report is below 3 MB for one video, some 20 MB for a thousand."""
        return cls() if videos <= 3 else cls(4, 36, 1, 1) if videos <= 20 else cls(1, 4, 0, 0)


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG image as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int

    @classmethod
    def of(cls, pixels: UInt8Array) -> Image:
        """Encode uint8 RGB (H, W, 3)."""
        _, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        text = base64.b64encode(data.tobytes()).decode("ascii")
        return cls(f"data:image/jpeg;base64,{text}", pixels.shape[1], pixels.shape[0])


@dataclass(slots=True)
class ClipImages:
    """The images of one clip: the face in its middle, the whole frame then, all frames as the model was given them.

    ``large``, a larger face, needs both wishes; ``beyond``: the crop extends beyond the frame; ``inside``: its pixels.
    """

    clip: ClipScore
    wants_scene: bool
    wants_frames: bool
    face: Image | None = None
    scene: Image | None = None
    large: Image | None = None
    beyond: bool = False
    frames: list[UInt8Array] = field(default_factory=list)
    inside: NDArray[np.bool_] | None = None

    def take(self, image: UInt8Array, time: float, size: int) -> None:
        """Crop what is needed of a frame within the clip."""
        if self.wants_frames:
            self.frames.append(crop_frame(image, self.clip.crop, size))
            self.inside = _inside(image, self.clip.crop, size)
        if self.face is None and time + _TOLERANCE >= (self.clip.t0 + self.clip.t1) / 2:
            crop = self.clip.crop
            self.face = Image.of(shown_crop(image, crop, THUMBNAIL))
            self.beyond = not _inside(image, crop, THUMBNAIL).all()
            if self.wants_scene:
                self.large = Image.of(shown_crop(image, crop, LARGE)) if self.wants_frames else None
                self.scene = Image.of(_scene(image, crop))

    @property
    def segment(self) -> list[Image]:
        """At most :data:`SEGMENT_FRAMES` of the frames, evenly spread, small."""
        shown = np.linspace(0, len(self.frames) - 1, min(SEGMENT_FRAMES, len(self.frames))).round().astype(int)
        images = (_hatched(self.frames[i], cast(NDArray[np.bool_], self.inside)) for i in shown)
        small = (cv2.resize(image, (THUMBNAIL,) * 2, interpolation=cv2.INTER_AREA) for image in images)
        return [Image.of(cast(UInt8Array, face)) for face in small]


TrackImages = dict[int, ClipImages]  # by index of the clip


def collect_images(
    verdict: VideoVerdict, info: ModelInfo, budget: Budget, progress: Progress | None = None, rate: float | None = None
) -> tuple[dict[int, TrackImages], str]:
    """The images of a video by track id, and a note that says why there are none where the file has changed or is gone.

    ``info`` is of the model that scored it, ``rate`` that of a folder of images, ``progress`` as of a detector.
    """
    shown = verdict.ranked[: budget.faces]
    images = {track.track_id: _wanted(track, budget, len(shown)) for track in shown}
    if not images:
        return {}, ""
    waiting = sorted((clip for track in images.values() for clip in track.values()), key=lambda c: -c.clip.t0)
    try:
        with open_video(verdict.path, image_rate=rate) as reader:
            if content_sha256(reader.path) != verdict.sha256:
                return {}, FILE_CHANGED
            _crop(reader, waiting, info, progress)
    except (Unreadable, OSError, av.FFmpegError, ValueError, LookupError):
        return {}, FILE_GONE
    # A clip without a frame: the file reads differently than when it was scored.
    return {number: {i: c for i, c in track.items() if c.face} for number, track in images.items()}, ""


def _wanted(track: TrackVerdict, budget: Budget, faces: int) -> TrackImages:
    """The clips of a track to crop."""
    order, clips = ranked(track), len(track.clips)
    spread = {round(place) for place in np.linspace(0, clips - 1, min(budget.moments // faces, clips))}
    segments = set(order[: budget.segments])
    return {i: ClipImages(track.clips[i], i == order[0], i in segments) for i in {order[0]} | segments | spread}


def _crop(reader: VideoSource, waiting: list[ClipImages], info: ModelInfo, progress: Progress | None) -> None:
    """Read the video once, to the end of the last of the clips, which are ordered from the last to the first."""
    sampler = FrameSampler(reader.info.fps, info.frame_rate)
    current: list[ClipImages] = []
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
                clip.take(image, raw.time, info.size)
        elif not waiting:
            break


def shown_crop(image: UInt8Array, crop: Crop, size: int) -> UInt8Array:
    """The crop of the network's input, uint8 (size, size, 3), with grey stripes where it is outside the frame."""
    return _hatched(crop_frame(image, crop, size), _inside(image, crop, size))


def _hatched(cropped: UInt8Array, inside: NDArray[np.bool_]) -> UInt8Array:
    rows, columns = np.indices(inside.shape)
    stripes = np.where((rows + columns) * 16 // len(inside) % 2, 150, 190).astype(np.uint8)
    return np.where(inside[:, :, None], cropped, stripes[:, :, None])


def _inside(image: UInt8Array, crop: Crop, size: int) -> NDArray[np.bool_]:
    """Which pixels of a crop, (size, size), are inside the frame."""
    frame = np.ones(image.shape[:2], np.uint8)
    return cv2.warpAffine(frame, crop_matrix(crop, size), (size, size), flags=cv2.INTER_NEAREST).astype(bool)


def _scene(image: UInt8Array, crop: Crop) -> UInt8Array:
    """The whole frame, reduced, with the outline of the crop in white on black, which is visible on any colour."""
    scale = min(1.0, SCENE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    corners = np.round(np.array(crop.corners) * scale).astype(np.int32)
    for colour, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.polylines(small, [corners], True, colour, width)
    return cast(UInt8Array, small)

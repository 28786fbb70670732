"""The pictures of a report, cut in a second pass over the video: the verdict says which are needed and where.

A second pass needs no memory that grows with the video, leaves scoring alone, and cuts the very pixels that the model
was given: the same frames, under the same square, by the same function.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import cv2
import numpy as np

from facetell.detector import Progress
from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.faces.crop import crop_frame
from facetell.report import strings
from facetell.report.points import shown_points, suspects
from facetell.types import ClipScore, Crop, Status, TrackVerdict, UInt8Array, VideoVerdict
from facetell.video.reader import Unreadable
from facetell.video.source import VideoSource, content_sha256, open_video

THUMB = 112  # pixels, side of a face in strips
SCENE = 480  # pixels, long side of a whole picture
QUALITY = 82  # of JPEG
SEQUENCE = 8  # pictures of a segment that are shown
_GRACE = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """How many pictures a video of a report may have.

    Attributes:
        faces: faces that are shown with pictures, the most suspect first.
        moments: pictures over time, of all faces together.
        segments: most suspect clips a face that are shown frame by frame.
        heat: whether there is a map of second differences.
    """

    faces: int = 6
    moments: int = 96
    segments: int = 3
    heat: bool = True

    @classmethod
    def of(cls, videos: int) -> Budget:
        """What keeps a report of so many videos small: below 3 MB for one, some 20 MB for a thousand."""
        if videos <= 3:
            return cls()
        return cls(4, 36, 1) if videos <= 20 else cls(1, 4, 0, heat=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG and its size in pixels."""

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")

    @classmethod
    def of(cls, image: UInt8Array) -> Picture:
        """Encode uint8 RGB (H, W, 3)."""
        _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return cls(data.tobytes(), image.shape[1], image.shape[0])


@dataclass(slots=True)
class TrackPictures:
    """The pictures of one face: ``scene`` with the face marked, and by index of the clip ``moments``, ``segments``."""

    scene: Picture | None = None
    moments: dict[int, Picture] = field(default_factory=dict)
    segments: dict[int, list[Picture]] = field(default_factory=dict)


@dataclass(slots=True)
class VideoPictures:
    """The pictures of one video.

    ``tracks`` by track number, ``worst`` the most suspect clip as the model saw it, uint8 RGB (T, S, S, 3), ``note``
    why there are none where there should be some.
    """

    tracks: dict[int, TrackPictures] = field(default_factory=dict)
    worst: UInt8Array | None = None
    note: str = ""


@dataclass(slots=True)
class _Want:
    """A clip of which something is to be cut."""

    track_id: int
    index: int
    clip: ClipScore
    moment: bool
    segment: bool
    worst: bool
    scene: bool
    frames: list[UInt8Array] = field(default_factory=list)
    middle: UInt8Array | None = None
    whole: UInt8Array | None = None


def by_suspicion(tracks: Iterable[TrackVerdict]) -> list[TrackVerdict]:
    """The scored tracks, the most suspect first."""
    scored = [track for track in tracks if track.status is Status.SCORED]
    return sorted(scored, key=lambda track: (-(track.probability or 0.0), track.track_id))


def collect_pictures(
    verdict: VideoVerdict, info: ModelInfo, budget: Budget, progress: Progress | None = None, rate: float | None = None
) -> VideoPictures:
    """Cut what a report shows of a video; a file that has changed or gone since gives a note instead of pictures.

    Args:
        verdict: of the video, scored by the model that ``info`` describes.
        info: says at which rate and size clips were cut.
        budget: how many pictures.
        progress: called with (seconds done, seconds in all or None) as the video is read.
        rate: frames per second of a folder of images, as it was scored.
    """
    wants = _wants(verdict, budget)
    found = VideoPictures()
    if not wants:
        return found
    try:
        with open_video(verdict.path, image_rate=rate) as reader:
            if content_sha256(reader.path) != verdict.sha256:
                return VideoPictures(note=strings.FILE_CHANGED)
            _cut(reader, wants, info, progress)
    except (Unreadable, OSError):
        return VideoPictures(note=strings.FILE_GONE)
    for want in wants:
        _keep(want, found)
    return found


def _wants(verdict: VideoVerdict, budget: Budget) -> list[_Want]:
    """What is to be cut, in order of time."""
    tracks = by_suspicion(verdict.tracks)[: max(budget.faces, 1)]
    share = budget.moments // len(tracks) if tracks else 0
    worst = verdict.most_suspect
    wants = []
    for track in verdict.tracks:
        # The most suspect clip may be of a face whose mean is not among the highest.
        if worst in track.clips and track not in tracks:
            index = track.clips.index(worst)
            wants.append(_Want(track.track_id, index, track.clips[index], False, False, True, False))
    for track in tracks:
        segments = set(suspects(track)[: budget.segments])
        first = suspects(track)[0]
        moments = _spread(shown_points(track), share) | {first} | segments if budget.faces else set()
        for index, clip in enumerate(track.clips):
            is_worst = clip is worst
            if index in moments or is_worst:
                scene = index == first and budget.faces > 0
                wants.append(_Want(track.track_id, index, clip, index in moments, index in segments, is_worst, scene))
    return sorted(wants, key=lambda want: (want.clip.t0, want.track_id))


def _spread(indices: list[int], count: int) -> set[int]:
    """At most ``count`` of the indices, evenly spread from the first to the last."""
    if len(indices) <= count:
        return set(indices)
    return {indices[round(place)] for place in np.linspace(0, len(indices) - 1, count)} if count else set()


def _cut(reader: VideoSource, wants: list[_Want], info: ModelInfo, progress: Progress | None) -> None:
    """Read the video once, no further than the last clip that is wanted."""
    sampler = FrameSampler(reader.info.fps, info.frame_rate)
    waiting, open_wants = list(reversed(wants)), list[_Want]()
    for raw in reader:
        if progress:
            progress(raw.time, reader.duration)
        if sampler.take(raw.time) is None:
            continue
        while waiting and waiting[-1].clip.t0 <= raw.time + _GRACE:
            open_wants.append(waiting.pop())
        open_wants = [want for want in open_wants if raw.time <= want.clip.t1 + _GRACE]
        if open_wants:
            image = raw.rgb()
            for want in open_wants:
                _take(want, image, raw.time, info.size)
        elif not waiting:
            break


def _take(want: _Want, image: UInt8Array, time: float, size: int) -> None:
    clip = want.clip
    if want.segment or want.worst:
        want.frames.append(crop_frame(image, clip.crop, size))
    if want.middle is None and time + _GRACE >= (clip.t0 + clip.t1) / 2:
        want.middle = crop_frame(image, clip.crop, THUMB)
        if want.scene:
            want.whole = _scene(image, clip.crop)


def _keep(want: _Want, found: VideoPictures) -> None:
    """Encode what was cut for a clip; the uncompressed frames are let go."""
    pictures = found.tracks.setdefault(want.track_id, TrackPictures())
    if want.moment and want.middle is not None:
        pictures.moments[want.index] = Picture.of(want.middle)
    if want.segment and want.frames:
        places = np.linspace(0, len(want.frames) - 1, min(SEQUENCE, len(want.frames))).round().astype(int)
        pictures.segments[want.index] = [Picture.of(_small(want.frames[place])) for place in places]
    if want.whole is not None:
        pictures.scene = Picture.of(want.whole)
    if want.worst and want.frames:
        found.worst = np.stack(want.frames)


def _small(face: UInt8Array) -> UInt8Array:
    return cast(UInt8Array, cv2.resize(face, (THUMB, THUMB), interpolation=cv2.INTER_AREA))


def _scene(image: UInt8Array, crop: Crop) -> UInt8Array:
    """The whole frame made small, the outline of the crop drawn in white on black, which is visible everywhere."""
    scale = min(1.0, SCENE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    corners = np.round(np.array(crop.corners) * scale).astype(np.int32)
    for colour, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.polylines(small, [corners], True, colour, width)
    return cast(UInt8Array, small)

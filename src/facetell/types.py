"""Data types shared by all packages, and the error type of facetell.

Images are uint8 RGB (H, W, 3). Boxes are ``(x0, y0, x1, y1)`` in pixels of the upright frame. Times are seconds from
the first frame of the video. Probabilities are those of "forged", in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


def N_(message: str) -> str:
    """The message, unchanged: its template is for the message catalogues (:mod:`facetell.report.language`)."""
    return message


class FacetellError(Exception):
    """An error that the user can fix. The message is one line: what, where, and what to do."""


def needs_extra(what: str, extra: str) -> FacetellError:
    """The error that ``what`` needs an optional extra of the package."""
    return FacetellError(
        f"{what} needs packages that are not installed; get them in facetell's folder with `pip install '.[{extra}]'`"
    )


def describe(error: BaseException) -> str:
    """The message of an error; of errors that are not facetell's own, its first line after the name of their type."""
    if isinstance(error, FacetellError):
        return str(error)
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def why_failed(error: Exception, path: str) -> str:
    """:func:`describe`; ``path`` is named where the error is not facetell's own."""
    reason = describe(error)
    unexpected = N_(f"{path} cannot be scored ({reason}): it may be damaged; convert it, or get the file again")
    return reason if isinstance(error, FacetellError) else unexpected


def check_whole(what: str, value: object, least: int) -> None:
    """Raise FacetellError unless ``value`` is an ``int`` of at least ``least``."""
    if type(value) is not int or value < least:
        raise FacetellError(f"{what} is a whole number of at least {least}, not {value!r}")


class Box(NamedTuple):
    """Axis-aligned box in pixels of the upright frame; ``x1`` and ``y1`` are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def center(self) -> tuple[float, float]:
        """Centre ``(x, y)`` in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


class Pose(NamedTuple):
    """The smallest box around a face mesh along the face's own axes: centre, ear to ear, forehead to chin, in pixels.

    ``roll`` is the in-plane rotation in radians in (-pi, pi], positive = clockwise, 0 = upright.
    """

    x: float
    y: float
    width: float
    height: float
    roll: float

    @property
    def length(self) -> float:
        """The longer side in pixels."""
        return max(self.width, self.height)


class Crop(NamedTuple):
    """Square region of a frame: centre ``x``, ``y`` and ``side`` in pixels, rotated clockwise by ``roll`` radians."""

    x: float
    y: float
    side: float
    roll: float = 0.0

    @classmethod
    def of_square(cls, box: Box) -> Crop:
        """The region of an axis-aligned square box."""
        return cls(*box.center, box.width)

    @property
    def square(self) -> Box:
        """The region before its rotation about the centre."""
        half = self.side / 2
        return Box(self.x - half, self.y - half, self.x + half, self.y + half)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """``(x, y)`` of the four corners, clockwise from the upper left of the face."""
        cos, sin = math.cos(self.roll) * self.side / 2, math.sin(self.roll) * self.side / 2
        along, down = (cos, sin), (-sin, cos)
        return tuple(
            (self.x + a * along[0] + b * down[0], self.y + a * along[1] + b * down[1])
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded, upright frame: its ``index`` in order of time, ``time`` in seconds, uint8 RGB (H, W, 3)."""

    index: int
    time: float
    image: UInt8Array


@dataclass(frozen=True, slots=True)
class Face:
    """A face in one frame.

    ``landmarks`` is the face mesh, float32 (468, 2) in pixels; ``box`` and ``pose`` are its bounding boxes along the
    axes of the frame and of the face. ``presence`` in [0, 1] is the confidence of the mesh network.
    """

    box: Box
    pose: Pose
    landmarks: FloatArray
    presence: float


@dataclass(frozen=True, slots=True)
class Clip:
    """``T`` consecutive frames of one face, cropped by one region.

    ``frames`` is uint8 RGB (T, S, S, 3); ``times`` has T entries in seconds; ``crop`` is the region of the frame;
    ``face_width`` is the median width of the face mesh in pixels of the frame.
    """

    track_id: int
    times: tuple[float, ...]
    frames: UInt8Array
    crop: Crop
    face_width: float


class Status(StrEnum):
    """Outcome for a video or a track. All but ``SCORED`` are abstentions and carry no probability."""

    SCORED = "scored"
    NO_FACE = "no_face"
    TOO_SHORT = "too_short"
    FACE_TOO_SMALL = "face_too_small"
    FACE_OBSCURED = "face_obscured"
    NO_MOTION = "no_motion"
    DAMAGED = "damaged"
    NOT_CONSECUTIVE = "not_consecutive"
    UNREADABLE = "unreadable"


NOT_READ = frozenset({Status.NOT_CONSECUTIVE, Status.UNREADABLE})
"""Statuses of videos in which no face was searched for."""


class Verdict(StrEnum):
    """Decision from a probability, its interval and the threshold; ``NONE`` where there is no score."""

    FORGED = "forged"
    GENUINE = "genuine"
    INCONCLUSIVE = "inconclusive"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ClipScore:
    """Score of one clip: times in seconds, ``logit`` (positive = forged), ``probability`` and region of the frame.

    The calibration is that of the mean logit of a video: for a single clip, ``probability`` is overconfident.
    """

    t0: float
    t1: float
    logit: float
    probability: float
    crop: Crop


@dataclass(frozen=True, slots=True)
class RegionScore:
    """Score of a region of the face in a clip (:func:`facetell.faces.regions.region_logits`)."""

    region: str
    logit: float
    probability: float


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """Result for one face: its time range in seconds, median mesh width in pixels, and score.

    ``clips`` are the scored ones, evenly chosen from ``clips_seen``, which is 0 where the face is not scored.
    ``regions`` are scores of the clip with the highest logit; empty where they are not measured.
    """

    track_id: int
    status: Status
    probability: float | None
    interval: tuple[float, float] | None
    logit: float | None
    t0: float
    t1: float
    face_width: float
    clips: tuple[ClipScore, ...] = ()
    clips_seen: int = 0
    regions: tuple[RegionScore, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """Result for one video.

    ``probability`` and ``interval`` are those of the track that decides: the one with the highest probability or, if
    that one is noisy or blurred, one that is forged by itself. ``threshold`` is the minimum probability for "forged",
    corrected for ``threshold_faces`` faces. All are None unless ``status`` is ``scored``. ``message`` is the reason for
    an abstention; ``warnings`` are the caveats of a score. ``file`` is what
    :func:`facetell.video.metadata.read_facts` finds.
    """

    path: str
    status: Status
    verdict: Verdict
    probability: float | None
    interval: tuple[float, float] | None
    tracks: tuple[TrackVerdict, ...] = ()
    message: str = ""
    warnings: tuple[str, ...] = ()
    threshold: float | None = None
    threshold_faces: int = 1
    sha256: str | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    seconds_spent: float = 0.0
    file: dict[str, Any] | None = None
    provenance: dict[str, object] = field(default_factory=dict)

    @property
    def has_no_frame(self) -> bool:
        """Whether no frame could be read."""
        return self.status is Status.UNREADABLE or (self.status is Status.DAMAGED and not self.width)

    @property
    def ranked(self) -> list[TrackVerdict]:
        """The scored tracks: the one that decides, then those with the highest probability first."""
        scored = [track for track in self.tracks if track.status is Status.SCORED]
        own = self.probability, self.interval
        return sorted(scored, key=lambda t: ((t.probability, t.interval) != own, -(t.probability or 0), t.track_id))

    @property
    def most_suspect(self) -> ClipScore | None:
        """The clip with the highest logit of the track that decides; None where nothing was scored."""
        return max((clip for track in self.ranked[:1] for clip in track.clips), key=lambda c: c.logit, default=None)

"""From tracked faces to clips: T consecutive frames at the model's frame rate, one crop each.

**Frame rate.** Second differences see uneven time as motion, so frames are never repeated or dropped at uneven places
to hit a rate exactly. The step is the whole multiple of the source's own frame interval nearest to the model's: for a
model of 25 frames per second 24, 25 and 30 fps are taken as they are, of 50 and 60 fps every second frame, of 240 fps
every tenth. Where a file's rate changes on the way, the step follows within a few pictures, and a clip begun before is
given up.

**Cover.** Time is divided into periods (one second by default); each track gives one clip a period, the first whole one
that holds no jump cut. Frames that no clip needs are not even converted to RGB.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.faces.crop import clip_crop, crop_frame
from facetell.types import Clip, Crop, Frame, Pose, UInt8Array

LATE = 1.75  # steps: a frame that comes later than this after the one before makes time uneven
HOLE = 0.12  # seconds: a pause that is also longer than this is a hole, and a clip must not reach across it
MAX_JUMP = 0.5  # face lengths the face may move in one step: beyond it is a jump cut, not a motion
RATE_WINDOW = 8  # pictures whose median interval tells that the source's rate has changed
RATE_CHANGE = 1.3  # by more than this factor
# A jump cut on one speaker leaves the face where it was; but what lies around it (hair, clothes, the room) changes once
# and by far more than between any two other frames. Measured on 3015 clips of 208 videos: 14 are said to hold a cut,
# and most do; of cuts made between two moments of one calm shot a second apart, the hardest ones, 62 % are found.
CUT = 2.5  # times the next largest change of the clip
CUT_LEVEL = 4.0  # grey levels, on average: key pictures of hard compression change a still room by less
_CELLS = 40  # side of the small pictures that are compared


class Located(Protocol):
    """A face with a known place in a frame: from a tracker, or from a record."""

    @property
    def pose(self) -> Pose:
        """Place, size and roll of the face mesh."""


def whole_step(interval: float, rate: float) -> int:
    """Frames of a source from one that is taken to the next, 1 and more.

    Args:
        interval: seconds from frame to frame of the source, > 0.
        rate: frame rate of the model in frames per second, > 0.

    >>> [whole_step(1 / fps, 12.5) for fps in (15, 24, 30, 60)]
    [1, 2, 2, 5]
    """
    return max(1, round(1 / (interval * rate)))


class FrameSampler:
    """Chooses the frames that a model of ``rate`` frames per second is to see.

    Args:
        fps: frame rate of the source in frames per second; None if unknown: it is learned from the first pictures.
        rate: frame rate the model was trained at, > 0.
    """

    def __init__(self, fps: float | None, rate: float) -> None:
        self._rate = rate
        self._interval: float | None = None  # of the source
        self.step, self._earliest = 1 / rate, 0.75 / rate
        if fps:
            self._set_interval(1 / fps)
        self._recent: deque[float] = deque(maxlen=RATE_WINDOW)
        self._previous = self._last = -math.inf  # the last picture that came, and the last that was taken
        self._number = 0
        self._late = 0

    @property
    def uneven(self) -> float:
        """Share of the frames taken so far that came late: of dropped frames and variable frame rates."""
        return self._late / max(self._number, 1)

    def take(self, time: float) -> int | None:
        """The frame's running number if it is to be taken, else None; a number is skipped where no clip may go on."""
        self._number += self._follow_rate(time)
        elapsed = time - self._last
        if elapsed < self._earliest:
            return None
        if LATE * self.step < elapsed < math.inf:
            self._late += 1
            if elapsed > HOLE:
                self._number += 1
        self._number += 1
        self._last = time
        return self._number

    def _follow_rate(self, time: float) -> bool:
        """Whether the source has another rate than before; the step is then that of the new one."""
        if self._previous > -math.inf:
            self._recent.append(time - self._previous)
        self._previous = time
        if len(self._recent) < RATE_WINDOW:
            return False
        interval = statistics.median(self._recent)
        known = self._interval
        if known is not None and 1 / RATE_CHANGE < interval / known < RATE_CHANGE:
            return False
        step = self.step
        self._set_interval(interval)
        return not math.isclose(step, self.step, rel_tol=0.1)

    def _set_interval(self, interval: float) -> None:
        multiple = whole_step(interval, self._rate)
        self._interval, self.step = interval, multiple * interval
        # Half a source frame of grace: timestamps are rounded and jitter.
        self._earliest = (multiple - 0.5) * interval


@dataclass(slots=True)
class _Window:
    """What one track has gathered for its next clip."""

    number: int = -1
    period: int = -1
    pictures: deque[tuple[Frame, Located]] = field(default_factory=deque)


class ClipAssembler:
    """Gathers consecutive faces of each track and gives a clip as soon as one is whole.

    Args:
        length: T, frames a clip, >= 2.
        size: side of a crop in pixels.
        scale: side of the crop in face lengths.
        period: seconds; one clip a track begins in each.
    """

    def __init__(self, length: int, size: int, scale: float, period: float = 1.0) -> None:
        self._length, self._size, self._scale, self._period = length, size, scale, period
        self._windows: dict[int, _Window] = {}

    @property
    def gathering(self) -> bool:
        """Whether the clip of any track is begun and not whole."""
        return any(window.pictures for window in self._windows.values())

    def wants(self, time: float, active: Sequence[int]) -> bool:
        """Whether any of the ``active`` tracks still needs a clip of the period that ``time`` lies in."""
        period = math.floor(time / self._period)
        return any(self._open(track_id, period) for track_id in active)

    def push(self, number: int, frame: Frame, faces: Mapping[int, Located]) -> list[Clip]:
        """Add the faces of a frame (``number`` from :class:`FrameSampler`); returns the clips that it completes."""
        period = math.floor(frame.time / self._period)
        clips = []
        for track_id in [known for known in self._windows if known not in faces]:
            self._windows[track_id].pictures.clear()
            if (
                self._windows[track_id].period < period
            ):  # it would say no more than none does: faces come and go for days
                del self._windows[track_id]
        for track_id, face in faces.items():
            window = self._windows.setdefault(track_id, _Window())
            if window.pictures and (number != window.number + 1 or _jumped(window.pictures[-1][1], face)):
                window.pictures.clear()
            window.number = number
            if not window.pictures and not self._open(track_id, period):
                continue
            window.pictures.append((frame, face))
            if len(window.pictures) == self._length:
                clip = self._crop(track_id, window)
                cut = jump_cut(clip.frames)
                if cut:
                    for _ in range(cut):
                        window.pictures.popleft()
                    continue
                window.period = math.floor(clip.times[0] / self._period)
                clips.append(clip)
                window.pictures.clear()
        return clips

    def _open(self, track_id: int, period: int) -> bool:
        window = self._windows.get(track_id)
        return window is None or bool(window.pictures) or window.period < period

    def _crop(self, track_id: int, window: _Window) -> Clip:
        poses = [face.pose for _, face in window.pictures]
        frames, crop = crop_clip([frame.image for frame, _ in window.pictures], poses, self._size, self._scale)
        times = tuple(frame.time for frame, _ in window.pictures)
        return Clip(track_id, times, frames, crop, float(np.median([pose.width for pose in poses])))


def crop_clip(images: Sequence[UInt8Array], poses: Sequence[Pose], size: int, scale: float) -> tuple[UInt8Array, Crop]:
    """Crop T frames by one region; training and detection both crop with this function.

    Args:
        images: T uint8 RGB frames (H, W, 3).
        poses: T poses of the face mesh, in pixels.
        size: side of the result in pixels.
        scale: side of the region in face lengths.

    Returns:
        The cropped frames, uint8 (T, size, size, 3), and the region of the frames.
    """
    crop = clip_crop(poses, scale)
    return np.stack([crop_frame(image, crop, size) for image in images]), crop


def jump_cut(frames: UInt8Array) -> int:
    """Number of the first frame after a cut, in 1..T-1; 0 where the clip holds none.

    Args:
        frames: a clip as the network sees it, uint8 RGB (T, size, size, 3), the face in its middle.
    """
    grey = [
        cv2.cvtColor(cv2.resize(frame, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for frame in frames
    ]
    changes = [float(np.abs(a[_AROUND] - b[_AROUND]).mean()) for a, b in pairwise(np.asarray(grey, np.float32))]
    *others, largest = sorted(changes)
    if len(changes) < 2 or largest < CUT_LEVEL or largest < CUT * (others[-1] + 0.5):
        return 0
    return changes.index(largest) + 1


def _around_the_face() -> NDArray[np.bool_]:
    """Cells outside the face's oval."""
    y, x = np.mgrid[:_CELLS, :_CELLS] - (_CELLS - 1) / 2
    oval: NDArray[np.bool_] = np.hypot(x / (_CELLS * 0.325), y / (_CELLS * 0.375)) >= 1
    return oval


_AROUND = _around_the_face()


def _jumped(before: Located, after: Located) -> bool:
    one, other = before.pose, after.pose
    return math.hypot(other.x - one.x, other.y - one.y) > MAX_JUMP * max(one.length, 1.0)

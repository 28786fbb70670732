"""Clips from tracked faces: T consecutive frames at the model's frame rate, cropped by one region.

The step from frame to frame is the multiple of the source's frame interval that is nearest to the model's, see
"Frames are never resampled unevenly" in ``docs/architecture.md``; it follows the rate of a file within a few frames.

Time is divided into periods (default: one second). A track gives one clip per period at most, the first without a cut.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from facetell.faces.crop import clip_crop, crop_frame
from facetell.types import Clip, Crop, Frame, Pose, UInt8Array

Wants = Callable[[int, int], bool]
LATE = 1.75  # steps from one frame to the next: a later frame counts as late
HOLE = 0.12  # seconds: a late frame after a longer pause ends the clips that are begun
MAX_JUMP = 0.5  # face lengths from frame to frame: a larger displacement is a jump cut
RATE_WINDOW = 8  # frames whose median interval is the current rate of the source
RATE_CHANGE = 1.3  # factor between two rates that are different
# A jump cut on one speaker leaves the face in its place, but its surroundings change once, by far more than else.
CUT = 2.5  # times the next largest change of the clip
CUT_LEVEL = 4.0  # mean grey levels: key frames of hard compression change a static background by less
_CELLS = 40  # side in pixels of the images that are compared


def whole_step(interval: float, rate: float) -> int:
    """Distance in frames, >= 1, between those taken of a source of ``interval`` seconds per frame for ``rate`` in Hz.

    >>> [whole_step(1 / fps, 12.5) for fps in (15, 24, 30, 60)]
    [1, 2, 2, 5]
    """
    return max(1, round(1 / (interval * rate)))


class FrameSampler:
    """Chooses the frames for a model of ``rate`` Hz from a source of ``fps`` Hz, estimated if it is None."""

    def __init__(self, fps: float | None, rate: float) -> None:
        self._rate = rate
        self._interval: float | None = None  # of the source
        self.step, self._earliest = 1 / rate, 0.75 / rate
        if fps:
            self._set_interval(1 / fps)
        self._recent: deque[float] = deque(maxlen=RATE_WINDOW)
        self._previous = self._last = -math.inf  # times of the latest frame, and of the latest frame taken
        self._number = 0
        self._late = 0

    @property
    def uneven(self) -> float:
        """Share of the frames taken that are late, because of dropped frames or a variable frame rate."""
        return self._late / max(self._number, 1)

    def take(self, time: float) -> int | None:
        """Number of the frame if it is taken, else None; a number is skipped where no clip may continue."""
        self._number += self._follow_rate(time)
        elapsed = time - self._last
        if elapsed < self._earliest:
            return None
        if LATE * self.step < elapsed < math.inf:
            self._late += 1
            self._number += elapsed > HOLE
        self._number += 1
        self._last = time
        return self._number

    @property
    def takes_all(self) -> bool:
        """Whether every frame of the source is taken, so that the choice does not depend on where it began."""
        return self._interval is not None and self.step < 1.5 * self._interval

    def resume(self) -> None:
        """Continue with the next frame after some that were left out, which are no irregularity of the video."""
        self._previous = self._last = -math.inf
        self._number += 1  # no clip may continue

    def _follow_rate(self, time: float) -> bool:
        """Update the step to the current rate of the source; whether it changed."""
        if self._previous > -math.inf:
            self._recent.append(time - self._previous)
        self._previous = time
        if len(self._recent) < RATE_WINDOW:
            return False
        interval, step = statistics.median(self._recent), self.step
        if self._interval is not None and 1 / RATE_CHANGE < interval / self._interval < RATE_CHANGE:
            return False
        self._set_interval(interval)
        return not math.isclose(step, self.step, rel_tol=0.1)

    def _set_interval(self, interval: float) -> None:
        multiple = whole_step(interval, self._rate)
        self._interval, self.step = interval, multiple * interval
        self._earliest = (multiple - 0.5) * interval  # half a source frame of tolerance: timestamps are rounded


@dataclass(slots=True)
class _Window:
    """Frames of one track for its next clip, and the period of its last one."""

    number: int = -1
    period: int = -1
    frames: deque[tuple[Frame, Pose]] = field(default_factory=deque)


class ClipAssembler:
    """Collects ``length`` consecutive frames of each track, and returns a clip as soon as it is complete.

    Clips begin in each ``period`` of seconds of which ``wants``, called with the numbers of the track and of the
    period, needs one; for ``size`` and ``scale`` see :func:`crop_clip`.
    """

    def __init__(
        self, length: int, size: int, scale: float, period: float = 1.0, wants: Wants = lambda track, period: True
    ) -> None:
        self._length, self._size, self._scale, self._period, self._wants = length, size, scale, period, wants
        self._windows: dict[int, _Window] = {}

    @property
    def gathering(self) -> bool:
        """Whether the clip of any track is begun but not complete."""
        return any(window.frames for window in self._windows.values())

    def wants(self, time: float, active: Sequence[int]) -> bool:
        """Whether any of the ``active`` tracks still needs a clip of the period of ``time``."""
        period = math.floor(time / self._period)
        return any(self._open(track_id, period) for track_id in active)

    def push(self, number: int, frame: Frame, poses: Mapping[int, Pose]) -> list[Clip]:
        """Add a frame (``number`` of :class:`FrameSampler`), its poses by track; returns the clips it completes."""
        period = math.floor(frame.time / self._period)
        clips = []
        for track_id in [known for known in self._windows if known not in poses]:
            self._windows[track_id].frames.clear()
            if self._windows[track_id].period < period:  # then it is as good as none; live sources run for days
                del self._windows[track_id]
        for track_id, pose in poses.items():
            window = self._windows.setdefault(track_id, _Window())
            if window.frames:
                before = window.frames[-1][1]
                moved = math.hypot(pose.x - before.x, pose.y - before.y)
                if number != window.number + 1 or moved > MAX_JUMP * max(before.length, 1.0):
                    window.frames.clear()
            window.number = number
            if not window.frames and not self._open(track_id, period):
                continue
            window.frames.append((frame, pose))
            if len(window.frames) < self._length:
                continue
            clip = self._crop(track_id, window)
            if cut := jump_cut(clip.frames):
                for _ in range(cut):
                    window.frames.popleft()
            else:
                window.period = math.floor(clip.times[0] / self._period)
                window.frames.clear()
                clips.append(clip)
        return clips

    def _open(self, track_id: int, period: int) -> bool:
        window = self._windows.get(track_id)
        if window is not None and window.frames:
            return True
        return (window is None or window.period < period) and self._wants(track_id, period)

    def _crop(self, track_id: int, window: _Window) -> Clip:
        frames, poses = zip(*window.frames, strict=True)
        cropped, crop = crop_clip([frame.image for frame in frames], poses, self._size, self._scale)
        times = tuple(frame.time for frame in frames)
        return Clip(track_id, times, cropped, crop, float(np.median([pose.width for pose in poses])))


def crop_clip(images: Sequence[UInt8Array], poses: Sequence[Pose], size: int, scale: float) -> tuple[UInt8Array, Crop]:
    """Crop T frames, uint8 RGB (H, W, 3), by one region of ``scale`` face lengths: uint8 (T, size, size, 3)."""
    crop = clip_crop(poses, scale)
    return np.stack([crop_frame(image, crop, size) for image in images]), crop


def jump_cut(frames: UInt8Array) -> int:
    """Index in 1..T-1 of the first frame after a cut; 0 if a clip, uint8 RGB (T, S, S, 3), contains none."""
    grey = [
        cv2.cvtColor(cv2.resize(frame, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for frame in frames
    ]
    changes = [float(np.abs(a[_AROUND] - b[_AROUND]).mean()) for a, b in pairwise(np.asarray(grey, np.float32))]
    *others, largest = sorted(changes)
    if len(changes) < 2 or largest < CUT_LEVEL or largest < CUT * (others[-1] + 0.5):
        return 0
    return changes.index(largest) + 1


_Y, _X = np.mgrid[:_CELLS, :_CELLS] - (_CELLS - 1) / 2
_AROUND = np.hypot(_X / (_CELLS * 0.325), _Y / (_CELLS * 0.375)) >= 1  # outside the oval of the face

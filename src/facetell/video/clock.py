"""One clock for every container: frames in presentation order, timed in seconds from the first one.

**Order.** A decoder gives frames in presentation order. Their time stamps are those of their packets, and some files
store decoding order in them: AVI, which has no presentation times, and MP4 without its ``ctts`` table. The stamps of
such a file are right as a set but belong to other frames. :class:`StampOrder` gives the n-th frame the n-th smallest
stamp. Where stamps are presentation times this changes nothing, and costs nothing: every stamp that is smaller has
already been given out.

**Leaps.** A recorder that sets its clock, or recordings that are joined, make the stamps leap. A leap is not a pause:
:class:`Clock` goes on with the next frame, and lists the leap. A gap that is no longer than the longest pause is kept
as it is, because players show it.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import av

# Frames that a B-frame's anchor may wait for: x264 and the H.264 picture buffer allow 16.
MOST_REORDERED = 16
# A step back of more than this is a leap (joined recordings), of less a frame with a wrong stamp, unless more frames
# than MOST_LATE in a row are late.
STEP_BACK_S = 1.0
MOST_LATE = 2
# Time that passes at a leap: more than facetell.faces.clips.HOLE, so that no clip reaches across it.
LEAP_STEP_S = 0.125


class Leap(NamedTuple):
    """A jump of the stamps of ``by`` seconds, positive or negative, before the frame at ``time`` seconds."""

    time: float
    by: float


class StampOrder:
    """Gives each decoded frame the time stamp of its place in presentation order.

    A frame is held back only where a smaller stamp of a packet that was sent to the decoder has not come out yet. If no
    frame comes with it (a lost packet, a second field), it is forgotten after :data:`MOST_REORDERED` frames; if until
    then no frame was out of order, the file's stamps are taken as presentation times and no frame is held any more.

    Args:
        span: in units of the stamps, how far a frame's stamp may be from its place. A stamp that is further away
            belongs to another stretch of the clock.
    """

    def __init__(self, span: float) -> None:
        self.span = span
        self._sent: deque[int] = deque(maxlen=4 * MOST_REORDERED)
        self._held: deque[av.VideoFrame] = deque()
        self._stamps: list[int] = []  # of the held frames, a heap
        self._last: int | None = None  # stamp of the last frame that was given out
        self._waits = True
        self._reordered = False
        self._stamped = False

    def send(self, stamp: int | None) -> None:
        """Note the stamp of a packet that is sent to the decoder and gives a frame."""
        if stamp is not None:
            self._sent.append(stamp)

    def receive(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take the next frame of the decoder; yields the frames that are ready, their ``pts`` corrected."""
        stamp = frame.pts
        if stamp is None:
            if not self._stamped:  # a file that stores decoding times only
                frame.pts = frame.dts
            yield from self.flush()
            yield frame
            return
        self._stamped = True
        if stamp in self._sent:
            self._sent.remove(stamp)
        if not self._held and not (self._waits and self._is_early(stamp)):
            if self._last is not None and 0 < self._last - stamp <= self.span:
                self._waits = True  # the stamps are in decoding order after all
            self._last = stamp
            yield frame
            return
        self._held.append(frame)
        heapq.heappush(self._stamps, stamp)
        if len(self._held) > MOST_REORDERED:
            self._waits = self._reordered
            self._sent = deque((sent for sent in self._sent if sent > self._stamps[0]), self._sent.maxlen)
        while self._held and not self._is_early(self._stamps[0]):
            yield self._next()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield the frames that are held, at the end of the video."""
        while self._held:
            yield self._next()

    def _is_early(self, stamp: int) -> bool:
        """Whether a frame with a stamp between the last one given out and ``stamp`` may still come."""
        if self._last is None:
            return False  # the first frame has the smallest stamp in either order
        least = max(self._last, stamp - self.span)
        return any(least < sent < stamp for sent in self._sent)

    def _next(self) -> av.VideoFrame:
        frame, stamp = self._held.popleft(), heapq.heappop(self._stamps)
        if frame.pts != stamp:
            frame.pts, self._reordered = stamp, True
        self._last = stamp
        return frame


class Clock:
    """Turns presentation stamps into seconds from the first frame that always increase.

    Args:
        interval: expected seconds from one frame to the next, > 0.
        longest_pause: seconds; a longer gap between two stamps is a leap.

    Attributes:
        frames: number of frames timed so far.
        leaps: number of leaps so far.
        first_leap: the first of them, None where there is none.
        last: seconds of the latest frame; negative before the first.
        left_out: seconds by which the stamps went forward in leaps.
        unstamped: number of frames whose stamp is missing or is that of the frame before.
    """

    def __init__(self, interval: float, longest_pause: float) -> None:
        self._interval, self._longest_pause = interval, longest_pause
        self._origin: float | None = None
        self.last = -interval
        self._last_stamp = -math.inf
        self._late = 0  # frames in a row whose stamps are behind the clock
        self.frames = self.leaps = self.unstamped = 0
        self.first_leap: Leap | None = None
        self.left_out = 0.0
        self._added = 0.0  # seconds that passed in leaps beyond the interval of a frame

    @property
    def length(self) -> float:
        """Seconds that the frames timed so far take, without the time that passes at leaps."""
        return self.last + self._interval - self._added

    def seconds(self, frame: av.VideoFrame, *, drop_late: bool) -> float | None:
        """Time of the next frame; None for one whose time is over, where ``drop_late`` (as after damage)."""
        self.frames += 1
        due = time = self.last + self._interval
        stamp = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
        if stamp is None or stamp == self._last_stamp:
            self.unstamped += 1
        else:
            self._last_stamp = stamp
            if self._origin is None:
                self._origin = stamp - due
            gap = stamp - self._origin - self.last
            self._late = self._late + 1 if gap <= 0 and not drop_late else 0
            if not -STEP_BACK_S <= gap <= self._longest_pause or self._late > MOST_LATE:
                due = self._leap(gap)
                self._origin = stamp - due
            time = stamp - self._origin
            if time <= self.last:
                if drop_late and self.last - time > self._interval / 2:
                    return None
                time = self.last + self._interval / 4
        self.last = time
        return time

    def _leap(self, gap: float) -> float:
        """Note a leap of ``gap`` seconds; returns the time of the frame after it."""
        due = self.last + self._interval
        self._late = 0
        self.leaps += 1
        self.first_leap = self.first_leap or Leap(due, gap - self._interval)
        self.left_out += max(0.0, gap - self._interval)
        time = self.last + max(2 * self._interval, LEAP_STEP_S)
        self._added += time - due
        return time

"""Presentation times: frames get their time stamps in presentation order, and seconds from the first frame.

In AVI, and in MP4 without its ``ctts`` table, stamps are in decoding order: right as a set, but attached to other
frames. :class:`StampOrder` gives the n-th frame the n-th smallest stamp, which changes no presentation times.
:class:`Clock` turns stamps into seconds and removes leaps, but keeps a gap up to the longest pause: players show it.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from datetime import timedelta

import av

from facetell.types import N_

MOST_REORDERED = 16  # frames that a frame may wait for: the maximum of x264 and of the H.264 frame buffer
STEP_BACK_S = 1.0  # a longer step back is a leap; a shorter one is a frame with a wrong stamp, unless
MOST_LATE = 2  # more frames than this in a row are late
LEAP_STEP_S = 0.125  # time between the frames around a leap: longer than facetell.faces.clips.HOLE


class StampOrder:
    """Gives each decoded frame the time stamp of its place in presentation order.

    A frame is held back only while a smaller stamp that was sent to the decoder has not come out. If no frame has it (a
    lost packet, a second field), it is given up after :data:`MOST_REORDERED` frames; if no frame was out of order until
    then, stamps are taken as presentation times and nothing is held any more. A stamp further than ``span`` (in units
    of stamps) from its place is after a leap. ``reordered`` states whether any frame got another stamp than its own.
    """

    def __init__(self, span: float) -> None:
        self.span = span
        self._sent: deque[int] = deque(maxlen=4 * MOST_REORDERED)
        self._held: deque[av.VideoFrame] = deque()
        self._stamps: list[int] = []  # of the held frames, a heap
        self._last: int | None = None  # stamp of the last frame that was given out
        self._waits = True
        self.reordered = False
        self._stamped = False

    def send(self, stamp: int | None) -> None:
        """Note the stamp of a packet that is sent to the decoder and gives a frame."""
        if stamp is not None:
            self._sent.append(stamp)

    def receive(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take the next frame of the decoder; yield the frames that are ready, their ``pts`` corrected."""
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
        if not self._held and self._last is not None and 0 < self._last - stamp <= self.span:
            self._waits = True  # the stamps are in decoding order after all
        self._held.append(frame)
        heapq.heappush(self._stamps, stamp)
        if len(self._held) > MOST_REORDERED:
            self._waits = self.reordered
            self._sent = deque((sent for sent in self._sent if sent > self._stamps[0]), self._sent.maxlen)
        while self._held and not (self._waits and self._is_early(self._stamps[0])):
            yield self._next()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield the frames that are held."""
        while self._held:
            yield self._next()

    def _is_early(self, stamp: int) -> bool:
        """Whether a frame with a stamp between the last one given out and ``stamp`` may still come."""
        if self._last is None:
            return False  # the first frame has the smallest stamp in either order
        return any(max(self._last, stamp - self.span) < sent < stamp for sent in self._sent)

    def _next(self) -> av.VideoFrame:
        frame, stamp = self._held.popleft(), heapq.heappop(self._stamps)
        if frame.pts != stamp:
            frame.pts, self.reordered = stamp, True
        self._last = stamp
        return frame


class Clock:
    """Turns stamps into ascending seconds; a gap beyond ``longest_pause`` seconds is a leap of the clock."""

    def __init__(self, interval: float, longest_pause: float) -> None:
        self._interval, self.longest_pause = interval, longest_pause
        self.last = -interval  # seconds of the latest frame
        self.left_out = 0.0  # seconds by which the stamps went forward in leaps
        self.leaps = self._frames = self._unstamped = 0
        self._origin: float | None = None
        self._last_stamp = -math.inf
        self._late = 0  # frames in a row whose stamps are behind the clock
        self._first_leap = 0.0, 0.0  # seconds at which it is, and by which the stamps jump
        self._added = 0.0  # seconds that passed in leaps beyond the interval of a frame

    @property
    def length(self) -> float:
        """Duration of the frames so far in seconds, without the time that passes at leaps."""
        return self.last + self._interval - self._added

    def time_of(self, stamp: float) -> float | None:
        """Return the time of a frame to come by its stamp in seconds; None if it is uncertain."""
        return None if self._origin is None or self.leaps or self._unstamped else stamp - self._origin

    def seconds(self, frame: av.VideoFrame, *, drop_late: bool) -> float | None:
        """Return the time of the next frame; None if it is late by more than half a frame and ``drop_late``."""
        self._frames += 1
        due = time = self.last + self._interval
        stamp = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
        if stamp is None or stamp == self._last_stamp:
            self._unstamped += 1
        else:
            self._last_stamp = stamp
            if self._origin is None:
                self._origin = stamp - due
            gap = stamp - self._origin - self.last
            self._late = self._late + 1 if gap <= 0 and not drop_late else 0
            if not -STEP_BACK_S <= gap <= self.longest_pause or self._late > MOST_LATE:
                if not self.leaps:
                    self._first_leap = due, gap - self._interval
                self.leaps += 1
                self.left_out += max(0.0, gap - self._interval)
                self._late = 0
                time = self.last + max(2 * self._interval, LEAP_STEP_S)
                self._added += time - due
                self._origin = stamp - time
            time = stamp - self._origin
            if time <= self.last:
                if drop_late and self.last - time > self._interval / 2:
                    return None
                time = self.last + self._interval / 4
        self.last = time
        return time

    def notes(self) -> Iterator[str]:
        """Yield messages on leaps and on missing stamps."""
        if self.leaps:
            time, by = self._first_leap
            length = f"{abs(by):.1g} s" if abs(by) < 1 else timedelta(seconds=round(abs(by)))
            at = f"{time:.1f} s"
            leap = N_(f"forward by {length} at {at}") if by > 0 else N_(f"back by {length} at {at}")
            if self.leaps == 1:
                yield N_(f"the clock leaps {leap}: times here count without the leap")
            else:
                yield N_(f"the clock leaps {self.leaps} times, first {leap}: times here count without the leaps")
        if self._unstamped > max(2, self._frames / 2):
            rate = f"{1 / self._interval:.5g}"
            yield N_(f"there are no usable time stamps: frames are timed by their order at {rate} frames per second")

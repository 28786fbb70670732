"""Read a live source in a thread, in real time, and hold at most a second of it.

If scoring is slower than the source, frames are dropped in stretches longer than :data:`facetell.faces.clips.HOLE`
seconds. No clip spans such a gap, because missing frames would look like motion.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass

from facetell.faces.clips import HOLE
from facetell.types import FacetellError
from facetell.video.live import STALL, Source, open_source
from facetell.video.reader import RawFrame, VideoInfo, VideoReader

HELD = 1.0  # seconds of frames that may wait
MOST_HELD = 60  # frames that may wait, whatever the frame rate
HELD_BYTES = 128 << 20  # of frames that may wait
FEWEST_HELD = 4  # frames that may wait, however large they are
LEAP = 5.0  # seconds; a frame that is due later is played at once, as the clock of the stream has leapt
BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between attempts to connect again
GIVE_UP = 60.0  # seconds without a connection
MOST_ERRORS = 10  # messages on damage that are kept


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame, its time ``at`` in seconds since the start, and the ``time.monotonic`` at which it arrived."""

    session: int  # number of the connection
    info: VideoInfo
    at: float
    arrived: float
    raw: RawFrame


class Pump:
    """Opens a source; after :meth:`start`, reads it in a thread. Frames that wait are taken with :meth:`get`.

    Args:
        source: see :func:`facetell.video.live.source_of`.
        fast: read a file as fast as frames are taken, and drop none.
        stall: seconds without a packet after which a stream is lost.
        give_up: seconds without a connection after which it is not opened again.

    Attributes:
        read, dropped: number of frames so far, and of those that were not taken.
        arrived: ``time.monotonic`` of the latest frame.
        behind: seconds by which the latest frame came late; it grows if decoding is slower than the source.
        ended, fault: why no more frames come, None while they do; whether that is an error.

    Raises:
        FacetellError: the source cannot be opened.
    """

    def __init__(self, source: Source, *, fast: bool = False, stall: float = STALL, give_up: float = GIVE_UP) -> None:
        self.source, self._fast, self._stall, self._give_up = source, fast, stall, give_up
        self.read = self.dropped = 0
        self.behind = 0.0
        self.arrived = time.monotonic()
        self.ended: str | None = None
        self.fault = False
        self._notes: deque[str] = deque(maxlen=100)
        self._errors: deque[str] = deque(maxlen=MOST_ERRORS)
        self._waiting: deque[Waiting] = deque()
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._dropping = False
        self._last = -math.inf  # time of the last frame that was not dropped
        self._reader: VideoReader | None = open_source(source, stall)
        self._thread = threading.Thread(target=self._run, name="facetell-reader", daemon=True)

    def start(self) -> None:
        """Start reading; times count from here."""
        self._began = self.arrived = time.monotonic()
        self._thread.start()

    def get(self, timeout: float) -> Waiting | None:
        """Return the next frame; None if none comes within ``timeout`` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self.ended is not None, timeout)
            if not self._waiting:
                return None
            self._change.notify_all()
            return self._waiting.popleft()

    def flush(self, last: float) -> None:
        """Drop all frames that wait, and those that come until the gap after the time ``last`` is wide enough."""
        with self._change:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._dropping, self._last = True, last

    def notes(self) -> list[str]:
        """Return the messages on the connection since the last call."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    @property
    def errors(self) -> tuple[str, ...]:
        """Messages of the readers on damage, the latest of many connections."""
        reader = self._reader
        return (*self._errors, *(reader.errors if reader else ()))

    @property
    def done(self) -> bool:
        """Whether no frame waits and none will come."""
        return self.ended is not None and not self._waiting

    def fail(self, reason: str) -> None:
        """End because frames cannot be processed; those that wait are dropped."""
        self._stop.set()
        with self._change:
            self.ended, self.fault = reason, True
            self._waiting.clear()
            self._change.notify_all()

    def close(self) -> None:
        """Stop reading; a reader that waits for the network ends by itself later."""
        self._stop.set()
        with self._change:
            self._change.notify_all()
        if self._thread.ident is not None:
            self._thread.join(1.0)
        elif self._reader is not None:
            self._reader.close()

    def _run(self) -> None:
        try:
            reason, fault = self._read_all()
        except Exception as error:  # reported, as a thread has no caller
            reason, fault = f"reading it failed ({type(error).__name__}: {error})", True
        with self._change:
            if self.ended is None:
                self.ended, self.fault = reason, fault
            self._change.notify_all()

    def _read_all(self) -> tuple[str, bool]:
        """Read the source, and connect again where it is lost; return why it ended, and whether that is an error."""
        reason, fault, session, attempt = "it ended", False, 0, 0
        lost_since = self._began  # the first connection may give nothing
        while True:
            if self._reader is not None:
                with self._reader as reader:
                    given = self._play(reader, session)
                reason, fault = reader.fault or "it ended", bool(reader.fault)
                has_end = self.source.kind == "file" or (not fault and reader.info.duration is not None)
                if has_end or self._stop.is_set():
                    return reason, fault
                self._errors.extend(reader.errors)
                self._reader = None
                session += 1
                if given:  # a source that can be opened and gives nothing does not start again
                    attempt, lost_since = 0, time.monotonic()
            left = self._give_up - (time.monotonic() - lost_since)
            if left <= 0:
                return f"it is gone ({reason}), and did not come back in {self._give_up:.0f} seconds", True
            pause = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
            attempt += 1
            self._notes.append(f"{self.source.name} is lost ({reason}); trying again in {pause:.0f} s")
            if self._stop.wait(min(pause, max(0.1, left))):
                return reason, fault
            try:
                self._reader = open_source(self.source, self._stall)
                self._notes.append(f"{self.source.name} is back after {time.monotonic() - lost_since:.0f} s")
            except FacetellError as error:
                reason = str(error).partition("(")[2].rpartition(")")[0] or str(error)

    def _play(self, reader: VideoReader, session: int) -> bool:
        """Read one connection to its end; return whether it gave a frame."""
        begun: float | None = None  # time at which the connection's times start
        zero = 0.0  # ``time.monotonic`` at which a frame of time 0 is due
        for raw in reader:
            if begun is None:
                begun = 0.0 if self._fast or not session else time.monotonic() - self._began
                zero = time.monotonic() - raw.time
            if self.source.paced and not self._fast:
                early = zero + raw.time - time.monotonic()
                if early > LEAP:
                    zero, early = zero - early, 0.0
                if early > 0:
                    self._stop.wait(early)
            elif not self._fast:  # the first frames of a stream may be older than those that follow at once
                zero = min(zero, time.monotonic() - raw.time)
            if self._stop.is_set():
                break
            self.behind = 0.0 if self._fast else time.monotonic() - raw.time - zero
            with self._change:
                self.read += 1
                self.arrived = time.monotonic()
                self._put(Waiting(session, reader.info, begun + raw.time, self.arrived, raw))
        return begun is not None

    def _put(self, item: Waiting) -> None:
        """Add a frame, or drop it; the lock is held."""
        size = sum(plane.buffer_size for plane in item.raw.decoded.planes)
        most = min(MOST_HELD, max(8, round(HELD * (item.info.fps or 25))), max(FEWEST_HELD, HELD_BYTES // size))
        if self._fast:
            self._change.wait_for(lambda: len(self._waiting) < most or self._stop.is_set())
        else:
            self._dropping |= len(self._waiting) >= most
            if self._dropping and (self._waiting or item.at - self._last <= HOLE):
                self.dropped += 1
                return
        self._dropping = False
        self._last = item.at
        self._waiting.append(item)
        self._change.notify_all()

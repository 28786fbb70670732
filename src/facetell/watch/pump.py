"""Read a live source in a thread, in real time, and hold at most a second; no clip spans frames that are dropped."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass

from facetell.faces.clips import HOLE
from facetell.types import FacetellError, describe
from facetell.video.live import STALL, Source, open_source
from facetell.video.reader import RawFrame, VideoInfo, VideoReader

HELD = 1.0  # seconds of frames that may wait
MOST_HELD = 60  # frames that may wait, whatever the frame rate
HELD_BYTES = 128 << 20  # of frames that may wait
FEWEST_HELD = 4  # frames that may wait, however large they are
LEAP = 5.0  # seconds
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

    With ``fast`` a file is read as fast as frames are taken, and none is dropped. A stream is lost after ``stall``
    seconds without a packet, and given up after ``give_up`` without a connection. FacetellError: it cannot be opened.
    """

    def __init__(self, source: Source, *, fast: bool = False, stall: float = STALL, give_up: float = GIVE_UP) -> None:
        self.source, self._fast, self._stall, self._give_up = source, fast, stall, give_up
        self.read = self.dropped = 0  # frames so far, and those of them that were not taken
        self.behind = 0.0  # seconds by which the latest frame came late; grows if decoding is slower than the source
        self.arrived = time.monotonic()  # of the latest frame
        self.ended: str | None = None  # why no more frames come
        self.fault = False  # whether that is an error
        self.notes: deque[str] = deque(maxlen=100)  # on the connection; the reader of them removes them
        self.errors: deque[str] = deque(maxlen=MOST_ERRORS)  # on damage, the latest of many
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
            self._change.notify_all()
            return self._waiting.popleft() if self._waiting else None

    def flush(self, last: float) -> None:
        """Drop all frames that wait, and those that come until the gap after the time ``last`` is wide enough."""
        with self._change:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._dropping, self._last = True, last

    @property
    def done(self) -> bool:
        """Whether no frame waits and none will come."""
        return self.ended is not None and not self._waiting

    def end(self, reason: str, fault: bool) -> None:
        """Stop reading for a reason; an error has priority over an earlier reason."""
        self._stop.set()
        with self._change:
            if self.ended is None or (fault and not self.fault):
                self.ended, self.fault = reason, fault
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
            self.end(*self._read_all())
        except Exception as error:  # reported, as a thread has no caller
            self.end(f"reading it failed ({describe(error)})", True)

    def _read_all(self) -> tuple[str, bool]:
        """Read the source, and connect again where it is lost; return why it ended, and whether that is an error."""
        reason, session, attempt = "it ended", 0, 0
        lost_since = self._began  # the first connection may give nothing
        while True:
            if self._reader is not None:
                with self._reader as reader:
                    try:
                        given = self._play(reader, session)
                    finally:
                        self.errors.extend(reader.errors)
                reason = reader.fault or "it ended"
                has_end = self.source.kind == "file" or (not reader.fault and reader.info.duration is not None)
                if has_end or self._stop.is_set():
                    return reason, bool(reader.fault)
                self._reader = None
                session += 1
                if given:  # a source that can be opened and gives nothing does not start again
                    attempt, lost_since = 0, time.monotonic()
            left = self._give_up - (time.monotonic() - lost_since)
            if left <= 0:
                return f"it is gone ({reason}), and did not come back in {self._give_up:.0f} seconds", True
            pause = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
            attempt += 1
            self.notes.append(f"{self.source.name} is lost ({reason}); trying again in {pause:.0f} s")
            if self._stop.wait(min(pause, max(0.1, left))):
                return reason, True
            try:
                self._reader = open_source(self.source, self._stall)
                self.notes.append(f"{self.source.name} is back after {time.monotonic() - lost_since:.0f} s")
            except FacetellError as error:
                reason = str(error).partition("(")[2].rpartition(")")[0] or str(error)

    def _play(self, reader: VideoReader, session: int) -> bool:
        """Read one connection to its end; return whether it gave a frame."""
        begun: float | None = None  # time at which the connection's times start
        due = math.inf  # ``time.monotonic`` at which a frame of time 0 is due
        for raw in reader:
            now = time.monotonic()
            if begun is None:
                begun = 0.0 if self._fast or not session else now - self._began
            # The first frames of a stream may be older than the next; a leap of its clock is not waited for.
            if not self.source.paced or due + raw.time - now > LEAP:
                due = min(due, now - raw.time)
            if not self._fast:
                self._stop.wait(due + raw.time - now)
                self.behind = max(0.0, time.monotonic() - due - raw.time)
            if self._stop.is_set():
                break
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

"""Read a live source in a thread of its own, in real time, and hold at most a second of it.

If scoring is slower than the source, frames are dropped in stretches longer than :data:`facetell.faces.clips.HOLE`
seconds. No clip reaches across such a gap, because missing frames would look like motion.
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
LATE = 1.0  # seconds that decoding may be late before frames are left out undecoded, up to a key frame
FORGET = 60.0  # seconds after which the least delay is measured again: clocks drift
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
    """Reads a source in a thread; frames that wait are taken with :meth:`get`.

    Args:
        source: see :func:`facetell.video.live.source_of`.
        fast: read a file as fast as frames are taken, and drop none.
        stall: seconds without a packet after which a stream is lost.
        give_up: seconds without a connection after which it is not opened again.
        start: whether to start reading; else the source is only opened.

    Raises:
        FacetellError: the source cannot be opened.
    """

    def __init__(
        self, source: Source, *, fast: bool = False, stall: float = STALL, give_up: float = GIVE_UP, start: bool = True
    ) -> None:
        self.source, self._fast, self._stall, self._give_up = source, fast, stall, give_up
        self.read = 0  # decoded frames
        self.undecoded = 0  # frames that were left out before decoding
        self.dropped = 0  # frames that nobody took, undecoded ones included
        self._began = self.arrived = time.monotonic()  # when the last frame came
        self.ended: str | None = None  # why no more frames come
        self.fault = False  # whether that is an error
        self._notes: deque[str] = deque(maxlen=100)
        self._errors: deque[str] = deque(maxlen=MOST_ERRORS)
        self._waiting: deque[Waiting] = deque()
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._dropping = False
        self._last = -math.inf  # time of the last frame that was not dropped
        self._reader: VideoReader | None = open_source(source, stall)
        self._thread: threading.Thread | None = None
        if start:
            self.start()

    def start(self) -> None:
        """Start reading; times count from here."""
        self._began = self.arrived = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="facetell-reader", daemon=True)
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
        """End with an error of whoever takes the frames; those that wait are dropped."""
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
        if self._thread is not None:
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
        pace = _Pace(self.source.paced)
        begun: float | None = None  # time at which the connection's times start
        skipped = 0
        for raw in reader:
            if self._stop.is_set():
                break
            if begun is None:
                begun = 0.0 if self._fast or not session else time.monotonic() - self._began
            if not self._fast:
                early, late = pace(raw.time)
                if early > 0 and self._stop.wait(early):
                    break
                if late > LATE:
                    reader.skip(late)
            with self._change:
                self.dropped += reader.skipped - skipped
                self.undecoded += reader.skipped - skipped
                skipped = reader.skipped
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


class _Pace:
    """Returns by how many seconds a frame is early and late, given its time in the stream."""

    def __init__(self, paced: bool) -> None:
        self._paced = paced
        self._least = self._next_least = math.inf
        self._renewed = time.monotonic()

    def __call__(self, at: float) -> tuple[float, float]:
        now = time.monotonic()
        delay = now - at
        if self._paced:
            if math.isinf(self._least) or self._least - delay > 5:  # the first frame, or the stream's clock has leapt
                self._least = delay
            return max(0.0, self._least - delay), max(0.0, delay - self._least)
        if now - self._renewed > FORGET:
            self._least, self._next_least, self._renewed = self._next_least, math.inf, now
        self._next_least = min(self._next_least, delay)
        self._least = min(self._least, delay)
        return 0.0, delay - self._least

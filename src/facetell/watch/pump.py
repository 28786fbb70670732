"""Reads a live source in a thread of its own, in time, and holds at most a second of it for whoever looks at it.

If scoring is slower than the source, frames are dropped in stretches of more than :data:`facetell.faces.clips.HOLE`
seconds. No clip reaches across such a gap: a missing frame would look like motion.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass

from facetell.faces.clips import HOLE
from facetell.types import FacetellError
from facetell.video.live import STALL, LiveReader, Source
from facetell.video.picture import RawFrame
from facetell.video.reader import Unreadable, VideoInfo

HELD = 1.0  # seconds of pictures that may wait
MOST_HELD = 60  # pictures that may wait, whatever the frame rate
HELD_BYTES = 128 << 20  # of pictures that may wait
FEWEST_HELD = 4  # pictures that may wait, however large they are
LATE = 1.0  # seconds that decoding may lag behind before whole groups of pictures are left out undecoded
FORGET = 60.0  # seconds after which the least delay seen is forgotten: clocks drift
BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between attempts to connect again
GIVE_UP = 60.0  # seconds without a connection
MOST_ERRORS = 10  # sentences on damage that are kept


@dataclass(frozen=True, slots=True)
class Waiting:
    """A picture, ``at`` seconds since the watch began, and when it arrived by the clock of ``time.monotonic``."""

    session: int
    info: VideoInfo
    at: float
    arrived: float
    raw: RawFrame


class Pump:
    """A source and the pictures of it that wait.

    Args:
        source: what is read.
        fast: a file is read as fast as it is asked for, and nothing is left out.
        stall, give_up: seconds, see :data:`STALL` and :data:`GIVE_UP`.
        options: for :class:`LiveReader`.
        start: False only opens the source, so that one that is not there is told at once; :meth:`start` plays it.

    Raises:
        FacetellError: the source cannot be opened.
    """

    def __init__(
        self,
        source: Source,
        *,
        fast: bool = False,
        stall: float = STALL,
        give_up: float = GIVE_UP,
        options: dict[str, str] | None = None,
        start: bool = True,
    ) -> None:
        self.source, self._fast, self._stall, self._give_up, self._options = source, fast, stall, give_up, options
        self.read = 0  # pictures that were decoded
        self.undecoded = 0  # pictures that were left out before that
        self.dropped = 0  # of all, how many nobody looked at
        self.arrived = time.monotonic()  # when the last one came
        self.ended: str | None = None  # why there will be no more
        self.fault = False  # whether that is a fault
        self._notes: deque[str] = deque(maxlen=100)
        self._errors: deque[str] = deque(maxlen=MOST_ERRORS)
        self._waiting: deque[Waiting] = deque()
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._dropping = False
        self._last = -math.inf  # time of the last picture that was let in
        self._began = time.monotonic()
        self._first = LiveReader(source, stall, options)
        self._reader: LiveReader | None = self._first
        self.info = self._first.info
        self._thread: threading.Thread | None = None
        if start:
            self.start()

    def start(self) -> None:
        """Begin to read; time counts from here."""
        self._began = self.arrived = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(self._first,), name="facetell-reader", daemon=True)
        self._thread.start()

    def get(self, timeout: float) -> Waiting | None:
        """The next picture, or None if none came in so many seconds."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self.ended is not None, timeout)
            if not self._waiting:
                return None
            self._change.notify_all()
            return self._waiting.popleft()

    def flush(self, last: float) -> None:
        """Drop all that waits, and what comes until the hole behind the picture at ``last`` is wide enough."""
        with self._change:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._dropping, self._last = True, last

    def notes(self) -> list[str]:
        """What has happened to the source since this was last asked."""
        with self._change:
            notes = list(self._notes)
            self._notes.clear()
            return notes

    @property
    def errors(self) -> tuple[str, ...]:
        """What was found damaged so far, in the words of the reader; of many connections the latest."""
        reader = self._reader
        return (*self._errors, *(reader.errors if reader else ()))

    @property
    def done(self) -> bool:
        """Whether there is no more to be had."""
        with self._change:
            return self.ended is not None and not self._waiting

    def close(self) -> None:
        """Stop reading; a reader that waits for the network is left to end by itself."""
        self._stop.set()
        with self._change:
            self._change.notify_all()
        if self._thread is None:
            self._first.close()
        else:
            self._thread.join(1.0)

    def _run(self, first: LiveReader) -> None:
        reader: LiveReader | None = first
        session, lost_since = 0, self._began  # a first connection may give nothing
        reason, fault = "it ended", False
        attempt = 0
        try:
            while not self._stop.is_set():
                if reader is not None:
                    with reader:
                        given = self._play(reader, session)
                        reason = reader.fault or "it ended"
                        fault = bool(reader.fault)
                    lasting = self.source.kind == "file" or (not fault and reader.info.duration is not None)
                    if lasting:
                        break
                    self._errors.extend(reader.errors)
                    session, reader = session + 1, None
                    self._reader = None
                    if given:  # a source that lets itself be opened and gives nothing does not begin anew
                        attempt, lost_since = 0, time.monotonic()
                if time.monotonic() - lost_since >= self._give_up:
                    reason, fault = f"it is gone ({reason}), and did not come back in {self._give_up:.0f} seconds", True
                    break
                pause = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
                attempt += 1
                self._note(f"{self.source.name} is lost ({reason}); trying again in {pause:.0f} s")
                if self._stop.wait(min(pause, max(0.1, lost_since + self._give_up - time.monotonic()))):
                    return
                try:
                    self._reader = reader = LiveReader(self.source, self._stall, self._options)
                    self._note(f"{self.source.name} is back after {time.monotonic() - lost_since:.0f} s")
                except (FacetellError, Unreadable) as error:
                    reason = str(error).partition("(")[2].rpartition(")")[0] or str(error)
        except Exception as error:  # a thread must not end without a word
            reason, fault = f"reading it failed ({type(error).__name__}: {error})", True
        finally:
            with self._change:
                self.ended, self.fault = reason, fault
                self._change.notify_all()

    def _note(self, sentence: str) -> None:
        with self._change:
            self._notes.append(sentence)

    def _play(self, reader: LiveReader, session: int) -> bool:
        """Give the pictures of one connection; whether there was one."""
        pace = _Pace(self.source.paced)
        begun: float | None = None
        skipped = 0
        for raw in reader:
            if self._stop.is_set():
                return begun is not None
            if begun is None:
                begun = 0.0 if self._fast or not session else time.monotonic() - self._began
            if not self._fast:
                early, late = pace(raw.time)
                if early > 0 and self._stop.wait(early):
                    return True
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
        most = _most_held(item)
        with self._change:
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


def _most_held(item: Waiting) -> int:
    """How many pictures like this one may wait."""
    size = sum(plane.buffer_size for plane in item.raw.picture.planes)
    of_rate = max(8, round(HELD * (item.info.fps or 25)))
    return min(MOST_HELD, of_rate, max(FEWEST_HELD, HELD_BYTES // size))


class _Pace:
    """How much too early or too late a picture is, in seconds, by its time in the stream."""

    def __init__(self, paced: bool) -> None:
        self._paced = paced
        self._least = self._next_least = math.inf
        self._renewed = time.monotonic()

    def __call__(self, at: float) -> tuple[float, float]:
        now = time.monotonic()
        delay = now - at
        if self._paced:
            if math.isinf(self._least) or self._least - delay > 5:  # the first one, or the stream's clock has leapt
                self._least = delay
            return max(0.0, self._least - delay), max(0.0, delay - self._least)
        if now - self._renewed > FORGET:
            self._least, self._next_least, self._renewed = self._next_least, math.inf, now
        self._next_least = min(self._next_least, delay)
        self._least = min(self._least, delay)
        return 0.0, delay - self._least

"""Score a live source while it runs, in bounded memory and with bounded delay."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from facetell.detector import PENDING, ClipStream, Detector
from facetell.engine.info import ModelInfo
from facetell.types import Clip, Verdict
from facetell.verdict import ScoredClip, low_rate, read_verdict, slow_rate
from facetell.watch.board import Board
from facetell.watch.pump import Pump, Waiting

BEHIND = 0.5  # seconds that the picture in work may be old, between clips, before what waits is dropped
TICK = 0.2  # seconds between looks at the clock where nothing comes
QUIET = 2.0  # seconds without a picture that are told


@dataclass(slots=True)
class State:
    """All that is shown of a watch; one object, changed as it goes on.

    ``delay`` is that of the last score: seconds from the arrival of a clip's last picture; ``most_delay`` is
    the largest.
    """

    name: str
    threshold_of: Callable[[int], float]  # minimum probability for "forged", by the number of scored faces
    board: Board
    pump: Pump
    at: float = 0.0
    delay: float = 0.0
    most_delay: float = 0.0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    slow: Counter[float] = field(default_factory=Counter)  # clips by their frame rate, where that was low

    def warnings(self, info: ModelInfo) -> tuple[str, ...]:
        """What a reader of the scores should know, in the words of ``detect``: damage, a low frame rate."""
        return (*self.pump.errors, *low_rate([*self.slow.elements()], self.board.scored, info))

    @property
    def dropped(self) -> tuple[int, float]:
        """Pictures dropped so far, and their share."""
        dropped, skipped = self.pump.dropped, self.pump.undecoded
        return dropped, dropped / max(1, self.pump.read + skipped)

    @property
    def quiet(self) -> float:
        """Seconds since the last picture came, where that is worth telling; else 0."""
        silent = time.monotonic() - self.pump.arrived
        return silent if silent > QUIET and self.pump.ended is None else 0.0

    def verdict(self) -> Verdict:
        """The verdict on the highest-scoring face of the last seconds."""
        worst = self.board.most_suspect()
        return read_verdict(*worst, self.threshold) if worst else Verdict.NONE

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged", for the number of faces with a score in the last seconds."""
        return self.threshold_of(max(1, sum(face.is_scored for face in self.board.faces)))


class _Scoring(NamedTuple):
    """A clip that is being scored: all that is needed of its last picture, which would take memory until then."""

    future: Future[ScoredClip]
    session: int
    track: int
    shift: float  # from the time of the connection to that of the watch
    arrived: float


class Watcher:
    """A source on its way to the screen.

    Args:
        detector: scores.
        pump: reads; closed by :meth:`close`.
        name: of the source.
        window: seconds that a running probability is of.
        tell: called with each event, a dict for a line of JSON.
        behind: see :data:`BEHIND`.
    """

    def __init__(
        self,
        detector: Detector,
        pump: Pump,
        name: str,
        window: float,
        tell: Callable[[dict[str, Any]], None] = lambda event: None,
        behind: float = BEHIND,
    ) -> None:
        self._detector, self._pump, self._tell, self._behind = detector, pump, tell, behind
        self.state = State(name, detector.threshold_of, Board(detector.engine.info.calibration, window), pump)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model")
        self._scoring: deque[_Scoring] = deque()
        # A bound on the clips of a face is one of the clips of the window.
        most, rate = detector.settings.max_clips, detector.settings.clips_per_second
        self._period = max(1 / rate, window / most) if most else 1 / rate
        self._stream: ClipStream | None = None
        self._session = -1
        self._told_dropped = 0
        self._stopped = False

    def run(self, show: Callable[[State], None] = lambda state: None, fast: bool = False) -> None:
        """Until the source ends, or :meth:`stop`; ``show`` is called several times a second."""
        shown = -1.0
        while not self._pump.done and not self._stopped:
            self.step(fast)
            if time.monotonic() - shown >= TICK:
                shown = time.monotonic()
                show(self.state)
        self._finish()
        show(self.state)

    def stop(self) -> None:
        """Have :meth:`run` end after the picture in hand; may be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Stop reading, wait for what is being scored and tell it."""
        self._finish()
        self._pool.shutdown()

    def _finish(self) -> None:
        self._pump.close()
        self._collect(0)
        self._events()

    def step(self, fast: bool = False) -> None:
        """One picture, if one comes within :data:`TICK` seconds."""
        item = self._pump.get(TICK)
        self._collect(PENDING)
        self._events()
        if item is None:
            return
        if item.session != self._session:
            self._session, self._stream = item.session, ClipStream(self._detector, item.info.fps, self._period)
        assert self._stream is not None
        self.state.at = item.at
        look = self._stream.push(item.raw)
        if look is not None:
            self.state.board.look(item.session, item.at, dict(look.faces))
            for clip in look.clips:
                self._score(clip, item)
        # Between clips, as a picture that is left out would lose one that is begun.
        if not fast and not self._stream.gathering and time.monotonic() - item.arrived > self._behind:
            self._pump.flush(item.at)

    def _score(self, clip: Clip, item: Waiting) -> None:
        if not self.state.board.accept(item.session, clip, self._detector.engine.info.min_face_width):
            return
        self._collect(PENDING - 1)
        future = self._pool.submit(self._detector.score, clip)
        self._scoring.append(_Scoring(future, item.session, clip.track_id, item.at - item.raw.time, item.arrived))

    def _collect(self, most: int) -> None:
        """Take the scores that are there; wait until no more than ``most`` are to come."""
        while self._scoring and (self._scoring[0].future.done() or len(self._scoring) > most):
            future, session, track, shift, arrived = self._scoring.popleft()
            score = future.result()
            state = self.state
            state.delay = time.monotonic() - arrived
            state.most_delay = max(state.most_delay, state.delay)
            # Times of a clip are those of its connection, on the screen and in the file those of the watch.
            score = ScoredClip(score.t0 + shift, score.t1 + shift, score.crop, score.logit)
            watched = state.board.add(session, track, score)
            info = self._detector.engine.info
            if rate := slow_rate(score.t0, score.t1, info):
                state.slow[float(f"{rate:.3g}")] += 1  # as a key: there are not many, however long it runs
            calibration = info.calibration
            running = watched.running(calibration) if watched else None
            self._tell(
                {
                    "event": "clip",
                    "face": watched.number if watched else None,
                    "t0": score.t0,
                    "t1": score.t1,
                    "square": list(score.crop.square),
                    "roll": math.degrees(score.crop.roll),
                    "logit": score.logit,
                    "probability": calibration.probability(score.logit),
                    "running": running[0] if running else None,
                    "interval": list(running[1]) if running else None,
                    "verdict": str(read_verdict(*running, state.threshold)) if running else "none",
                    "delay": round(state.delay, 3),
                }
            )

    def _events(self) -> None:
        """Pass on what has happened to the source, and what was dropped."""
        for note in self._pump.notes():
            self.state.notes.append(note)
            self._tell({"event": "source", "at": self.state.at, "message": note})
        dropped, share = self.state.dropped
        if dropped > self._told_dropped:
            self._tell({"event": "dropped", "at": self.state.at, "pictures": dropped, "share": round(share, 4)})
            self._told_dropped = dropped

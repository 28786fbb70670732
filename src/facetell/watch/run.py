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

BEHIND = 0.5  # seconds; between clips, if the frame in work is older, the frames that wait are dropped
TICK = 0.2  # seconds between updates of the view
QUIET = 2.0  # seconds without a frame that are reported


@dataclass(slots=True)
class State:
    """What is shown of a watch; one object, changed while it runs.

    Attributes:
        name: of the source.
        threshold_of: minimum probability for "forged", by the number of scored faces.
        at: time of the latest frame in seconds.
        delay, most_delay: seconds from the arrival of a clip's last frame to its score: the latest, and the largest.
        notes: latest messages on the connection.
        slow: number of clips by frame rate, where that was low.
    """

    name: str
    threshold_of: Callable[[int], float]
    board: Board
    pump: Pump
    at: float = 0.0
    delay: float = 0.0
    most_delay: float = 0.0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    slow: Counter[float] = field(default_factory=Counter)

    def warnings(self, info: ModelInfo) -> tuple[str, ...]:
        """Return the warnings of ``detect`` on damage and on a low frame rate."""
        return (*self.pump.errors, *low_rate([*self.slow.elements()], self.board.scored, info))

    @property
    def dropped(self) -> tuple[int, float]:
        """Number of frames dropped so far, and their share."""
        return self.pump.dropped, self.pump.dropped / max(1, self.pump.read + self.pump.undecoded)

    @property
    def quiet(self) -> float:
        """Seconds since the last frame came, if they are many; else 0."""
        silent = time.monotonic() - self.pump.arrived
        return silent if silent > QUIET and self.pump.ended is None else 0.0

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged", for the number of faces with a score now."""
        return self.threshold_of(max(1, sum(face.is_scored for face in self.board.faces)))

    def verdict(self) -> Verdict:
        """Return the verdict on the face with the highest probability now."""
        worst = self.board.most_suspect()
        return read_verdict(*worst, self.threshold) if worst else Verdict.NONE


class _Scoring(NamedTuple):
    """A clip that is being scored; its last frame, which takes memory, is not kept."""

    future: Future[ScoredClip]
    session: int
    track: int
    shift: float  # from the times of the connection to those since the start
    arrived: float


class Watcher:
    """Takes frames from a pump, scores clips in a thread, and keeps the :class:`State`.

    Args:
        detector: finds the faces and scores the clips.
        pump: gives the frames; closed by :meth:`close`.
        name: of the source, for output.
        window: seconds that the running score covers.
        emit: called with each event, see docs/watching.md.
    """

    def __init__(
        self,
        detector: Detector,
        pump: Pump,
        name: str,
        window: float,
        emit: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> None:
        self._detector, self._pump, self._emit = detector, pump, emit
        self.state = State(name, detector.threshold_of, Board(detector.engine.info.calibration, window), pump)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model")
        self._scoring: deque[_Scoring] = deque()
        # A bound on the clips of a face holds for each window.
        most, rate = detector.settings.max_clips, detector.settings.clips_per_second
        self._period = max(1 / rate, window / most) if most else 1 / rate
        self._stream: ClipStream | None = None
        self._session = -1
        self._emitted_dropped = 0
        self._stopped = False

    def run(self, show: Callable[[State], None] = lambda state: None, fast: bool = False) -> None:
        """Run until the source ends, or :meth:`stop`; ``show`` is called several times a second."""
        shown = -1.0
        while not self._pump.done and not self._stopped:
            self.step(fast)
            if time.monotonic() - shown >= TICK:
                shown = time.monotonic()
                show(self.state)
        self._finish()
        show(self.state)

    def stop(self) -> None:
        """Make :meth:`run` end after the current frame; may be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Stop reading, wait for the clips that are being scored, and emit their events."""
        self._finish()
        self._pool.shutdown()

    def _finish(self) -> None:
        self._pump.close()
        self._collect(0)
        self._emit_source_events()

    def step(self, fast: bool = False) -> None:
        """Process one frame, if one comes within :data:`TICK` seconds."""
        item = self._pump.get(TICK)
        self._collect(PENDING)
        self._emit_source_events()
        if item is None:
            return
        if item.session != self._session or self._stream is None:
            self._session, self._stream = item.session, ClipStream(self._detector, item.info.fps, self._period)
        self.state.at = item.at
        look = self._stream.push(item.raw)
        if look is not None:
            self.state.board.look(item.session, item.at, dict(look.faces))
            for clip in look.clips:
                self._score(clip, item)
        # Between clips: dropping frames would lose a clip that has begun.
        if not fast and not self._stream.gathering and time.monotonic() - item.arrived > BEHIND:
            self._pump.flush(item.at)

    def _score(self, clip: Clip, item: Waiting) -> None:
        if self.state.board.accept(item.session, clip, self._detector.engine.info.min_face_width):
            self._collect(PENDING - 1)
            future = self._pool.submit(self._detector.score, clip)
            shift = item.at - item.raw.time
            self._scoring.append(_Scoring(future, item.session, clip.track_id, shift, item.arrived))

    def _collect(self, most: int) -> None:
        """Take the scores that are ready; wait until no more than ``most`` are outstanding."""
        state, info = self.state, self._detector.engine.info
        while self._scoring and (self._scoring[0].future.done() or len(self._scoring) > most):
            future, session, track, shift, arrived = self._scoring.popleft()
            score = future.result()
            state.delay = time.monotonic() - arrived
            state.most_delay = max(state.most_delay, state.delay)
            score = ScoredClip(score.t0 + shift, score.t1 + shift, score.crop, score.logit)
            if rate := slow_rate(score.t0, score.t1, info):
                state.slow[float(f"{rate:.3g}")] += 1  # rounded, so that there are few keys
            watched = state.board.add(session, track, score)
            running = watched.running(info.calibration) if watched else None
            self._emit(
                {
                    "event": "clip",
                    "face": watched.number if watched else None,
                    "t0": score.t0,
                    "t1": score.t1,
                    "square": list(score.crop.square),
                    "roll": math.degrees(score.crop.roll),
                    "logit": score.logit,
                    "probability": info.calibration.probability(score.logit),
                    "running": running[0] if running else None,
                    "interval": list(running[1]) if running else None,
                    "verdict": str(read_verdict(*running, state.threshold)) if running else "none",
                    "delay": round(state.delay, 3),
                }
            )

    def _emit_source_events(self) -> None:
        """Emit the messages on the connection, and the number of dropped frames if it has changed."""
        for note in self._pump.notes():
            self.state.notes.append(note)
            self._emit({"event": "source", "at": self.state.at, "message": note})
        dropped, share = self.state.dropped
        if dropped > self._emitted_dropped:
            self._emit({"event": "dropped", "at": self.state.at, "pictures": dropped, "share": round(share, 4)})
            self._emitted_dropped = dropped

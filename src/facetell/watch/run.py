"""Score a live source while it runs, in bounded memory and with bounded delay."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from facetell.detector import PENDING, ClipStream, Detector
from facetell.types import Clip, one_line
from facetell.verdict import ScoredClip
from facetell.watch.board import Board
from facetell.watch.pump import Pump, Waiting

BEHIND = 0.5  # seconds; between clips, if the frame in work is older, the frames that wait are dropped
TICK = 0.2  # seconds between updates of the view


class _Scoring(NamedTuple):
    """A clip that is being scored; its last frame, which takes memory, is not kept."""

    future: Future[ScoredClip]
    session: int
    track: int
    shift: float  # from the times of the connection to those since the start
    arrived: float


class Watcher:
    """Takes frames from a pump, scores clips in a thread, and keeps the :class:`Board`.

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
        self.board = Board(name, window, detector.engine.info, detector.threshold_of, pump)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model")
        self._scoring: deque[_Scoring] = deque()
        # A bound on the clips of a face holds for each window.
        most, rate = detector.settings.max_clips, detector.settings.clips_per_second
        self._period = max(1 / rate, window / most) if most else 1 / rate
        self._stream: ClipStream | None = None
        self._session = -1
        self._emitted_dropped = 0
        self._stopped = False

    def run(self, show: Callable[[Board], None] = lambda board: None, fast: bool = False) -> None:
        """Run until the source ends, or :meth:`stop`; ``show`` is called several times a second."""
        shown = -1.0
        while not self._pump.done and not self._stopped:
            self.step(fast)
            if time.monotonic() - shown >= TICK:
                shown = time.monotonic()
                show(self.board)
        self._finish()
        show(self.board)

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
        self.board.at = item.at
        try:
            look = self._stream.push(item.raw)
        except Exception as error:  # the scores so far are reported
            self._pump.fail(one_line(error, "its frames cannot be processed"))
            return
        if look is not None:
            self.board.look(item.session, item.at, dict(look.faces))
            for clip in look.clips:
                self._score(clip, item)
        # Between clips: dropping frames would lose a clip that has begun.
        if not fast and not self._stream.gathering and time.monotonic() - item.arrived > BEHIND:
            self._pump.flush(item.at)

    def _score(self, clip: Clip, item: Waiting) -> None:
        if self.board.accept(item.session, clip):
            self._collect(PENDING - 1)
            future = self._pool.submit(self._detector.score, clip)
            shift = item.at - item.raw.time
            self._scoring.append(_Scoring(future, item.session, clip.track_id, shift, item.arrived))

    def _collect(self, most: int) -> None:
        """Take the scores that are ready; wait until no more than ``most`` are outstanding."""
        while self._scoring and (self._scoring[0].future.done() or len(self._scoring) > most):
            future, session, track, shift, arrived = self._scoring.popleft()
            score = future.result()
            score = replace(score, t0=score.t0 + shift, t1=score.t1 + shift)
            watched = self.board.add(session, track, score, time.monotonic() - arrived)
            running = self.board.running(watched) if watched else None
            self._emit(
                {
                    "event": "clip",
                    "face": watched.number if watched else None,
                    "t0": score.t0,
                    "t1": score.t1,
                    "square": list(score.crop.square),
                    "roll": math.degrees(score.crop.roll),
                    "logit": score.logit,
                    "probability": self._detector.engine.info.calibration.probability(score.logit),
                    "running": running[0] if running else None,
                    "interval": list(running[1]) if running else None,
                    "verdict": str(self.board.verdict(running)),
                    "delay": round(self.board.delay, 3),
                }
            )

    def _emit_source_events(self) -> None:
        """Emit the messages on the connection, and the number of dropped frames if it has changed."""
        for note in self._pump.notes():
            self.board.notes.append(note)
            self._emit({"event": "source", "at": self.board.at, "message": note})
        dropped, share = self.board.dropped
        if dropped > self._emitted_dropped:
            self._emit({"event": "dropped", "at": self.board.at, "pictures": dropped, "share": round(share, 4)})
            self._emitted_dropped = dropped

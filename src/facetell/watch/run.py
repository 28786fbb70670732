"""Score a live source while it runs, in bounded memory and with bounded delay."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facetell.detector import ClipStream, Detector
from facetell.faces.quality import LEAST_CLIPS, FaceMotion, Flaws, flaws_of, why_unfit
from facetell.tracks import PENDING
from facetell.types import Clip, ClipScore, Face, Status, Verdict, why_failed
from facetell.verdict import low_rate, read_verdict, slow_rate, unclear
from facetell.watch.pump import Pump, Waiting

BEHIND = 0.5  # seconds; between clips, if the frame in work is older, the frames that wait are dropped
TICK = 0.2  # seconds between updates of the view
LATEST_CLIPS = 24  # of a face, by which motion, noise and blur are measured
Running = tuple[float, tuple[float, float], bool]  # probability, interval, whether the face is clear
Highest = tuple[float, float, int, int, list[float]]  # probability, time in seconds, numbers of face and clips, flaws


@dataclass(slots=True)
class WatchedFace:
    """One face: its number, the times in seconds of its first and latest view, and its clips in the window."""

    number: int
    first: float
    last: float
    unfit: Status | None = None  # why its latest clip was not scored
    motion: FaceMotion = field(default_factory=lambda: FaceMotion(LATEST_CLIPS))
    flaws_of_clips: deque[Flaws] = field(default_factory=lambda: deque(maxlen=LATEST_CLIPS))
    clips: deque[ClipScore] = field(default_factory=deque)
    highest: Highest | None = None

    @property
    def flaws(self) -> Flaws:
        """The median of the latest clips; zeros without one."""
        return np.median([*self.flaws_of_clips] or [np.zeros(2)], axis=0)


class Watcher:
    """Takes frames from a pump, scores clips in a thread, and keeps the faces of the last ``window`` seconds.

    ``emit`` is called with each event, see docs/watching.md.
    """

    def __init__(
        self, detector: Detector, pump: Pump, window: float, emit: Callable[[dict[str, Any]], None] = lambda event: None
    ) -> None:
        self._detector, self.pump, self.window, self._emit = detector, pump, window, emit
        self._info = detector.engine.info
        self.note = ""  # latest message on the connection
        self.at = 0.0  # time of the latest frame in seconds
        self.delay = self.most_delay = 0.0  # seconds from a clip's last frame to its score: the latest, the largest
        self.seen = self.scored = 0  # faces and clips so far
        self.unfit: Counter[Status] = Counter()  # clips that were not scored, by reason
        self.faces: dict[tuple[int, int], WatchedFace] = {}  # by connection and track, in order of appearance
        self._slow: Counter[float] = Counter()  # clips by frame rate, where that was low
        self._highest: Highest | None = None  # of faces that were removed, or are known to move
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model")
        # Score, connection and track, shift from the times of the connection to those since the start, arrival of the
        # last frame; that frame itself takes memory and is not kept.
        self._scoring: deque[tuple[Future[ClipScore], tuple[int, int], float, float]] = deque()
        # A bound on the clips of a face holds for each window.
        most, rate = detector.settings.max_clips, detector.settings.clips_per_second
        self._period = max(1 / rate, window / most) if most else 1 / rate
        self._stream: ClipStream | None = None
        self._session = -1
        self._emitted_dropped = 0
        self._stopped = False

    def run(self, show: Callable[[Watcher], None] = lambda watcher: None, fast: bool = False) -> None:
        """Run until the source ends, or :meth:`stop`; ``show`` is called several times a second."""
        self.pump.start()
        shown = -1.0
        while not self.pump.done and not self._stopped:
            self.step(fast)
            if time.monotonic() - shown >= TICK:
                shown = time.monotonic()
                show(self)
        self.close()
        show(self)

    def stop(self) -> None:
        """Make :meth:`run` end after the current frame; may be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Stop reading, wait for the clips that are being scored, and emit their events."""
        self.pump.close()
        self._collect(0)
        self._emit_source_events()
        self._pool.shutdown()

    def step(self, fast: bool = False) -> None:
        """Process one frame, if one comes within :data:`TICK` seconds."""
        item = self.pump.get(TICK)
        self._collect(PENDING)
        self._emit_source_events()
        if item is None:
            return
        if item.session != self._session or self._stream is None:
            self._session, self._stream = item.session, ClipStream(self._detector, item.info.fps, self._period)
        self.at = item.at
        try:
            look = self._stream.push(item.raw)
        except Exception as error:
            self._fail(error, "a frame")
            return
        if look is not None:
            self._update(item, look.faces)
            for clip in look.clips:
                self._score(clip, item)
        # Between clips: dropping frames would lose a clip that has begun.
        if not fast and not self._stream.gathering and time.monotonic() - item.arrived > BEHIND:
            self.pump.flush(item.at)

    def _fail(self, error: Exception, what: str) -> None:
        """End with an error; the scores so far are reported."""
        self.pump.end(why_failed(error, what), True)
        self.stop()

    def _update(self, item: Waiting, faces: Mapping[int, Face]) -> None:
        """Add the faces that are seen in a frame; remove faces and clips that are older than the window."""
        for track in faces:
            if (item.session, track) not in self.faces:
                self.seen += 1
                self.faces[item.session, track] = WatchedFace(self.seen, self.at, self.at)
            self.faces[item.session, track].last = self.at
        for key, watched in list(self.faces.items()):
            if self.at - watched.last > self.window:
                self._settle(watched)
                del self.faces[key]
            while watched.clips and self.at - watched.clips[0].t1 > self.window:
                watched.clips.popleft()

    def _score(self, clip: Clip, item: Waiting) -> None:
        """Begin to score a clip, if that is possible."""
        key = item.session, clip.track_id
        watched = self.faces[key]
        small = clip.face_width < self._info.min_face_width
        watched.unfit = Status.FACE_TOO_SMALL if small else why_unfit(clip.frames, clip.crop.roll, watched.motion)
        if watched.unfit is not None:
            self.unfit[watched.unfit] += 1
            return
        watched.flaws_of_clips.append(flaws_of(clip.frames[len(clip.frames) // 2]))
        self._collect(PENDING - 1)
        future = self._pool.submit(self._detector.score, clip)
        self._scoring.append((future, key, item.at - item.raw.time, item.arrived))

    def _collect(self, most: int) -> None:
        """Take the scores that are ready; wait until no more than ``most`` are outstanding."""
        while self._scoring and (self._scoring[0][0].done() or len(self._scoring) > most):
            future, key, shift, arrived = self._scoring.popleft()
            try:
                score = future.result()
            except Exception as error:
                self._fail(error, "a clip")
                continue
            score = replace(score, t0=score.t0 + shift, t1=score.t1 + shift)
            self.scored += 1
            self.delay = time.monotonic() - arrived
            self.most_delay = max(self.most_delay, self.delay)
            if rate := slow_rate(score.t0, score.t1, self._info):
                self._slow[float(f"{rate:.3g}")] += 1  # rounded, so that there are few keys
            watched = self.faces.get(key)  # None if it was removed meanwhile
            running = self._add(watched, score) if watched else None
            self._emit(
                {
                    "event": "clip",
                    "face": watched.number if watched else None,
                    "t0": score.t0,
                    "t1": score.t1,
                    "square": list(score.crop.square),
                    "roll": math.degrees(score.crop.roll),
                    "logit": score.logit,
                    "probability": score.probability,
                    "running": running[0] if running else None,
                    "interval": list(running[1]) if running else None,
                    "verdict": str(self.verdict(running)),
                    "delay": round(self.delay, 3),
                    "behind": round(self.pump.behind, 3),
                }
            )

    def _add(self, watched: WatchedFace, score: ClipScore) -> Running | None:
        """Add a score to its face; returns the running score."""
        watched.clips.append(score)
        if (running := self.running(watched)) is None:  # it takes some clips to find that a face does not move
            watched.unfit = Status.NO_MOTION
            self.unfit[Status.NO_MOTION] += 1
            return None
        latest = (running[0], score.t1, watched.number, len(watched.clips), watched.flaws.tolist())
        watched.highest = max(latest, watched.highest or latest)
        if len(watched.motion.within) >= LEAST_CLIPS:
            self._settle(watched)
        return running

    def _settle(self, watched: WatchedFace) -> None:
        if watched.highest and not watched.motion.is_absent:
            self._highest = max(watched.highest, self._highest or watched.highest)

    def _emit_source_events(self) -> None:
        """Emit the messages on the connection, and the number of dropped frames if it has changed."""
        while self.pump.notes:
            self.note = self.pump.notes.popleft()
            self._emit({"event": "source", "at": self.at, "message": self.note})
        dropped, share = self.dropped
        if dropped > self._emitted_dropped:
            self._emit({"event": "dropped", "at": self.at, "pictures": dropped, "share": round(share, 4)})
            self._emitted_dropped = dropped

    def running(self, face: WatchedFace) -> Running | None:
        """The running score; None without clips, or if the face does not move."""
        if not face.clips or face.motion.is_absent:
            return None
        logits = [clip.logit for clip in face.clips]
        calibration = self._info.calibration
        probability, interval = calibration.probability(sum(logits) / len(logits)), calibration.interval(logits)
        return probability, interval, not unclear(face.flaws)

    def decides(self) -> Running | None:
        """The running score that decides now: the highest one that is forged, else the highest."""
        found = filter(None, map(self.running, self.faces.values()))
        return max(found, key=lambda one: (self.verdict(one) is Verdict.FORGED, *one), default=None)

    @property
    def highest(self) -> Highest | None:
        """The highest running probability so far, of the faces that move."""
        moving = (face.highest for face in self.faces.values() if not face.motion.is_absent)
        return max(filter(None, (self._highest, *moving)), default=None)

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged", for the number of faces with a score now."""
        return self._detector.threshold_of(max(1, sum(self.running(face) is not None for face in self.faces.values())))

    def verdict(self, running: Running | None) -> Verdict:
        """The verdict on a running score."""
        return read_verdict(*running[:2], self.threshold, running[2]) if running else Verdict.NONE

    @property
    def dropped(self) -> tuple[int, float]:
        """Number of frames dropped so far, and their share."""
        return self.pump.dropped, self.pump.dropped / max(1, self.pump.read)

    def totals(self) -> dict[str, Any]:
        """The fields of the last event; ``warnings`` as of ``detect`` on damage, a low frame rate, noise and blur."""
        dropped, share = self.dropped
        slow = low_rate([*self._slow.elements()], self.scored, self._info)
        return {
            "clips": self.scored,
            "dropped": dropped,
            "share": round(share, 4),
            "most_delay": round(self.most_delay, 3),
            "warnings": [*self.pump.errors, *slow, *(unclear(self.highest[-1]) if self.highest else ())],
        }

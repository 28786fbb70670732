"""The state of a watch: the faces in view with their latest scores, and totals."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from facetell.engine.info import Calibration, ModelInfo
from facetell.faces.quality import LEAST_CLIPS, FaceMotion, why_unfit
from facetell.types import Clip, Face, Status, Verdict
from facetell.verdict import ScoredClip, low_rate, read_verdict, slow_rate
from facetell.watch.pump import Pump

RECENT = 24  # scores that are drawn
QUIET = 2.0  # seconds without a frame that are reported
Running = tuple[float, tuple[float, float]]
"""Probability and interval over the clips of the window."""
Highest = tuple[float, float, int, int]
"""A running probability, the time at which it was reached in seconds, the face's number, the number of clips."""


@dataclass(slots=True)
class Watched:
    """One face: its number, the times in seconds of its first and latest view, its clips and latest scores."""

    number: int
    first: float
    last: float
    width: float = 0.0
    unfit: Status | None = None  # why its latest clip was not scored
    reasons: set[Status] = field(default_factory=set)  # why clips were not scored so far
    motion: FaceMotion = field(default_factory=lambda: FaceMotion(RECENT))
    clips: deque[ScoredClip] = field(default_factory=deque)  # of the window
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    highest: Highest | None = None

    def running(self, calibration: Calibration) -> Running | None:
        """Return the running probability and interval; None without clips, or if the face does not move."""
        if not self.clips or self.motion.is_absent:
            return None
        logits = [clip.logit for clip in self.clips]
        return calibration.probability(sum(logits) / len(logits)), calibration.interval(logits)


class Board:
    """The faces that were seen in the last ``window`` seconds, and what else is shown of a watch.

    Attributes:
        name: of the source.
        at: time of the latest frame in seconds.
        seen, scored: numbers of faces and of clips, so far.
        unfit: number of faces with a clip that was not scored, by reason.
        delay, most_delay: seconds from the arrival of a clip's last frame to its score: the latest, and the largest.
        notes: latest messages on the connection.
    """

    def __init__(
        self, name: str, window: float, info: ModelInfo, threshold_of: Callable[[int], float], pump: Pump
    ) -> None:
        self.name, self.window, self._info, self._threshold_of, self._pump = name, window, info, threshold_of, pump
        self.at = self.delay = self.most_delay = 0.0
        self.seen = self.scored = 0
        self.unfit: Counter[Status] = Counter()
        self.notes: deque[str] = deque(maxlen=3)
        self._slow: Counter[float] = Counter()  # clips by frame rate, where that was low
        self._faces: dict[tuple[int, int], Watched] = {}  # by number of the connection and of the track
        self._highest: Highest | None = None  # of faces that were removed, or are known to move

    @property
    def faces(self) -> list[Watched]:
        """The faces, in the order in which they were first seen."""
        return sorted(self._faces.values(), key=lambda face: face.number)

    def running(self, face: Watched) -> Running | None:
        """Return the running probability and interval of a face; None where there is no score."""
        return face.running(self._info.calibration)

    def most_suspect(self) -> Running | None:
        """Return probability and interval of the face with the highest probability now."""
        return max((running for face in self._faces.values() if (running := self.running(face))), default=None)

    @property
    def highest(self) -> Highest | None:
        """The highest running probability so far, of the faces that move."""
        moving = (face.highest for face in self._faces.values() if not face.motion.is_absent)
        return max(filter(None, (self._highest, *moving)), default=None)

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged", for the number of faces with a score now."""
        return self._threshold_of(max(1, sum(self.running(face) is not None for face in self._faces.values())))

    def verdict(self, running: Running | None) -> Verdict:
        """Return the verdict on a running probability and interval."""
        return read_verdict(*running, self.threshold) if running else Verdict.NONE

    @property
    def dropped(self) -> tuple[int, float]:
        """Number of frames dropped so far, and their share."""
        return self._pump.dropped, self._pump.dropped / max(1, self._pump.read + self._pump.undecoded)

    @property
    def quiet(self) -> float:
        """Seconds since the last frame came, if they are many; else 0."""
        silent = time.monotonic() - self._pump.arrived
        return silent if silent > QUIET and self._pump.ended is None else 0.0

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings of ``detect`` on damage and on a low frame rate."""
        return (*self._pump.errors, *low_rate([*self._slow.elements()], self.scored, self._info))

    def look(self, session: int, now: float, faces: dict[int, Face]) -> None:
        """Add the faces that are seen at ``now`` seconds; remove faces and clips that are older than the window."""
        self.at = now
        for track, face in faces.items():
            if (session, track) not in self._faces:
                self.seen += 1
                self._faces[session, track] = Watched(self.seen, now, now)
            watched = self._faces[session, track]
            watched.last, watched.width = now, face.pose.width
        for key, watched in list(self._faces.items()):
            if now - watched.last > self.window:
                self._settle(watched)
                del self._faces[key]
            while watched.clips and now - watched.clips[0].t1 > self.window:
                watched.clips.popleft()

    def accept(self, session: int, clip: Clip) -> bool:
        """Whether a clip can be scored; else count the reason. Its face is in view."""
        watched = self._faces[session, clip.track_id]
        reason: Status | None = Status.FACE_TOO_SMALL
        if clip.face_width >= self._info.min_face_width:
            reason = why_unfit(clip.frames, clip.crop.roll, watched.motion)
        if reason is not None:
            self._note(watched, reason)
        return reason is None

    def add(self, session: int, track: int, clip: ScoredClip, delay: float) -> Watched | None:
        """Add a score to its face; None if the face was removed."""
        self.scored += 1
        self.delay, self.most_delay = delay, max(self.most_delay, delay)
        if rate := slow_rate(clip.t0, clip.t1, self._info):
            self._slow[float(f"{rate:.3g}")] += 1  # rounded, so that there are few keys
        watched = self._faces.get((session, track))
        if watched is None:
            return None
        watched.clips.append(clip)
        watched.recent.append(self._info.calibration.probability(clip.logit))
        running = self.running(watched)
        if running is None:  # it takes some clips to find that a face does not move
            self._note(watched, Status.NO_MOTION)
            return watched
        watched.unfit = None
        latest = (running[0], clip.t1, watched.number, len(watched.clips))
        watched.highest = max(latest, watched.highest or latest)
        if len(watched.motion.within) >= LEAST_CLIPS:
            self._settle(watched)
        return watched

    def _note(self, watched: Watched, reason: Status) -> None:
        watched.unfit = reason
        self.unfit[reason] += reason not in watched.reasons
        watched.reasons.add(reason)

    def _settle(self, watched: Watched) -> None:
        if watched.highest and not watched.motion.is_absent:
            self._highest = max(watched.highest, self._highest or watched.highest)

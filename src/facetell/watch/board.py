"""The faces that a live source shows: their latest scores, and totals."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from facetell.engine.info import Calibration
from facetell.faces.quality import LEAST_CLIPS, FaceMotion, why_unfit
from facetell.types import Clip, Face, Status
from facetell.verdict import ScoredClip

RECENT = 24  # scores that are drawn
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

    @property
    def is_scored(self) -> bool:
        """Whether there is a score: there are clips, and the face moves."""
        return bool(self.clips) and not self.motion.is_absent

    def running(self, calibration: Calibration) -> tuple[float, tuple[float, float]] | None:
        """Return probability and interval over the clips of the window; None where there is no score."""
        if not self.is_scored:
            return None
        logits = [clip.logit for clip in self.clips]
        return calibration.probability(sum(logits) / len(logits)), calibration.interval(logits)


class Board:
    """The faces that were seen in the last ``window`` seconds.

    Attributes:
        seen, scored: numbers of faces and of clips, so far.
        unfit: number of faces with a clip that was not scored, by reason.
    """

    def __init__(self, calibration: Calibration, window: float) -> None:
        self._calibration, self.window = calibration, window
        self._faces: dict[tuple[int, int], Watched] = {}  # by number of the connection and of the track
        self.seen = self.scored = 0
        self.unfit: Counter[Status] = Counter()
        self._highest: Highest | None = None  # of faces that were removed, or are known to move

    @property
    def faces(self) -> list[Watched]:
        """The faces, in the order in which they were first seen."""
        return sorted(self._faces.values(), key=lambda face: face.number)

    def look(self, session: int, now: float, faces: dict[int, Face]) -> None:
        """Add the faces that are seen at ``now`` seconds; remove faces and clips that are older than the window."""
        for track, face in faces.items():
            key = (session, track)
            if key not in self._faces:
                self.seen += 1
                self._faces[key] = Watched(self.seen, now, now)
            self._faces[key].last, self._faces[key].width = now, face.pose.width
        for key, watched in list(self._faces.items()):
            if now - watched.last > self.window:
                self._settle(watched)
                del self._faces[key]
                continue
            while watched.clips and now - watched.clips[0].t1 > self.window:
                watched.clips.popleft()

    def accept(self, session: int, clip: Clip, least_width: float) -> bool:
        """Whether a clip can be scored; else count the reason. Its face is in view."""
        watched = self._faces[session, clip.track_id]
        if clip.face_width < least_width:
            reason: Status | None = Status.FACE_TOO_SMALL
        else:
            reason = why_unfit(clip.frames, clip.crop.roll, watched.motion)
        if reason is not None:
            self._note(watched, reason)
        return reason is None

    def add(self, session: int, track: int, clip: ScoredClip) -> Watched | None:
        """Add a score to its face; None if the face was removed."""
        watched = self._faces.get((session, track))
        self.scored += 1
        if watched is None:
            return None
        watched.clips.append(clip)
        watched.recent.append(self._calibration.probability(clip.logit))
        running = watched.running(self._calibration)
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

    @property
    def highest(self) -> Highest | None:
        """The highest running probability so far, of the faces that move."""
        moving = (watched.highest for watched in self._faces.values() if not watched.motion.is_absent)
        return max(filter(None, (self._highest, *moving)), default=None)

    def most_suspect(self) -> tuple[float, tuple[float, float]] | None:
        """Return probability and interval of the face with the highest probability now."""
        return max((r for face in self._faces.values() if (r := face.running(self._calibration))), default=None)

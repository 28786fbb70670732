"""What is known of the faces of a live source: of each the last seconds, of all together a few numbers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from facetell.engine.info import Calibration
from facetell.types import Face
from facetell.verdict import ScoredClip

RECENT = 24  # scores that are drawn
Key = tuple[int, int]


@dataclass(slots=True)
class Watched:
    """One face: when it was first and last seen, the clips of the last seconds, its latest scores."""

    number: int
    first: float
    last: float
    width: float = 0.0
    small: bool = False  # now
    was_small: bool = False  # at some time
    clips: deque[ScoredClip] = field(default_factory=deque)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def running(self, calibration: Calibration) -> tuple[float, tuple[float, float]] | None:
        """Probability and interval over the clips that are kept, or None where there is none."""
        logits = [clip.logit for clip in self.clips]
        if not logits:
            return None
        return calibration.probability(sum(logits) / len(logits)), calibration.interval(logits)


class Board:
    """The faces that were seen in the last ``window`` seconds; older ones are forgotten, but counted."""

    def __init__(self, calibration: Calibration, window: float) -> None:
        self._calibration, self.window = calibration, window
        self._faces: dict[Key, Watched] = {}
        self.seen = self.scored = self.smalls = 0  # faces, clips, faces that were too small at some time
        self.highest: tuple[float, float, int, int] | None = None  # probability, when, face, over how many clips

    @property
    def faces(self) -> list[Watched]:
        """Those that are kept, the first seen first."""
        return sorted(self._faces.values(), key=lambda face: face.number)

    def look(self, session: int, now: float, faces: dict[int, Face]) -> None:
        """Note who is seen at ``now`` seconds, and forget who has not been for long."""
        for track, face in faces.items():
            key = (session, track)
            if key not in self._faces:
                self.seen += 1
                self._faces[key] = Watched(self.seen, now, now)
            self._faces[key].last, self._faces[key].width = now, face.pose.width
        for key, watched in list(self._faces.items()):
            if now - watched.last > self.window:
                del self._faces[key]
                continue
            while watched.clips and now - watched.clips[0].t1 > self.window:
                watched.clips.popleft()

    def add(self, session: int, track: int, clip: ScoredClip) -> Watched | None:
        """Add a score; None if the face has been forgotten."""
        watched = self._faces.get((session, track))
        self.scored += 1
        if watched is None:
            return None
        watched.clips.append(clip)
        watched.small = False
        watched.recent.append(self._calibration.probability(clip.logit))
        running = watched.running(self._calibration)
        if running and (self.highest is None or running[0] > self.highest[0]):
            self.highest = (running[0], clip.t1, watched.number, len(watched.clips))
        return watched

    def too_small(self, session: int, track: int) -> None:
        """Note that a face is too small to be scored."""
        watched = self._faces.get((session, track))
        if watched is None:
            return
        self.smalls += not watched.was_small
        watched.small = watched.was_small = True

    def most_suspect(self) -> tuple[float, tuple[float, float]] | None:
        """Probability and interval of the most suspect face."""
        return max((r for face in self._faces.values() if (r := face.running(self._calibration))), default=None)

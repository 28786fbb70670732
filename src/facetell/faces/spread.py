"""Choose a bounded number of evenly spaced clips of a face while clips arrive and their final number is unknown.

The clips of a face are numbered from 0. Of n clips every ``step``-th is chosen, starting with the first; ``step`` is
the smallest power of two that leaves at most ``most``, so at least half of ``most`` are chosen of more clips than that.
The choice depends on n alone. When n grows, ``step`` doubles and every second clip is dropped; a dropped clip is never
needed again, so no more than ``most`` are held.

The choice does not depend on the scores: clips added where a score is uncertain would bias the mean on which the
calibration is fitted, and would not be the evenly spaced series that the interval assumes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from facetell.types import Clip


def step_of(clips: float, most: int) -> float:
    """Every how many of ``clips`` (>= 0, may be infinite) one is chosen so that at most ``most`` are; 0 for all.

    >>> [step_of(clips, 16) for clips in (16, 17, 240, 3600)]
    [1, 2, 16, 256]
    """
    if not most or clips <= most:
        return 1
    return clips if clips == math.inf else 1 << (math.ceil(clips / most) - 1).bit_length()


def clips_between(t0: float, t1: float, rate: float) -> float:
    """Number of clips of a face that can follow that of ``t0`` up to ``t1`` seconds, at ``rate`` clips per second.

    >>> clips_between(0.5, 10.0, 1.0), clips_between(0.5, math.inf, 1.0)
    (10, inf)
    """
    return max(0, math.floor(t1 * rate) - math.floor(t0 * rate)) if t1 < math.inf else math.inf


@dataclass(slots=True)
class Spread:
    """The choice among the clips of one face; ``seen`` counts its clips, ``most`` may be chosen (0: all)."""

    most: int = 0
    seen: int = 0
    _held: dict[int, Clip] = field(default_factory=dict)

    @property
    def step(self) -> float:
        """Every how many of the clips so far one is chosen."""
        return step_of(self.seen, self.most)

    def add(self, clip: Clip, to_come: float = math.inf) -> dict[int, Clip]:
        """Add the next clip in order of time, which is held as long as it may be chosen.

        Returns the clip by its number if it is chosen whatever follows, so that it can be scored at once; else nothing.
        ``to_come`` is the largest number of clips that will follow. It decides when a clip is scored, not which.
        """
        number, before = self.seen, self.step
        self.seen += 1
        step = self.step
        if step != before:
            self._held = {earlier: held for earlier, held in self._held.items() if earlier % step == 0}
        if number % step_of(self.seen + to_come, self.most) == 0:
            return {number: clip}
        if number % step == 0:
            self._held[number] = clip
        return {}

    def release(self) -> dict[int, Clip]:
        """Return the clips that are held, by number, and hold them no longer: no further clip will follow."""
        held, self._held = self._held, {}
        return held

    @property
    def holds(self) -> bool:
        """Whether any clip is held."""
        return bool(self._held)

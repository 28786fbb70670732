"""Choose a bounded number of a face's clips, evenly spaced, while the clips come in and nobody knows how many will.

The clips of a face are numbered from 0. Of n clips every ``step``-th is chosen, from the first on; ``step`` is the
smallest power of two that leaves at most ``most``. So all of up to ``most`` clips are chosen, and of more at least half
of ``most``. The choice depends on n alone. As n grows, ``step`` doubles now and then and every second clip is dropped:
one that was dropped is never needed again, and no more than ``most`` are held.

The choice is even and does not follow the scores. Clips added where a score is uncertain would bias the mean, on which
the calibration is fitted, and would not be the evenly spaced series that the interval is computed for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from facetell.types import Clip


def step_of(clips: float, most: int) -> float:
    """Every how many of so many clips is chosen: a power of two, or infinity.

    Args:
        clips: how many there are, >= 0; infinity where there may be any number.
        most: how many may be chosen, >= 0; 0 for all.

    >>> [step_of(clips, 16) for clips in (16, 17, 240, 3600)]
    [1, 2, 16, 256]
    """
    if not most or clips <= most:
        return 1
    return clips if clips == math.inf else 1 << (math.ceil(clips / most) - 1).bit_length()


def clips_between(t0: float, t1: float, rate: float) -> float:
    """How many clips of a face can follow that of ``t0`` up to ``t1``, in seconds, at ``rate`` clips a second.

    >>> clips_between(0.5, 10.0, 1.0), clips_between(0.5, math.inf, 1.0)
    (10, inf)
    """
    return max(0, math.floor(t1 * rate) - math.floor(t0 * rate)) if t1 < math.inf else math.inf


@dataclass(slots=True)
class Spread:
    """The choice among the clips of one face.

    Args:
        most: see :func:`step_of`.

    Attributes:
        seen: clips so far.
    """

    most: int = 0
    seen: int = 0
    _held: dict[int, Clip] = field(default_factory=dict)

    @property
    def step(self) -> float:
        """Every how many of the clips so far is chosen."""
        return step_of(self.seen, self.most)

    def add(self, clip: Clip, to_come: float = math.inf) -> dict[int, Clip]:
        """Add the next clip.

        Args:
            clip: in order of time.
            to_come: clips that will follow it at most. It decides when a clip is scored, not which.

        Returns:
            By number, the clip itself if it will be chosen however many follow: it can be scored at once. Otherwise
            nothing; the clip is held as long as it may be chosen.
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
        """The clips that are held, by number, which are held no longer: the face is gone."""
        held, self._held = self._held, {}
        return held

    @property
    def holds(self) -> bool:
        """Whether any clip is held."""
        return bool(self._held)

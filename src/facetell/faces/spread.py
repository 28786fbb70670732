"""Choose a bounded number of evenly spaced clips of a face while its video is read and its length is unknown.

Time is divided into periods, each of which could give one clip. They are numbered from the one of the face's first clip
and joined to cells of ``step`` periods. A cell needs one clip: once it has one, no further clip of it is cropped. If
more than :func:`limit` cells have a clip that can be scored, ``step`` doubles: pairs of cells are merged and keep the
earlier clip. So up to ``FEW`` clips all are chosen, at least half of that where there were more, and at most ``most``.

The choice does not depend on the scores (``docs/scanning.md``, "The number of scored clips").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from facetell.types import Clip

FEW, FAR = 8, 8  # at most so many clips are chosen while they are less than so many periods apart


def limit(step: float, most: int) -> int:
    """Largest number of clips that are chosen ``step`` periods apart: more of nearby ones change hardly anything."""
    return most if step >= FAR else min(most, FEW)


def step_of(periods: float, most: int) -> float:
    """Periods of a cell where each of ``periods`` (>= 1, may be infinite) can give a clip and ``most`` are chosen.

    It is the smallest power of two that is sufficient; 1 where ``most`` is 0 (all are chosen).

    >>> [step_of(periods, 16) for periods in (8, 9, 60, 128, 240, 3600)]
    [1, 2, 8, 8, 16, 256]
    """
    if not most or periods == math.inf:
        return periods if most else 1
    step = 1
    while periods > step * limit(step, most):
        step *= 2
    return step


@dataclass(slots=True)
class Spread:
    """The choice among the clips of one face, by the number of their period; ``most`` may be chosen (0: all)."""

    most: int = 0
    step: int = 1
    chosen: list[int] = field(default_factory=list)
    """The periods of the chosen clips so far, ascending, from 0 for that of the first clip, usable or not."""
    held: dict[int, Clip] = field(default_factory=dict)
    """Clips that may be dropped, by their period as in ``chosen``."""
    _first: int | None = None  # number of the period of the first clip
    _closed: int = -1  # the latest period with a clip, from the first one
    _passed: int = -1  # the latest period that is counted, from the first one

    def wants(self, period: int) -> bool:
        """Whether a clip of a period is needed, by the number of the period; periods ascend."""
        return period >= self.next_wanted

    @property
    def next_wanted(self) -> float:
        """Number of the first period of which a clip is needed; -inf before the first clip."""
        return -math.inf if self._first is None else self._first + (self._closed // self.step + 1) * self.step

    def passes(self, period: int) -> int:
        """Number of the periods up to this one of which no clip is needed, each counted once."""
        if self._first is None:
            return 0
        before = self._passed
        self._passed = max(before, min(period - self._first, int(self.next_wanted) - 1 - self._first))
        return self._passed - before

    def close(self, period: int) -> int:
        """Note that the cell of a period has a clip, usable or not; returns the period counted from the first one."""
        if self._first is None:
            self._first = period
        self._closed = self._passed = period - self._first
        return self._closed

    def add(self, clip: Clip, period: int, last: float = math.inf) -> dict[int, Clip]:
        """Add a clip that can be scored, of a period that was wanted; it is held as long as it may be chosen.

        Returns the clip by its period if it is chosen whatever follows; else nothing. ``last``, the last period that
        may give a clip, decides when a clip is scored, not which.
        """
        number = self.close(period)
        largest = step_of(number + 1 + max(0, last - period), self.most)
        is_certain = not self.chosen or self.chosen[-1] // largest < number // largest
        self.chosen.append(number)
        if not is_certain:
            self.held[number] = clip
        while self.most and len(self.chosen) > limit(self.step, self.most):
            self.step *= 2
            first = {number // self.step: number for number in reversed(self.chosen)}
            self.chosen = sorted(first.values())
        self.held = {earlier: held for earlier, held in self.held.items() if earlier in self.chosen}
        return {number: clip} if is_certain else {}

    def release(self) -> dict[int, Clip]:
        """Return the clips that are held, by period, and hold them no longer: no further clip will follow."""
        held, self.held = self.held, {}
        return held

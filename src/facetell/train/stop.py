"""When a run has to end early: a signal, or the end of the time that it was given."""

from __future__ import annotations

import math
import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self


class Stop:
    """Within ``with``, the first SIGTERM or SIGINT asks for a stop at the end of the step in hand.

    Args:
        minutes: after which to stop as well; infinite for no limit.
    """

    def __init__(self, minutes: float = math.inf) -> None:
        self._until = time.monotonic() + 60 * minutes
        self._old: dict[int, Any] = {}
        self.reason = ""

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def asked(self, ahead: float = 0.0) -> bool:
        """Whether to stop now; ``ahead`` is how many seconds the next step will take."""
        if not self.reason and time.monotonic() + ahead >= self._until:
            self.reason = "the time is up"
        return bool(self.reason)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.reason = "it was asked to stop"
        signal.signal(number, self._old[number])  # a second one ends it at once

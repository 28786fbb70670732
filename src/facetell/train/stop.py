"""Stop training at a signal or when the time limit is reached."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from facetell.runtime import on_stop


class Stop:
    """Within ``with``, the first SIGINT, SIGTERM or SIGHUP asks for a stop at the end of the current step.

    Args:
        minutes: time limit, after which to stop as well; infinite for no limit.
    """

    def __init__(self, minutes: float = math.inf) -> None:
        self._until = time.monotonic() + 60 * minutes
        self._signals: AbstractContextManager[None] = on_stop(self._note)
        self.reason = ""

    def __enter__(self) -> Self:
        self._signals.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._signals.__exit__(None, None, None)

    def asked(self, ahead: float = 0.0) -> bool:
        """Whether to stop now; ``ahead`` is the expected duration of the next step in seconds."""
        if not self.reason and time.monotonic() + ahead >= self._until:
            self.reason = "the time is up"
        return bool(self.reason)

    def _note(self, name: str) -> None:
        self.reason = "it was asked to stop"

"""Stop training on SIGTERM, SIGINT or SIGHUP, or when the time limit is reached."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import Self

from facetell.runtime import on_stop


class Stop(ExitStack):
    """Within ``with``, the first SIGINT, SIGTERM or SIGHUP requests a stop at the end of the current step.

    Args:
        minutes: time limit, after which to stop as well; infinite for no limit.
    """

    def __init__(self, minutes: float = math.inf) -> None:
        super().__init__()
        self._until = time.monotonic() + 60 * minutes
        self.reason = ""

    def __enter__(self) -> Self:
        self.enter_context(on_stop(self._note))
        return self

    def asked(self, ahead: float = 0.0) -> bool:
        """Whether to stop now; ``ahead`` is the expected duration of the next step in seconds."""
        if not self.reason and time.monotonic() + ahead >= self._until:
            self.reason = "the time limit is reached"
        return bool(self.reason)

    def _note(self, name: str) -> None:
        self.reason = "it was asked to stop"

"""The progress of all verbs on standard error: a bar on a terminal, elsewhere lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetell.report.words import one_line, shortened
from facetell.runtime import check_interrupted

if TYPE_CHECKING:
    from facetell.batch.run import Progress as State

COLUMNS = (
    TextColumn("{task.description}", markup=False),  # a name may look like markup
    BarColumn(),
    TextColumn("{task.fields[note]}"),
    TimeElapsedColumn(),
    TextColumn("left:"),
    TimeRemainingColumn(elapsed_when_finished=False),
)
EVERY = 60.0  # seconds between lines where there is no terminal


class Bar:
    """A progress bar, to be used in ``with``. ``step`` is shown until there is a name."""

    quiet: ClassVar[bool] = False  # set from the command line for all bars
    verbose: ClassVar[bool] = False

    def __init__(self, step: str, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._step, self._name = step, ""
        self._since = self._printed = time.monotonic()
        hidden = self.quiet or not self.console.is_terminal
        self._bar = Progress(*COLUMNS, console=self.console, transient=True, disable=hidden)
        self._task = self._bar.add_task(step, total=None, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._bar.stop()

    def update(self, done: float, total: float | None, note: str = "", name: str = "") -> None:
        """Show how much is done, a note, and a name."""
        check_interrupted()  # Python and PyAV drop exceptions that are raised while a generator is closed
        shown = shortened(name or self._step, 40)
        self._bar.update(self._task, completed=done, total=total, note=note, description=shown)
        if self.verbose and not self.console.is_terminal and name not in ("", self._name):
            self._name = name
            self.print(f"{self._step} {note} {name}")

    def videos(self, state: State) -> None:
        """Show the state of a run, without videos of an earlier one, which would make the time left too short."""
        now = time.monotonic()
        if state.step != self._step:
            self._step, self._since = state.step, now
            self._bar.reset(self._task, total=None, completed=0)
        videos, of = state.done - state.found, state.total - state.found
        note = (f"{videos}/{of}" if of else f"{videos}") + (f", {state.failed} not readable" if state.failed else "")
        # By bytes where they are known, since one video may be as long as a thousand others.
        done, total = (state.read, state.size) if state.size else (videos, of)
        self.update(done, total or None, note, state.last)
        if not (self.console.is_terminal or self.verbose or self.quiet) and done and now - self._printed >= EVERY:
            self._printed, left = now, round((now - self._since) * (total - done) / done / 60)
            self.print(f"{self._step} {note}, {left // 60} h {left % 60} min left")

    def print(self, message: str) -> None:
        """Print a message above the bar."""
        self.console.print(one_line(message), markup=False, highlight=False, soft_wrap=True)

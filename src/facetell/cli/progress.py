"""The progress bar of all verbs, on standard error; where that is not a terminal, lines if ``--verbose`` is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetell.report.words import one_line, shortened

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


class Bar:
    """A progress bar, to be used in ``with``. ``step`` is shown until there is a name."""

    quiet: ClassVar[bool] = False  # set from the command line for all bars
    verbose: ClassVar[bool] = False

    def __init__(self, step: str, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._step = step
        hidden = self.quiet or not self.console.is_terminal
        self._bar = Progress(*COLUMNS, console=self.console, transient=True, disable=hidden)
        self._name = ""
        self._task = self._bar.add_task(step, total=None, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._bar.stop()

    def begin(self, step: str) -> None:
        """Begin another step: the time left is estimated again."""
        self._step = step
        self._bar.reset(self._task, total=None, completed=0)

    def update(self, done: float, total: float | None, note: str = "", name: str = "") -> None:
        """Show how much is done, a note, and a name."""
        self._bar.update(
            self._task, completed=done, total=total, note=note, description=shortened(name or self._step, 40)
        )
        if self.verbose and not self.console.is_terminal and name not in ("", self._name):
            self._name = name
            self.print(f"{self._step} {note} {name}")

    def videos(self, state: State) -> None:
        """Show the state of a run, without videos of an earlier one, which would make the time left too short."""
        done, total = state.done - state.found, state.total - state.found
        self.update(done, total, f"{done}/{total}", state.last)

    def print(self, message: str) -> None:
        """Print a message above the bar."""
        self.console.print(one_line(message), markup=False, highlight=False, soft_wrap=True)

"""A scan by the processes of this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facetell.detector import Detector, Settings
from facetell.processes import ProcessEnded, unordered
from facetell.scan.source import Item
from facetell.scan.work import SILENT, Outcome, lost, make_detector, read_item, score

LOST_IN_A_ROW = 4
"""Videos each of which ended a process of its own, with none between: then the fault is not theirs."""


@dataclass(frozen=True, slots=True)
class Local:
    """Processes, each with a model of its own; a video over which one ends is tried again alone, then given up.

    One that gives no picture for ``silent`` seconds ends itself.
    """

    model: Path
    settings: Settings
    workers: int
    silent: float = SILENT

    def contents(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """What each of these holds, in their order."""
        waiting: deque[Future[Outcome]] = deque()
        # Threads do: reading and hashing let go of the interpreter.
        with ThreadPoolExecutor(self.workers) as pool:
            for item in items:
                waiting.append(pool.submit(read_item, item))
                if len(waiting) > 2 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def verdicts(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """The verdict on each of these.

        Raises:
            FacetellError: processes ended over several videos in a row.
        """
        waiting = iter(items)
        begun: dict[str, Item] = {}

        def drawn() -> Iterator[Item]:
            for item in waiting:
                begun[item.name] = item
                yield item

        in_a_row = 0
        while True:
            try:
                for outcome in self._score(drawn(), self.workers):
                    del begun[outcome.item.name]
                    in_a_row = 0
                    yield outcome
                return
            except ProcessEnded:
                suspects = [*begun.values()]
                begun.clear()
            for item in suspects:
                alone = self._alone(item)
                in_a_row = in_a_row + 1 if alone is None else 0
                if in_a_row == LOST_IN_A_ROW:
                    raise ProcessEnded(
                        f"processes were ended from outside or stood still at {in_a_row} videos in a row, the last of "
                        f"them {item.name}; make room in memory or see to the disk, and run the same command again "
                        "to go on"
                    )
                yield alone or lost(item)

    def _alone(self, item: Item) -> Outcome | None:
        """The verdict of a process that has nothing else to do; None where that ended, too."""
        try:
            return next(self._score([item], 1))
        except ProcessEnded:
            return None

    def _score(self, items: Iterable[Item], workers: int) -> Iterator[Outcome]:
        work = partial(_work, silent=self.silent)
        return unordered(work, items, workers, _start, (self.model, self.settings), lambda item: item.name)


_detector: Detector | None = None


def _start(model: Path, settings: Settings) -> None:
    """Make this process ready for :func:`_work`."""
    global _detector
    _detector = make_detector(model, settings)


def _work(item: Item, silent: float) -> Outcome:
    assert _detector is not None
    return score(_detector, item, silent)

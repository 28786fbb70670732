"""Run jobs in child processes of this machine, or in the current process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import Any

import cv2

from facetell.batch.run import Engine, Job, Outcome, Work
from facetell.processes import ProcessEnded, unordered

LOST_IN_A_ROW = 4
"""Jobs in a row at each of which a process ended, even when it did nothing else: then the fault is not the jobs'."""


def local_engine(workers: int) -> Engine:
    """The engine that works with ``workers`` child processes; with 0, in the current process.

    A job at which processes end is lost as soon as another one succeeds.

    Raises:
        FacetellError: :data:`LOST_IN_A_ROW` jobs in a row would be lost.
    """

    def here(work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        made = cache(partial(work.make, *work.arguments))  # not called if there is no job
        for job in jobs:
            yield made()(job)

    def in_processes(work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        failed: list[Job] = []
        for job, outcome in _attempts(work, iter(jobs), workers):
            if outcome is not None:
                yield from map(work.lost, failed)
                failed.clear()
                yield outcome
                continue
            failed.append(job)
            if len(failed) == LOST_IN_A_ROW:
                raise ProcessEnded(
                    f"processes were ended from outside or stopped responding at {len(failed)} videos in a row, the "
                    f"last of them {job.name}; free some memory or check the disk, and run the same command again to "
                    "resume"
                )
        yield from map(work.lost, failed)

    return in_processes if workers else here


def _attempts(work: Work, jobs: Iterator[Job], workers: int) -> Iterator[tuple[Job, Outcome | None]]:
    """Each job with its outcome, None if processes ended at it.

    When a process ends, each job that was being done is done again in a process that does nothing else: there may have
    been too little memory for several.
    """
    spread = partial(unordered, _do, start=_start, arguments=(work.make, work.arguments), name=lambda job: job.name)
    while True:
        try:
            for outcome in spread(jobs, workers):
                yield outcome.job, outcome
            return
        except ProcessEnded as error:
            suspects: tuple[Job, ...] = error.tasks
        for job in suspects:
            try:
                (alone,) = spread([job], 1)
                yield job, alone
            except ProcessEnded:
                yield job, None


_function: Callable[[], Callable[[Job], Outcome]]


def _start(make: Callable[..., Callable[[Job], Outcome]], arguments: tuple[Any, ...]) -> None:
    global _function
    cv2.setNumThreads(1)  # the processes share the cores
    _function = cache(partial(make, *arguments))  # not called here, where an error would end the process


def _do(job: Job) -> Outcome:
    return _function()(job)

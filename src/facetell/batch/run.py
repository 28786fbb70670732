"""Run one function over many jobs so that the run can end at any moment and be resumed.

The results of a job go to a journal before the next job counts as done. A folder belongs to one run: it is locked while
the run lasts, and it records what the results depend on, so that a run is never resumed with something else.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2

from facetell.batch.journal import Journal, Line
from facetell.files import write_text
from facetell.processes import ProcessEnded, unordered
from facetell.types import FacetellError

LOST_IN_A_ROW = 4  # jobs in a row at each of which a process ended that did nothing else: the fault is not theirs
LOST = (
    "every process that read it was ended from outside or stopped responding; there may be too little memory for it, "
    "or it crashes a decoder"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work: ``name`` for messages, ``task`` (can be pickled), ``size`` in bytes, ``videos`` it covers."""

    name: str
    task: Any
    size: int = 0
    videos: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a job: lines for the journal, and why the job failed ("" if it did not)."""

    job: Job
    lines: tuple[Line, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each job: ``make(*arguments)`` returns the function that does one, once per process."""

    make: Callable[..., Callable[[Job], Outcome]]
    arguments: tuple[Any, ...]  # can be pickled
    lost: Callable[[Job], Outcome]  # the outcome of a job at which processes were ended


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a run."""

    step: str  # what is being done
    done: int = 0  # videos
    total: int = 0
    read: int = 0  # bytes
    size: int = 0
    failed: int = 0  # in this run
    last: str = ""  # the job finished last
    found: int = 0  # videos done in an earlier run


Show = Callable[[Progress], None]
Engine = Callable[[Work, Iterable[Job]], Iterator[Outcome]]
"""Does the work on jobs, which are drawn as they are needed; outcomes come in any order."""


def complete(
    work: Work, jobs: Iterable[Job], engine: Engine, journal: Journal, start: Progress, show: Show
) -> Iterator[Outcome]:
    """Do jobs that are not in the journal; yields each outcome once its lines are on disk. ``show`` gets the state."""
    state = start
    show(state)
    for outcome in engine(work, jobs):
        journal.add(*outcome.lines)
        job, failed = outcome.job, state.failed + bool(outcome.fault)
        state = replace(state, done=state.done + job.videos, read=state.read + job.size, failed=failed, last=job.name)
        yield outcome
        show(state)


def local_engine(workers: int) -> Engine:
    """The engine that works with ``workers`` child processes; with 0, in the current process.

    A job at which processes end is lost once another one succeeds. FacetellError: LOST_IN_A_ROW jobs would be lost.
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
    """Each job with its outcome, None if processes ended at it: then all in work are done again, one by one."""
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


@contextlib.contextmanager
def claimed(folder: Path, record: Path, about: Mapping[str, Any], verb: str) -> Iterator[None]:
    """Create and lock the folder of a run, or check that the one that is there is of the same run.

    Its file ``record`` holds ``about``: what the results depend on, as plain JSON values. ``verb`` is for messages.
    FacetellError: the folder is of another run or in use, or cannot be written, here or within the block.
    """
    with contextlib.ExitStack() as stack:
        try:
            if folder.exists() and not folder.is_dir():
                raise FacetellError(f"{folder} is a file; name a folder")
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released when the process ends, however it ends
            except BlockingIOError:
                raise FacetellError(f"another `facetell {verb}` is using {folder}; wait until it ends") from None
            for left in {*folder.glob(".*.tmp"), *record.parent.glob(".*.tmp")}:  # of a run that was ended
                left.unlink()
            if record.exists():
                try:
                    begun = dict(json.loads(record.read_text(encoding="utf-8")))
                except (ValueError, TypeError):
                    raise FacetellError(f"{record} is damaged; name a new folder, or delete {folder}") from None
                if found := difference(begun, about):
                    raise FacetellError(
                        f"{folder} was begun with {found} (see {record.name} there); repeat the command that began it, "
                        "or choose another place"
                    )
            elif any(path != record.parent for path in folder.rglob("*")):
                raise FacetellError(
                    f"{folder} holds other files, or an unfinished run of another version of facetell; "
                    "name a new folder, or delete it"
                )
            else:
                write_text(record, json.dumps(about, indent=1) + "\n")
            yield
        except OSError as error:
            raise FacetellError(
                f"{folder} cannot be written ({error.strerror or error}); fix that, and run the same command again to "
                "resume"
            ) from None


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What an earlier run was made with that this one is not, such as "other settings"; "" if nothing."""
    return next((f"other {name.replace('_', ' ')}" for name in new if old.get(name) != new[name]), "")

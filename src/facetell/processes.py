"""Child processes that run tasks in parallel and end with their parent process, however it ends."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import SpawnContext
from typing import Any, TypeVar

from facetell.runtime import exit_on_interrupt, signals_blocked
from facetell.types import FacetellError

Task = TypeVar("Task")
Result = TypeVar("Result")


class ProcessEnded(FacetellError):
    """A child process was killed; ``tasks`` are those that were running or about to run."""

    def __init__(self, message: str, tasks: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.tasks = tuple(tasks)


def spawning() -> SpawnContext:
    """The context of child processes: a fork would not copy the threads of the libraries that run networks."""
    return multiprocessing.get_context("spawn")


def unordered(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    name: Callable[[Task], str] = str,
) -> Iterator[Result]:
    """Yield the results of ``work`` for all tasks, in order of completion; tasks are consumed lazily.

    ``work`` is a module-level function, called in one of ``workers`` processes; ``start(*arguments)`` is called in each
    process before its first task. If the caller stops before the last result, as on a signal, the processes end at
    once. ProcessEnded: a process was killed; the message has the ``name`` of each task that may be the cause.
    """
    context = spawning()
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(lifeline, start, arguments))
    running: dict[Future[Result], Task] = {}
    drawn: list[Task] = []
    waiting = iter(tasks)
    try:
        while True:
            # One task more than workers, so that none is idle; not all, so that the task of a crash is known.
            while len(running) <= workers and (drawn := list(islice(waiting, 1))):
                with signals_blocked():  # a submission may start a process
                    future = pool.submit(work, drawn[0])
                running[future] = drawn.pop()
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield future.result()
                del running[future]
    except BrokenProcessPool:
        ended = [*running.values(), *drawn]
        raise ProcessEnded(
            f"a process was killed (out of memory?) while working on one of {', '.join(map(name, ended))}; "
            "run the same command again to resume, with fewer workers",
            ended,
        ) from None
    finally:
        if running:
            held.close()
        pool.shutdown(wait=True, cancel_futures=True)
        held.close()
        lifeline.close()


def end_with_parent(lifeline: Connection | None = None) -> None:
    """End this process when its parent process ends or closes the other end of ``lifeline``."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    watched: list[int | Connection] = [parent.sentinel, *([lifeline] if lifeline else [])]

    def follow() -> None:
        wait_for(watched)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def ended_if_silent(seconds: float) -> Iterator[Callable[[], None]]:
    """Within ``with``, end this process if the given function is not called for ``seconds``, even in C code."""
    last = -seconds
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # the traceback is of no use to users

        def alive() -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > seconds / 100:  # each call starts a thread
                last = now
                faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)

        alive()
        try:
            yield alive
        finally:
            faulthandler.cancel_dump_traceback_later()


def _begin(lifeline: Connection, start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Initialise a worker process."""
    exit_on_interrupt()
    end_with_parent(lifeline)
    start(*arguments)

"""Work spread over processes that end with the one that started them, however that ends."""

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
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from facetell.runtime import exit_on_interrupt, signals_blocked
from facetell.types import FacetellError

Task = TypeVar("Task")
Result = TypeVar("Result")


class ProcessEnded(FacetellError):
    """A process was ended from outside; ``tasks`` are those that were at work or about to be."""

    def __init__(self, message: str, tasks: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.tasks = tuple(tasks)


def unordered(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    name: Callable[[Task], str] = str,
) -> Iterator[Result]:
    """Results as they are finished, in any order.

    Where the caller stops before the last result, as on a signal, the processes end at once.

    Args:
        work: done once a task in some process; a function of a module.
        tasks: for ``work``; drawn as they are needed.
        workers: processes.
        start: called once in each process before its first task, with ``arguments``.
        arguments: for ``start``.
        name: of a task, for the sentence when a process dies over it.

    Raises:
        ProcessEnded: a process was ended from outside.
    """
    # Spawned, not forked: the libraries that run networks have threads, which a fork would cut off.
    context = multiprocessing.get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(lifeline, start, arguments))
    running: dict[Future[Result], Task] = {}
    waiting = iter(tasks)
    nothing = object()
    try:
        while True:
            # One more than there are workers, so that none waits for the next; not all, so that a crash can be placed.
            while len(running) <= workers and (task := next(waiting, nothing)) is not nothing:
                with signals_blocked():  # a submission may start a process
                    running[pool.submit(work, task)] = task  # type: ignore[arg-type, assignment]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield future.result()
                del running[future]
    except BrokenProcessPool:
        names = ", ".join(name(task) for task in running.values())
        raise ProcessEnded(
            f"a process was ended from outside (for want of memory?) at one of {names}; "
            "run the same command again to go on, with fewer workers",
            list(running.values()),
        ) from None
    finally:
        if running:
            held.close()
        pool.shutdown(wait=True, cancel_futures=True)
        held.close()
        lifeline.close()


def end_with_parent(lifeline: Connection | None = None) -> None:
    """End this process when its parent process ends, for whatever reason, or closes the other end of ``lifeline``."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    watched: list[int | Connection] = [parent.sentinel, *([lifeline] if lifeline else [])]

    def follow() -> None:
        wait_for(watched)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def ended_if_silent(seconds: float) -> Iterator[Callable[[], None]]:
    """Within ``with``, end this process as soon as what is given has not been called for so many seconds.

    It ends whatever it is stuck in, be it a library that never lets go of the interpreter.
    """
    last = -seconds
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # where it stood, users do not care for

        def alive() -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > seconds / 100:  # winding it up starts a thread
                last = now
                faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)

        alive()
        try:
            yield alive
        finally:
            faulthandler.cancel_dump_traceback_later()


def _begin(lifeline: Connection, start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Make this process ready."""
    exit_on_interrupt()
    end_with_parent(lifeline)
    start(*arguments)

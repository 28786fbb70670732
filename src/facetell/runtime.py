"""Signals that stop a process: SIGINT (Ctrl-C), SIGTERM and SIGHUP. The only module that handles them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}

Reaction = Callable[[str], None]
_reactions: list[tuple[Reaction, Reaction]] = []  # of the open `on_stop` blocks, the innermost last
_stopping = False  # whether a reaction has returned since the outermost block was entered
_interrupted = False  # whether `interrupt` has been called since then
_last = int(signal.SIGINT)  # the signal that came last


def interrupt(name: str) -> None:
    """Raise KeyboardInterrupt, as Python does on Ctrl-C."""
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def check_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has done so in the outermost :func:`on_stop` block: libraries may drop it."""
    if _interrupted:
        raise KeyboardInterrupt


def exit_code() -> int:
    """The exit code of a command that a signal has stopped, as shells have it: 130 (Ctrl-C), 143 or 129."""
    return 128 + _last


@contextmanager
def on_stop(react: Reaction = interrupt, again: Reaction = interrupt) -> Iterator[None]:
    """Within ``with``, call ``react`` at the first SIGINT, SIGTERM or SIGHUP, and at later ones while it raises.

    Once it has returned, SIGTERM and SIGHUP have no effect: a closed terminal and ``timeout`` send them twice, and the
    second must not interrupt what the first one started. ``again`` is called at each later Ctrl-C. Both get the name of
    the signal, in the main thread; in other threads, nothing is changed. A signal that is ignored when the process
    starts stays ignored, as SIGHUP under ``nohup``. Blocks can be nested: the innermost reacts.
    """
    global _interrupted, _last, _stopping
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {}
    outermost = not _reactions
    _reactions.append((react, again))
    try:
        if outermost:
            _interrupted = _stopping = False
            _last = int(signal.SIGINT)
            for number in STOP_SIGNALS:
                # None: a handler that was not installed from Python cannot be restored.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, _handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _reactions.pop()


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Within ``with``, block :data:`STOP_SIGNALS` in this thread and in the processes that it starts.

    A child process receives them once it calls :func:`exit_on_interrupt`. Terminals signal the whole process group: a
    child that still imports modules would print a traceback, one whose parent shuts down in order would end too early.
    """
    from multiprocessing import resource_tracker  # slow to import

    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        resource_tracker.ensure_running()  # SIGHUP would end it as well; starting it unblocks SIGINT and SIGTERM
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_on_interrupt() -> None:
    """In a child process: unblock the signals, and exit without a traceback on Ctrl-C unless that is ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + signal.SIGINT))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _handle(number: int, frame: FrameType | None) -> None:
    global _last, _stopping
    react, again = _reactions[-1]
    _last = number
    name = STOP_SIGNALS[signal.Signals(number)]
    if not _stopping:
        react(name)
        _stopping = True  # not where it raised: Python drops exceptions raised in some callbacks, and the run continues
    elif number == signal.SIGINT:
        again(name)

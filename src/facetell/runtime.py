"""Signals that ask a process to stop: SIGINT (Ctrl-C), SIGTERM and SIGHUP. The only module that handles them."""

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
_stopping = False  # whether a reaction has been completed since the outermost block was entered


def interrupt(name: str) -> None:
    """Raise KeyboardInterrupt, as Python does on Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def on_stop(react: Reaction = interrupt, again: Reaction = interrupt) -> Iterator[None]:
    """Within ``with``, call ``react`` at the first SIGINT, SIGTERM or SIGHUP; if it raises, at the next ones as well.

    After it has returned, SIGTERM and SIGHUP have no effect: a closed terminal and ``timeout`` send them twice, and the
    second must not cut off what the first one caused to be written. A signal that is ignored when the process starts
    stays ignored, as SIGHUP under ``nohup`` and Ctrl-C in the background of a shell. Blocks can be nested: the
    innermost reacts. Outside the main thread, where Python handles no signals, nothing is changed.

    Args:
        react: called in the main thread with the name of the signal ("Ctrl-C", "SIGTERM" or "SIGHUP").
        again: called at each later Ctrl-C.
    """
    global _stopping
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {}
    outermost = not _reactions
    _reactions.append((react, again))
    try:
        if outermost:
            _stopping = False
            for number in STOP_SIGNALS:
                # None: a handler that was not installed from Python cannot be restored.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, _handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _reactions.pop()


def exit_on_interrupt() -> None:
    """End this process at once, without a traceback, on Ctrl-C: for child processes, which receive it as well."""
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + signal.SIGINT))


def _handle(number: int, frame: FrameType | None) -> None:
    global _stopping
    react, again = _reactions[-1]
    name = STOP_SIGNALS[signal.Signals(number)]
    if not _stopping:
        react(name)
        _stopping = True  # not where it raised: Python drops what is raised within some callbacks, and the run goes on
    elif number == signal.SIGINT:
        again(name)

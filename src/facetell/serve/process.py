"""One process beside the server, spoken to in JSON: it may crash or hang without taking the server along."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from facetell.processes import end_with_parent
from facetell.runtime import STOP_SIGNALS, exit_on_interrupt, signals_blocked

MEMORY = 8 << 30  # bytes that a process may take: a few bytes of a video may ask for pictures that fill the machine

Message = dict[str, Any]


class Ended(Exception):
    """The process has ended; ``code`` as of :attr:`multiprocessing.Process.exitcode`."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the process ended with {code}")
        self.code = code

    @property
    def told_to(self) -> bool:
        """Whether someone asked it to end, as a service manager does before it asks the server."""
        return self.code in (128 + signal.SIGINT, *(-number for number in STOP_SIGNALS))


class Companion:
    """A spawned process that runs ``target(link, *arguments)`` and ends with this one, however this one ends.

    Messages are JSON, not pickles: a process that a hostile video has taken over cannot make the server run code.
    """

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        # Spawned, not forked: the libraries that run networks have threads, which a fork would cut off.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._link = Link(ours)
        self._process = context.Process(target=_begin, args=(target, theirs, *arguments), daemon=True)
        with signals_blocked():
            self._process.start()
        theirs.close()

    def send(self, message: Message) -> None:
        """Hand a message over.

        Raises:
            Ended: there is nobody to take it.
        """
        try:
            self._link.send(message)
        except OSError:
            raise Ended(self._end()) from None

    def receive(self, timeout: float) -> Message | None:
        """The next message; None when none came for ``timeout`` seconds.

        Raises:
            Ended: none will come any more.
        """
        try:
            return self._link.receive(timeout)
        except (EOFError, OSError, ValueError):
            raise Ended(self._end()) from None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it now; whoever waits for a message from it is told."""
        self._process.kill()

    def close(self) -> None:
        """End it and give everything back."""
        self._process.kill()
        self._process.join()
        self._link.close()

    def _end(self) -> int | None:
        self._process.join(5)
        if self._process.exitcode is None:  # it has closed its end but goes on
            self._process.kill()
            self._process.join()
        return self._process.exitcode


class Link:
    """One end of the conversation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """Hand a message over."""
        self._connection.send_bytes(json.dumps(message).encode())

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None when none came in ``timeout`` seconds."""
        if timeout is not None and not self._connection.poll(timeout):
            return None
        message: Message = json.loads(self._connection.recv_bytes())
        return message

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def _begin(target: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    """See to it that this process ends with its parent and leaves it room, then do its work."""
    exit_on_interrupt()
    end_with_parent()
    with contextlib.suppress(ValueError, OSError):  # less is allowed already
        # Not RLIMIT_AS: that counts what is only set aside, which the libraries that run networks do freely.
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    link = Link(connection)
    try:
        target(link, *arguments)
    except (EOFError, OSError):  # the server has gone
        os._exit(1)

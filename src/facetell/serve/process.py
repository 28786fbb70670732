"""Child processes that send JSON messages to the server; they may crash or hang without ending it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from facetell.processes import end_with_parent
from facetell.runtime import signals_blocked
from facetell.serve.models import Share, Summary

MEMORY = 8 << 30  # bytes that a child process may allocate: a few bytes of a video can declare huge frames
GONE = (EOFError, OSError, ValueError)  # what `send` and `receive` raise if the other process ended or sent no message


class Started(BaseModel):
    """To the server: the process is ready."""

    kind: Literal["started"] = "started"
    model: str = ""
    threshold: Share = 0.5


class Checked(BaseModel):
    """From the inspector: the file is a video within the limits. Pixels of the upright frame, seconds or None."""

    kind: Literal["checked"] = "checked"
    width: int
    height: int
    duration: float | None


@dataclass(frozen=True, slots=True)
class Order:
    """To a worker: score a video."""

    video: Path
    result: Path  # to be written
    report: Path  # to be written
    name: str  # shown in place of the path
    duration: float  # seconds after which reading stops, whatever the file states


class Progress(BaseModel):
    """From a worker, regularly while it works: the share that is done, None where unknown."""

    kind: Literal["progress"] = "progress"
    share: Share | None


class Done(BaseModel):
    """From a worker: result and report are on disk."""

    kind: Literal["done"] = "done"
    summary: Summary
    policy: str


class Rejected(BaseModel):
    """To the server: the check or the order failed, with a code for the HTTP response and a message."""

    kind: Literal["rejected"] = "rejected"
    error: str = "failed"
    message: str


Message = Started | Checked | Progress | Done | Rejected
# JSON, not pickles: a child that a hostile video has taken over must not run code in the server.
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def send(connection: Connection, message: Message) -> None:
    """Send a message."""
    connection.send_bytes(message.model_dump_json().encode())


def receive(connection: Connection, timeout: float | None = None) -> Message | None:
    """The next message; None if none arrives within ``timeout`` seconds."""
    if timeout is not None and not connection.poll(timeout):
        return None
    return MESSAGE.validate_json(connection.recv_bytes())


class Child:
    """A spawned process that runs ``target(connection, *arguments)`` and ends with this process, however that ends."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would not copy the threads of inference libraries
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
        # The child inherits the mask and never receives the signals: the server decides when it ends, also where a
        # terminal or a service manager signals the whole group.
        with signals_blocked():
            self.process.start()
        theirs.close()

    def close(self) -> int | None:
        """Kill the process unless it has ended; returns its exit code."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


def _run(target: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    end_with_parent()
    with contextlib.suppress(ValueError, OSError):  # the limit is lower already
        # Not RLIMIT_AS: it counts reserved address space, of which inference libraries reserve much.
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        target(connection, *arguments)
    except (EOFError, OSError):  # the server has ended
        os._exit(1)

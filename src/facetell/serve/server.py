"""The network side: uvicorn over a socket that is already open, ended in good order."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from facetell.runtime import on_stop
from facetell.serve.service import Service

GRACE = 5  # seconds that requests have to end
HEAD_SECONDS = 15.0  # for the head of a request to come
CONNECTIONS = 1000  # at most, and at most half of the files that may be open


class Protocol(H11Protocol):
    """Uvicorn's, which waits for the head of a request for ever, but closes connections on which none comes in time.

    Where there are too many, the one that has waited longest makes room for the next; only where all are at work is a
    request answered with 503.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Somebody has connected."""
        super().connection_made(transport)
        if len(self.connections) >= cast(int, self.limit_concurrency):
            self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something has come: it does not put off the deadline, only a whole head does."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self._deadline is None:
            self._watch()

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        waiting = {
            other._deadline.when(): other
            for other in self.connections
            if isinstance(other, Protocol) and other._deadline is not None
        }
        if waiting:
            oldest = waiting[min(waiting)]
            oldest._unwatch()
            oldest.transport.abort()


class Server(uvicorn.Server):
    """Uvicorn that also closes the event streams when it stops: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop at a signal, and at the second Ctrl-C without waiting for open requests.

        Uvicorn's own method raises the signal again after the last answer, which would end the workers in the middle of
        a job, and leaves out SIGHUP.
        """

        def hurry(name: str) -> None:
            self.force_exit = True

        with on_stop(lambda name: self.stop(), again=hurry):
            yield

    def stop(self) -> None:
        """Answer the open requests, then let ``run`` return."""
        self._service.hub.close()
        self.should_exit = True


def serve(app: ASGIApp, service: Service, listening: socket.socket) -> None:
    """Answer requests until a signal comes."""
    make_server(app, service).run(sockets=[listening])


def make_server(app: ASGIApp, service: Service) -> Server:
    """The server of an app; its ``run`` answers requests."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2),
        timeout_graceful_shutdown=GRACE,
    )
    return Server(config, service)

"""The network side: uvicorn on a listening socket, stopped in order by a signal."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from facetell.runtime import on_stop
from facetell.serve.guard import HEADERS
from facetell.serve.service import Service
from facetell.types import FacetellError

GRACE = 5  # seconds in which open requests may end
HEAD_SECONDS = 15.0  # in which the head of a request must arrive
CONNECTIONS = 1000  # at most, and at most half of the files that may be open


class Connection(H11Protocol):
    """One connection; its own response to what is not valid HTTP has the security headers too."""

    def send_400_response(self, msg: str) -> None:
        """Send the response that the app cannot give, and close the connection."""
        headers = {**HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # otherwise the app has begun its response
            start = h11.Response(status_code=400, headers=list(headers.items()), reason="Bad Request")
            for event in (start, h11.Data(data=msg.encode()), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """Uvicorn for one service; :meth:`stop` may be called from any thread."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)
        self._service = service
        self._idle: dict[H11Protocol, tuple[object, float]] = {}  # by connection: its last request, and since when
        config = uvicorn.Config(
            app,
            http=self._connect,  # type: ignore[arg-type]  # uvicorn calls it as it would a class
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=self._limit,
            timeout_graceful_shutdown=GRACE,
            timeout_notify=0,
            callback_notify=self._close_idle,  # once a second
        )
        super().__init__(config)

    def stop(self) -> None:
        """Answer the open requests, end the event streams, then let :meth:`run` return."""
        self._service.hub.close()
        self.should_exit = True

    def _connect(self, **arguments: Any) -> H11Protocol:
        connection = Connection(**arguments)
        self._idle[connection] = (None, time.monotonic())
        asyncio.get_running_loop().call_soon(self._close_excess)  # before anything is read from the connection
        return connection

    def _close_excess(self) -> None:
        """For a new connection, close those that have been idle longest where there are too many."""
        still_open = [other for other in self.server_state.connections if not other.transport.is_closing()]
        excess = len(still_open) + 2 - self._limit  # at the limit, uvicorn answers 503
        for connection in self._idle_connections()[: max(0, excess)]:
            connection.transport.abort()

    async def _close_idle(self) -> None:
        """Close connections on which no complete head of a request has arrived in time. Uvicorn never does."""
        for connection in self._idle_connections():
            if time.monotonic() - self._idle[connection][1] > HEAD_SECONDS:
                connection.transport.abort()

    def _idle_connections(self) -> list[H11Protocol]:
        """The open connections without a request, the longest idle first."""
        now, before = time.monotonic(), self._idle
        self._idle = {connection: known for connection, known in before.items() if connection.transport is None}
        found: dict[H11Protocol, tuple[object, float]] = {}
        for connection in self.server_state.connections:
            assert isinstance(connection, H11Protocol)
            last = connection.cycle
            if not connection.transport.is_closing() and (last is None or last.response_complete):
                known = before.get(connection)
                found[connection] = known if known is not None and known[0] is last else (last, now)
        self._idle |= found
        return sorted(found, key=lambda connection: found[connection][1])


def serve(app: ASGIApp, service: Service, listening: socket.socket) -> None:
    """Answer requests until a signal arrives; at the second Ctrl-C, do not wait for open requests.

    Uvicorn runs in a thread of its own. In the main thread it would raise the signal again after the last response,
    which would end the workers in the middle of a job, and it would not handle SIGHUP.

    Raises:
        FacetellError: it cannot be started.
    """
    server = Server(app, service)

    def hurry(name: str) -> None:
        server.force_exit = True

    with ThreadPoolExecutor(1, "facetell-http") as threads, on_stop(lambda name: server.stop(), again=hurry):
        error = threads.submit(server.run, sockets=[listening]).exception()
    if isinstance(error, OSError | SystemExit):
        reason = error.strerror if isinstance(error, OSError) else "the log says why"
        raise FacetellError(f"the HTTP server cannot be started ({reason})")
    if error is not None:
        raise error

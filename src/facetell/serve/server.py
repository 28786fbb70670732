"""The network side: uvicorn on a listening socket, stopped in order by a signal."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

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
    """One connection. It makes room for a new one if it is idle: without a request of which the head is complete."""

    idle_since: float

    @property
    def is_idle(self) -> bool:
        """Whether there is no request, or no complete one yet."""
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close the connections that have been idle longest, where there are too many."""
        super().connection_made(transport)
        self.idle_since = time.monotonic()
        excess = sum(not other.transport.is_closing() for other in self.connections) + 1 - (self.limit_concurrency or 0)
        if excess > 0:  # at the limit, uvicorn answers 503
            for other in [other for other in idle_connections(self.connections) if other is not self][:excess]:
                other.transport.abort()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Send the response that the app cannot give, with the security headers, and close the connection."""
        headers = {**HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # otherwise the app has begun its response
            start = h11.Response(status_code=400, headers=list(headers.items()), reason="Bad Request")
            for event in (start, h11.Data(data=msg.encode()), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def idle_connections(connections: Iterable[object]) -> list[Connection]:
    """Those of uvicorn's connections that are idle, the longest idle first."""
    found = [other for other in connections if isinstance(other, Connection) and other.is_idle]
    return sorted(found, key=lambda connection: connection.idle_since)


class Server(uvicorn.Server):
    """Uvicorn for one service; :meth:`stop` may be called from any thread."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._service = service
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2),
            timeout_graceful_shutdown=GRACE,
            timeout_notify=0,
            callback_notify=self._close_idle,  # once a second
        )
        super().__init__(config)

    def stop(self) -> None:
        """Answer the open requests, end the event streams, then let :meth:`run` return."""
        self._service.hub.close()
        self.should_exit = True

    async def _close_idle(self) -> None:
        """Close connections on which no complete head of a request has arrived in time. Uvicorn never does."""
        for connection in idle_connections(self.server_state.connections):
            if time.monotonic() - connection.idle_since > HEAD_SECONDS:
                connection.transport.abort()


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

"""The ASGI app of a service, and the network side: uvicorn on a listening socket, stopped in order by a signal."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h11
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from facetell import __version__
from facetell.runtime import on_stop
from facetell.serve import api, batch, pages
from facetell.serve.access import HEADERS, Gate
from facetell.serve.models import Refused
from facetell.serve.service import Service
from facetell.types import N_

GRACE = 5  # seconds in which open requests may end
HEAD_SECONDS = 15.0  # in which the head of a request must arrive
CONNECTIONS = 1000  # at most, and at most half of the files that may be open


def create_app(service: Service) -> ASGIApp:
    """The ASGI app of a service; the caller starts and stops the service."""

    app = FastAPI(
        title="facetell",
        description="Every error response is JSON: `error`, a machine-readable code, and `message`, one sentence.",
        version=__version__,
        docs_url=None,  # loads its scripts from another server
        redoc_url=None,
        redirect_slashes=False,  # such a redirect leaves the root path out
    )
    app.state.service = service
    # `Gate` checks the token; this only describes it in the OpenAPI document.
    bearer = [Depends(HTTPBearer(scheme_name="token", auto_error=False))] if service.authenticator.required else []
    for router in (api.router, batch.router):
        app.include_router(router, dependencies=bearer)
    app.include_router(api.monitor)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.HERE / "static", packages=[("facetell.report", "static")]))
    for kind in (Refused, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _error)
    return Gate(app, service.authenticator, service.metrics, service.settings)


async def _error(request: Request, error: Exception) -> Response:
    match error:
        case Refused():
            refused = error
        case RequestValidationError():
            first = error.errors()[0]
            message = f"{'.'.join(str(part) for part in first['loc'][1:])}: {first['msg']}"
            refused = Refused(422, "bad_value", message)
        case HTTPException(status_code=status):
            known = {404: N_("there is nothing at this address"), 405: N_("this address does not support that method")}
            refused = Refused(status, f"http_{status}", known.get(status, error.detail))
            refused.headers |= error.headers or {}
        case ClientDisconnect():
            return Response(status_code=400)  # which no client receives
        case _:
            message = N_("internal error of the server: report it to its operator, who finds it in the log")
            refused = Refused(500, "fault", message)
    return refused.response(request.scope)


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
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # otherwise the app has begun its response
            headers = {**HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
            lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", msg]
            self.transport.write("\r\n".join(lines).encode())
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
        most = CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)
        options: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_level": "warning", "access_log": False}
        options |= {"server_header": False, "timeout_graceful_shutdown": GRACE, "limit_concurrency": most}
        options |= {"timeout_notify": 0, "callback_notify": self._close_idle}  # once a second
        super().__init__(uvicorn.Config(app, http=Connection, **options))

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
    """Answer requests until a signal arrives, then end the open ones."""
    server = Server(app, service)
    # In the main thread uvicorn would raise the signal again, which would end the workers, and not handle SIGHUP.
    with ThreadPoolExecutor(1, "facetell-http") as threads, on_stop(lambda _: server.stop(), again=lambda _: None):
        threads.submit(server.run, sockets=[listening]).result()

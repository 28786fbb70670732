"""ASGI middleware: security headers, HEAD, and the end of requests whose body was not read."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetell.serve.metrics import Metrics

LINGER = 2.0  # seconds for which the rest of a refused upload is read and dropped
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH"})
HEAD = "facetell.head"  # key of the scope: the client has sent HEAD
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Finish:
    """Counts requests, adds security headers, answers HEAD as GET, and ends requests whose body was not read.

    If the connection were closed at once, a client that still sends would not see the response; if the whole body were
    awaited, an endless one would never end. So the rest is read for a moment, then the connection is closed.

    ``root_path`` is the path under which a reverse proxy publishes the server; the proxy may remove it or not.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, root_path: str) -> None:
        self._app, self._metrics, self._root_path = app, metrics, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path, root = scope["method"], scope["path"], self._root_path
        if path == root or not path.startswith(f"{root}/"):
            path = f"{root}{'/' if path == root else path}"
        asked = Headers(scope=scope)
        complete = "transfer-encoding" not in asked and asked.get("content-length", "0") == "0"

        async def read() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or not message.get("more_body", False)
            return message

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if path.startswith(f"{root}/static/"):
                    headers.setdefault("Cache-Control", "no-cache")  # which allows to store them
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not complete:
                    headers["Connection"] = "close"
                # Of unknown methods a client could invent any number, and each would be a time series.
                self._metrics.requests.labels(method if method in METHODS else "other", str(message["status"])).inc()
            elif not complete and not message.get("more_body", False):
                await send({**message, "more_body": True})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        while not complete:
                            await read()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        scope = {**scope, "path": path, "root_path": root, HEAD: method == "HEAD"}
        scope["method"] = "GET" if method == "HEAD" else method  # FastAPI does not route HEAD; uvicorn sends no body
        await self._app(scope, read, write)

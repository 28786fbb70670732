"""ASGI middleware: access control, security headers, and the end of requests whose body was not read."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetell.serve.auth import COOKIE, Authenticator, client_address
from facetell.serve.faults import NO_TOKEN, OTHER_SITE, WRONG_HOST, Refused
from facetell.serve.metrics import Metrics

LINGER = 2.0  # seconds for which the rest of a refused upload is read and dropped
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "DELETE", "PUT", "PATCH"}
OPEN = re.compile(r"/healthz|/login|/openapi\.json|/static/.*")  # need no token
PAGES = re.compile(r"/|/jobs/.*|/logout")
HEAD = "facetell.head"  # key of the scope: the client has sent HEAD
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
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


class Access:
    """Refuses requests to a foreign host name, from another site, or without the token.

    ``hosts`` are allowed besides ``localhost`` and all IP addresses.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, hosts: Sequence[str] = ()) -> None:
        self._app, self._authenticator = app, authenticator
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            refusal = self._refusal(scope) if scope["type"] == "http" else None
        except Refused as refused:
            refusal = refused.response()
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, root = Headers(scope=scope), scope["root_path"]
        path, method, host = scope["path"].removeprefix(root), scope["method"], headers.get("host", "")
        if path != "/healthz" and not self._is_allowed(host):
            return WRONG_HOST.error().response()
        if method not in SAFE and not _same_origin(headers, host):
            return OTHER_SITE.error().response()
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if (
            not self._authenticator.required
            or OPEN.fullmatch(path)
            or self._authenticator.allows(client_address(scope), headers.get("authorization", ""), cookie)
        ):
            return None
        if method == "GET" and PAGES.fullmatch(path):
            return RedirectResponse(f"{root}/login?next={quote(path, safe='')}", 303)
        response = NO_TOKEN.error().response()
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def _is_allowed(self, host: str) -> bool:
        """Whether a Host header is allowed: another site may point a name of its own at this machine, but no address.

        Starlette's TrustedHostMiddleware cannot allow all addresses.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            if name in self._hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from the server's own page, or from no page; scripts cannot change these headers."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == host.lower() != ""

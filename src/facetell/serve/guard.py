"""What every request passes: the name it is addressed to, where it comes from, who sends it, and how it is ended."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetell.serve.auth import COOKIE, Door
from facetell.serve.faults import Refused
from facetell.serve.metrics import Metrics

LINGER = 2.0  # seconds for which the rest of a refused upload is read and thrown away
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = re.compile(r"/healthz|/login|/openapi\.json|/static/.*")
PAGES = re.compile(r"/|/jobs(/.*)?|/parts/.*|/logout")
HEAD = "facetell.head"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Head:
    """Answers HEAD as GET, where FastAPI would answer 405; :data:`HEAD` is then true in the scope.

    The body is dropped by uvicorn.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        await self._app(scope, receive, send)


class Root:
    """Removes the path under which a reverse proxy publishes the server, unless the proxy has removed it.

    Args:
        app: gets paths as without a proxy, and the removed part as ``root_path``.
        root_path: such as "/facetell"; "" for none.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            path, root = str(scope["path"]), self._root_path
            if path == root or path.startswith(f"{root}/"):
                path = path[len(root) :] or "/"
            scope = {**scope, "path": path, "root_path": root}
        await self._app(scope, receive, send)


class Ending:
    """Adds security headers, counts answers, and ends requests whose body was not read to its end.

    A client that is still sending would never see an answer if the connection were closed at once, and an endless
    stream would never end if the rest were awaited: the answer is sent, the rest thrown away for a moment, then the
    connection is closed.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        ended = "transfer-encoding" not in asked and asked.get("content-length", "0") == "0"

        async def watch() -> Message:
            nonlocal ended
            message = await receive()
            ended = ended or not message.get("more_body", False)
            return message

        async def drain() -> None:
            while not ended:
                await watch()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not ended:
                    headers["Connection"] = "close"
                self._metrics.requests.labels(_method(scope), str(message["status"])).inc()
            elif not ended and not message.get("more_body", False):
                await send({**message, "more_body": True})
                try:
                    async with asyncio.timeout(LINGER):
                        await drain()
                except TimeoutError:
                    pass
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, watch, answer)


class Guard:
    """Refuses what is addressed to another name, comes from another site, or does not show the token.

    Args:
        app: gets the rest.
        door: knows the token.
        hosts: names that are ours; besides, ``localhost`` and all addresses are.
    """

    def __init__(self, app: ASGIApp, door: Door, hosts: Sequence[str] = ()) -> None:
        self._app, self._door = app, door
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path, method = Headers(scope=scope), str(scope["path"]), str(scope["method"])
        host = headers.get("host", "")
        if path != "/healthz" and not self._is_ours(_host_name(host)):
            return refusal(
                Refused(421, "wrong_host", "the server is not known under this name: its operator can --allow-host it")
            )
        if method not in SAFE and not same_origin(headers, host):
            return refusal(
                Refused(403, "other_site", "requests from other sites are refused: use the server's own page")
            )
        if OPEN.fullmatch(path) or self._lets_in(headers):
            return None
        if method in ("GET", "HEAD") and PAGES.fullmatch(path):
            return RedirectResponse(f"{scope['root_path']}/login?next={quote(path, safe='')}", 303)
        answer = refusal(Refused(401, "no_token", "this server asks for a token: send `Authorization: Bearer TOKEN`"))
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def _is_ours(self, name: str) -> bool:
        """Whether a name is ours: a site may point its own at this machine and so become our page's "same origin".

        An address is no name, so no site can do that with one.
        """
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True

    def _lets_in(self, headers: Headers) -> bool:
        door = self._door
        return not door.locked or door.bearer(headers.get("authorization", "")) or door.opens(_cookie(headers))


def same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from our own page or from no page at all; browsers tell, and cannot be made to lie."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def refusal(refused: Refused) -> Response:
    """The answer to a request that is not met."""
    return JSONResponse(refused.body, refused.status, dict(refused.headers))


def _host_name(host: str) -> str:
    """The name without the port: ``[::1]:8000`` is ``::1``."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _cookie(headers: Headers) -> str:
    # Others may have set cookies for this host; the library's own parser gives up at the first that it does not like.
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _method(scope: Scope) -> str:
    """The method, where it is one of the usual: a client must not be able to make new time series."""
    method = str(scope["method"])
    return method if method in SAFE | {"POST", "DELETE", "PUT", "PATCH"} else "other"

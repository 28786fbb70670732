"""ASGI middleware: host names, requests from other sites, tokens and cookies; security headers, HEAD, unread bodies."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import re
import time
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetell.serve.models import LOG, Refused, ServeSettings
from facetell.serve.publish import Metrics
from facetell.types import N_, FacetellError

COOKIE = "facetell"
SHORTEST = 16  # characters of a token
COOKIE_SECONDS = 12 * 3600
FAILURES = 10  # wrong tokens of an address, after each of which it is refused for a time
LONGEST_SECONDS = 3600.0  # for which an address is refused, and without a failure, after which it is forgotten
ADDRESSES = 10_000  # remembered at most
OPEN = re.compile(r"/docs|/healthz|/login|/openapi\.json|/static/.*")  # need no token
PAGES = re.compile(r"/|/jobs/.*|/logout")
LINGER = 2.0  # seconds for which the rest of a refused upload is read and dropped
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


def check_token(token: str, name: str = "a token") -> str:
    """The token, unchanged. Raises FacetellError if it is too short or cannot be sent in a header."""
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        command = 'python3 -c "import secrets; print(secrets.token_urlsafe(24))"'
        message = f"{name} needs at least {SHORTEST} ASCII characters without spaces: generate one with `{command}`"
        raise FacetellError(message)
    return token


def client_address(scope: Scope) -> str:
    """The address of a client; for IPv6 its /64 network, all of which one client can use."""
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except (TypeError, ValueError):  # a proxy may send anything
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


class Authenticator:
    """Checks tokens and cookies in constant time; without a token, everybody is authenticated.

    After every :data:`FAILURES` wrong tokens an address is refused, also with the right one: for a minute, then twice
    as long each further time.
    """

    def __init__(self, token: str | None) -> None:
        self.required = token is not None
        self._token = (token or "").encode()
        # By address, the number of wrong tokens and the time of the last; the address that failed last is at the end.
        self._wrong: dict[str, tuple[int, float]] = {}

    def is_token(self, address: str, token: str) -> bool:
        """Whether this is the token."""
        if not self.required:
            return True
        self._check(address)
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        if token and not right:
            self._fail(address)
        return right

    def allows(self, address: str, authorization: str, cookie: str) -> bool:
        """Whether an Authorization header or a cookie authenticates a request."""
        scheme, _, token = authorization.partition(" ")
        sent = scheme.lower() == "bearer" and self.is_token(address, token.strip())
        return sent or (bool(cookie) and self.is_cookie(address, cookie))

    def cookie(self) -> str:
        """A cookie for a browser that has sent the token: the time at which it expires, and a signature."""
        until = str(int(time.time()) + COOKIE_SECONDS)
        return f"{until}.{self._sign(until)}"

    def is_cookie(self, address: str, cookie: str) -> bool:
        """Whether a cookie is one of :meth:`cookie` that has not expired."""
        self._check(address)
        until, _, signature = cookie.partition(".")
        signed = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(until).encode())
        if not signed:  # its signature tests a token as well as sending it
            self._fail(address)
        return signed and until.isdecimal() and int(until) > time.time()

    def _sign(self, text: str) -> str:
        return hmac.new(self._token, f"facetell page {text}".encode(), hashlib.sha256).hexdigest()

    def _check(self, address: str) -> None:
        count, last = self._wrong.get(address, (0, 0.0))
        if (left := last + _seconds(count) - time.monotonic()) > 0:
            message = N_("too many wrong tokens came from this address: try again later")
            raise Refused(429, "wrong_tokens", message, int(left) + 1)

    def _fail(self, address: str) -> None:
        now = time.monotonic()
        count, last = self._wrong.pop(address, (0, now))
        count = 1 if now - last - _seconds(count) > LONGEST_SECONDS else count + 1
        self._wrong[address] = count, now
        if seconds := _seconds(count):
            LOG.warning("%s sent %d wrong tokens and is refused for %.0f s", address, FAILURES, seconds)
        if len(self._wrong) > ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def _seconds(count: int) -> float:
    """For how long an address is refused after so many wrong tokens."""
    times, more = divmod(count, FAILURES)
    return 0.0 if more or not times else min(LONGEST_SECONDS, 60.0 * 2 ** min(times - 1, 10))


class Gate:
    """Authorises requests, and completes their responses.

    Refused are requests to a foreign host name, from another site, or without the token. The rest of a body that was
    not read is read for a moment, so that a client that still sends sees the response; then the connection is closed.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, metrics: Metrics, settings: ServeSettings) -> None:
        self._app, self._authenticator, self._metrics, self._root = app, authenticator, metrics, settings.root_path
        self._hosts = frozenset({"localhost", *(host.lower() for host in settings.hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, root, asked = scope["path"], self._root, Headers(scope=scope)
        if path == root or not path.startswith(f"{root}/"):  # a reverse proxy may remove the root path or not
            path = f"{root}{'/' if path == root else path}"
        complete = "transfer-encoding" not in asked and asked.get("content-length", "0") == "0"

        async def read() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or not message.get("more_body", False)
            return message

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not complete:
                    headers["Connection"] = "close"
                self._metrics.requests.labels(message["status"]).inc()
            elif not complete and not message.get("more_body", False):
                await send({**message, "more_body": True})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        while not complete:
                            await read()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        is_head = scope["method"] == "HEAD"  # FastAPI does not route HEAD; uvicorn sends no body
        scope = {**scope, "path": path, "root_path": root, HEAD: is_head}
        scope["method"] = "GET" if is_head else scope["method"]
        try:
            answer = self._login(scope, asked)
        except Refused as refused:
            answer = refused.response(scope)
        await (answer or self._app)(scope, read, write)

    def _login(self, scope: Scope, headers: Headers) -> Response | None:
        """A redirect to the login page, for a page that requires it. Raises Refused if the request is refused."""
        path, method, host = scope["path"].removeprefix(self._root), scope["method"], headers.get("host", "")
        if path != "/healthz" and not self._is_allowed(host):
            message = N_("the server does not answer under this name: its operator can add it with --allow-host NAME")
            raise Refused(421, "wrong_host", message)
        if method not in ("GET", "OPTIONS") and not _same_origin(headers, host):
            raise Refused(403, "other_site", "requests from other sites are refused: use the server's own page")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if (
            not self._authenticator.required
            or OPEN.fullmatch(path)
            or self._authenticator.allows(client_address(scope), headers.get("authorization", ""), cookie)
        ):
            return None
        if method == "GET" and PAGES.fullmatch(path):
            return RedirectResponse(f"{self._root}/login?next={quote(path, safe='')}", 303)
        refused = Refused(401, "no_token", "this server requires a token: send `Authorization: Bearer TOKEN`")
        refused.headers["WWW-Authenticate"] = "Bearer"
        raise refused

    def _is_allowed(self, host: str) -> bool:
        """Whether a Host header is allowed: a foreign site may point its own name at this machine, but no address."""
        with contextlib.suppress(ValueError):
            name = (urlsplit(f"//{host}").hostname or "").lower()
            return name in self._hosts or bool(ipaddress.ip_address(name))
        return False


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from the server's own page, or from no page; scripts cannot change these headers."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == host.lower() != ""

"""Token authentication: a bearer token for programs, a signed cookie for browsers, and a limit on wrong ones."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import time
from dataclasses import dataclass

from starlette.types import Scope

from facetell.serve.faults import WRONG_TOKENS
from facetell.types import FacetellError

COOKIE = "facetell"
SHORTEST = 16  # characters of a token
COOKIE_SECONDS = 12 * 3600
LOG = logging.getLogger("facetell.serve")
FAILURES = 10  # wrong tokens of one address in `FAILURE_SECONDS`, after which it is refused
FAILURE_SECONDS = 60.0
LONGEST_SECONDS = 3600.0  # for which an address is refused; also without a failure, after which it is forgotten
ADDRESSES = 10_000  # remembered at most


def check_token(token: str) -> str:
    """The token, unchanged. Raises FacetellError if it is too short or cannot be sent in a header."""
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise FacetellError(
            f"a token needs at least {SHORTEST} ASCII characters without spaces: "
            'generate one with `python3 -c "import secrets; print(secrets.token_urlsafe(24))"`'
        )
    return token


def client_address(scope: Scope) -> str:
    """The address of a client; for IPv6 its /64 network, all of which one client can use."""
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except (TypeError, ValueError):  # a proxy may send anything
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


@dataclass(slots=True)
class Failures:
    """The wrong tokens that one address has sent; times are of the monotonic clock."""

    first: float = 0.0  # when the current minute began
    last: float = 0.0
    count: int = 0  # since then
    blocks: int = 0  # how often the address was refused
    until: float = 0.0  # when it is no longer refused


class Throttle:
    """Refuses addresses that send many wrong tokens: for a minute, and twice as long each further time."""

    def __init__(self) -> None:
        self._found: dict[str, Failures] = {}  # the one that failed last is at the end

    def check(self, address: str) -> None:
        """Raise Refused if the address is refused now."""
        found = self._found.get(address)
        if found and (left := found.until - time.monotonic()) > 0:
            raise WRONG_TOKENS.error(retry_after=int(left) + 1)

    def fail(self, address: str) -> None:
        """Count a wrong token."""
        now = time.monotonic()
        found = self._found.pop(address, None)
        if found is None or now - max(found.last, found.until) > LONGEST_SECONDS:
            found = Failures()
        if now - found.first > FAILURE_SECONDS:
            found.first, found.count = now, 0
        found.last, found.count = now, found.count + 1
        if found.count >= FAILURES:
            seconds = min(LONGEST_SECONDS, FAILURE_SECONDS * 2**found.blocks)
            found.blocks, found.count, found.until = min(found.blocks + 1, 10), 0, now + seconds
            LOG.warning("%s sent %d wrong tokens and is refused for %.0f s", address, FAILURES, seconds)
        self._found[address] = found
        if len(self._found) > ADDRESSES:
            del self._found[next(iter(self._found))]


class Authenticator:
    """Checks tokens and cookies in constant time; without a token, everybody is authenticated.

    Raises Refused for a token or a cookie of an address that has sent many wrong ones, also if it is right.
    """

    def __init__(self, token: str | None) -> None:
        self.required = token is not None
        self._token = (token or "").encode()
        self._throttle = Throttle()

    def is_token(self, address: str, token: str) -> bool:
        """Whether this is the token."""
        if not self.required:
            return True
        self._throttle.check(address)
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        if token and not right:
            self._throttle.fail(address)
        return right

    def allows(self, address: str, authorization: str, cookie: str) -> bool:
        """Whether an Authorization header or a cookie authenticates a request."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.is_token(address, token.strip()):
            return True
        return bool(cookie) and self.is_cookie(address, cookie)

    def cookie(self) -> str:
        """A cookie for a browser that has sent the token: the time at which it expires, and a signature."""
        until = str(int(time.time()) + COOKIE_SECONDS)
        return f"{until}.{self._sign(until)}"

    def is_cookie(self, address: str, cookie: str) -> bool:
        """Whether a cookie is one of :meth:`cookie` that has not expired."""
        self._throttle.check(address)
        until, _, signature = cookie.partition(".")
        signed = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(until).encode())
        if not signed:  # its signature tests a token as well as sending it
            self._throttle.fail(address)
        return signed and until.isdecimal() and int(until) > time.time()

    def _sign(self, text: str) -> str:
        return hmac.new(self._token, f"facetell page {text}".encode(), hashlib.sha256).hexdigest()

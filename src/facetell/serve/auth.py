"""Token authentication: a bearer token for programs, a signed cookie for browsers."""

from __future__ import annotations

import hashlib
import hmac
import time

from facetell.types import FacetellError

COOKIE = "facetell"
SHORTEST = 16  # characters of a token
COOKIE_SECONDS = 12 * 3600


def check_token(token: str) -> str:
    """The token, unchanged. Raises FacetellError if it is too short or cannot be sent in a header."""
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise FacetellError(
            f"a token needs at least {SHORTEST} ASCII characters without spaces: "
            'generate one with `python3 -c "import secrets; print(secrets.token_urlsafe(24))"`'
        )
    return token


class Authenticator:
    """Checks tokens and cookies in constant time; without a token, everybody is authenticated."""

    def __init__(self, token: str | None) -> None:
        self.required = token is not None
        self._token = (token or "").encode()

    def is_token(self, token: str) -> bool:
        """Whether this is the token."""
        return not self.required or hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def allows(self, authorization: str, cookie: str) -> bool:
        """Whether an Authorization header or a cookie authenticates a request."""
        scheme, _, token = authorization.partition(" ")
        return (scheme.lower() == "bearer" and self.is_token(token.strip())) or self.is_cookie(cookie)

    def cookie(self) -> str:
        """A cookie for a browser that has sent the token: the time at which it expires, and a signature."""
        until = str(int(time.time()) + COOKIE_SECONDS)
        return f"{until}.{self._sign(until)}"

    def is_cookie(self, cookie: str) -> bool:
        """Whether a cookie is one of :meth:`cookie` that has not expired."""
        until, _, signature = cookie.partition(".")
        signed = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(until).encode())
        return signed and until.isdecimal() and int(until) > time.time()

    def _sign(self, text: str) -> str:
        return hmac.new(self._token, f"facetell page {text}".encode(), hashlib.sha256).hexdigest()

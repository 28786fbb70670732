"""Who may come in: the bearer of the token, or a browser that has shown it once."""

from __future__ import annotations

import hashlib
import hmac
import time

from facetell.types import FacetellError

COOKIE = "facetell"
SHORTEST = 16  # characters of a token
COOKIE_SECONDS = 12 * 3600


def check_token(token: str) -> str:
    """A token that is fit for use.

    Raises:
        FacetellError: it is too short, or could not be sent in a header.
    """
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise FacetellError(
            f"a token needs at least {SHORTEST} ASCII characters without spaces: "
            'make one with `python3 -c "import secrets; print(secrets.token_urlsafe(24))"`'
        )
    return token


class Door:
    """Tells who may come in. Comparisons take the same time whatever is shown.

    Args:
        token: that must be shown; None lets anybody in.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token is not None else None

    @property
    def locked(self) -> bool:
        """Whether a token is needed."""
        return self._token is not None

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return self._token is None or hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def bearer(self, header: str) -> bool:
        """Whether an Authorization header shows the token."""
        scheme, _, token = header.partition(" ")
        return scheme.lower() == "bearer" and self.knows(token.strip())

    def cookie(self) -> str:
        """A cookie for a browser that has shown the token: a time, and a seal that only the token's owner can make."""
        until = str(int(time.time()) + COOKIE_SECONDS)
        return f"{until}.{self._seal(until)}"

    def opens(self, cookie: str) -> bool:
        """Whether a cookie is one of ours and still good."""
        until, _, seal = cookie.partition(".")
        sealed = hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(until).encode())
        return sealed and until.isdecimal() and int(until) > time.time()

    def _seal(self, text: str) -> str:
        return hmac.new(self._token or b"", f"facetell page {text}".encode(), hashlib.sha256).hexdigest()

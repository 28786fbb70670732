"""What is answered to a request that is not met: a status, a short code for programs, one sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from facetell.types import FacetellError


class Refused(FacetellError):
    """A request that is not met.

    Args:
        status: of HTTP.
        code: for programs; stays the same when the sentence is reworded.
        message: one sentence: what, and what to do.
        retry_after: seconds after which it may be tried again.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    @property
    def body(self) -> dict[str, str]:
        """The answer in JSON."""
        return {"error": self.code, "message": self.message}


def no_such_job() -> Refused:
    """There is no job under an id, or none any more."""
    return Refused(404, "no_such_job", "there is no such job: it was deleted, has expired, or never was")


def disk_full() -> Refused:
    """Nothing more fits on the disk."""
    return Refused(
        507, "disk_full", "the server's disk is full: try again later, or ask its operator to make room", 300
    )

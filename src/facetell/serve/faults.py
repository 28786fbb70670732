"""HTTP error responses: status, machine-readable code, message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from facetell.types import FacetellError

Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them


class Fault(BaseModel):
    """The body of an error response."""

    error: str = Field(description="machine-readable code, such as `too_large`, which does not change between versions")
    message: str = Field(description="what is wrong, and what to do")


class Refused(FacetellError):
    """A request that is answered with an error; ``retry_after`` is in seconds."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse({"error": self.code, "message": self.message}, self.status, self.headers)


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for refusing a request; ``message`` may hold fields for :meth:`str.format`."""

    status: int
    code: str
    message: str
    retry_after: int | None = None

    def error(self, *, retry_after: int | None = None, **values: object) -> Refused:
        """The exception to raise, with the fields of the message filled in."""
        return Refused(self.status, self.code, self.message.format(**values), retry_after or self.retry_after)


BAD_FORM = Reason(400, "bad_form", "the form is cut off, malformed, or over 64 KiB besides the file: send it again")
BAD_KEY = Reason(400, "bad_key", "an Idempotency-Key has 1 to 100 visible ASCII characters: choose another")
NO_TOKEN = Reason(401, "no_token", "this server requires a token: send `Authorization: Bearer TOKEN`")
OTHER_SITE = Reason(403, "other_site", "requests from other sites are refused: use the server's own page")
NO_SUCH_JOB = Reason(404, "no_such_job", "there is no such job: it was deleted, has expired, or never existed")
NOT_FOUND = Reason(404, "http_404", "there is nothing at this address")
BAD_METHOD = Reason(405, "http_405", "this address does not support that method")
TOO_SLOW = Reason(
    408,
    "too_slow",
    "the upload was too slow and was cancelled: send {rate:g} kB/s at least, for {minutes:g} min at most",
)
LATE_FORM = Reason(408, "too_slow", "the form did not arrive in time: try again")
NOT_DONE = Reason(409, "not_done", "the job is {state}: wait until it is done")
FAILED = Reason(409, "failed", "the job failed and has no result: {reason}")
TOO_LARGE = Reason(413, "too_large", "the video is larger than {mib:g} MiB: upload a shorter segment")
NOT_A_FORM = Reason(415, "not_a_form", "send the video as multipart/form-data with one file in the field 'file'")
WRONG_HOST = Reason(421, "wrong_host", "the server is not known under this name: its operator can --allow-host it")
BAD_VALUE = Reason(422, "bad_value", "{place}: {reason}")
ADDRESS = Reason(
    422, "no_file", "the field 'file' holds a network address, and {reason}: download the video and send it"
)
NO_FILE = Reason(422, "no_file", "the form holds no file in the field 'file': send the video in it")
SEVERAL_FILES = Reason(422, "several_files", "the form holds several videos: send one request for each")
UNREADABLE = Reason(422, "unreadable", "{reason}")
TOO_LONG = Reason(
    422, "too_long", "the video lasts {minutes:.1f} minutes, at most {most:g} are accepted: upload a shorter segment"
)
TOO_MANY_PIXELS = Reason(
    422,
    "too_many_pixels",
    "its frames are {width} x {height}, at most {most:.1f} megapixels are accepted: scale down",
)
KEY_REUSED = Reason(422, "key_reused", "this Idempotency-Key was sent with another video before: choose a new one")
TOO_MANY_UPLOADS = Reason(429, "too_many_uploads", "the server receives as many videos as it can: try again soon", 2)
WRONG_TOKENS = Reason(429, "wrong_tokens", "too many wrong tokens came from this address: try again later")
QUEUE_FULL = Reason(429, "queue_full", "the queue is full ({waiting} videos): try again later", 10)
TOO_MANY_STREAMS = Reason(429, "too_many_listeners", "too many event streams are open: poll the job instead", 10)
INTERNAL = Reason(500, "fault", "internal error of the server: report it to its operator, who finds it in the log")
NOT_READY = Reason(503, "not_ready", "the server cannot check uploads now (is its memory full?): try again later", 10)
NO_WORKER = Reason(503, "no_worker", "no worker is ready: look at the server's log")
DISK_FULL = Reason(
    507, "disk_full", "the disk of the server is full or fails: try again later, or report it to the operator", 300
)


# The error responses of every operation, for OpenAPI. docs/serving.md has a table of them by status. A reference, not
# a model, which FastAPI would describe under the media type of a successful response.
_SCHEMA = {"$ref": f"#/components/schemas/{Fault.__name__}"}
RESPONSES: Responses = {"default": {"description": "An error", "content": {"application/json": {"schema": _SCHEMA}}}}

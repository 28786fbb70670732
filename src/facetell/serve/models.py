"""Settings and limits of the server, its errors, and the models of which the OpenAPI document is generated."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.types import Scope

from facetell.detector import Settings
from facetell.report.language import LANGUAGES, load_language
from facetell.types import N_, FacetellError, Status, Verdict

LOG = logging.getLogger("facetell.serve")
DISK_FULL = N_("the disk of the server is full or fails: try again later, or report it to the operator")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits beyond which a request is refused."""

    upload_bytes: int = 2048 * MIB  # size of a video file
    duration: float = 3600.0  # of a video, in seconds
    pixels: int = 8192 * 4320  # width times height of a frame
    uploads: int = 8  # received at a time, half of one address; slow ones do not count
    queue: int = 100  # jobs that wait to be scored
    free_bytes: int = 512 * MIB  # disk space that uploads leave free
    upload_rate: float = 64_000.0  # bytes per second at least
    rate_seconds: float = 30.0  # behind that rate, after which an upload ends
    streams: int = 200  # event streams that are open at the same time


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of the server."""

    data: Path  # folder of jobs, videos and reports
    limits: Limits = field(default_factory=Limits)
    workers: int = 1  # processes that score
    keep_seconds: float | None = 7 * 86400.0  # after which a finished job is deleted; None: never
    token: str | None = None  # required of every client; None: no token
    hosts: tuple[str, ...] = ()  # names of the server, besides `localhost` and all IP addresses
    webhook_hosts: tuple[str, ...] = ()  # HOST or HOST:PORT to which webhooks may be sent
    webhook_secret: str | None = None  # with which they are signed
    root_path: str = ""  # path under which a reverse proxy publishes the server, such as "/facetell"
    model: Path | str | None = None  # see facetell.engine.model_path
    detector: Settings = field(default_factory=Settings)


class Fault(BaseModel):
    """The body of an error response."""

    error: str = Field(description="machine-readable code, such as `too_large`, which does not change between versions")
    message: str = Field(description="what is wrong, and what to do")


class Refused(FacetellError):
    """A request that is answered with an error; ``retry_after`` is in seconds. docs/serving.md has a table of them."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self, scope: Scope) -> JSONResponse:
        """The HTTP response, with the message in the language that the query of the request states, else in English."""
        asked = QueryParams(scope["query_string"]).get("language")
        language = load_language(asked if asked in LANGUAGES else "en")
        fault = Fault(error=self.code, message=language.message(self.message))
        return JSONResponse(fault.model_dump(), self.status, self.headers)


class State(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


ENDED = (State.DONE, State.FAILED)
Share = Annotated[float, Field(ge=0, le=1)]


class Summary(BaseModel, from_attributes=True):
    """Summary of the verdict; the result holds all of it."""

    status: Status = Field(description="every value but `scored` is an abstention and has no probability")
    verdict: Verdict
    probability: Share | None = Field(description="of manipulation, for the face that decides")
    interval: tuple[Share, Share] | None = Field(description="95 % interval of the probability")
    threshold: Share | None = Field(None, description="minimum probability for `forged`")
    message: str = Field(description="why nothing was scored")
    warnings: tuple[str, ...] = Field(description="what limits the reliability of the score")
    faces: int = Field(0, ge=0, description="number of faces that were scored")
    sha256: str | None = Field(description="of the uploaded file")
    thumbnail: str | None = Field(None, description="the face that decides, as the data URI of a JPEG image")


class Checked(BaseModel):
    """What the inspector has found: pixels of the upright frame, seconds or None."""

    kind: Literal["checked"] = "checked"
    width: int
    height: int
    duration: float | None


class Job(BaseModel):
    """A video and the state of its scoring."""

    # The first fields are stored; the excluded ones of them are not published.
    number: int = Field(ge=1, description="in order of arrival")
    id: str = Field(pattern="^[0-9a-f]{32}$")
    name: str = Field(description="file name given by the client, without folders; for display only")
    state: State
    size: int = Field(ge=0, description="bytes")
    duration: float | None = Field(description="seconds, as stated by the file; null where it states none")
    width: int
    height: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    message: str = Field(description="why the job failed")
    summary: Summary | None = Field(description="null until the job is done")
    key: str | None = Field(exclude=True)  # Idempotency-Key of the upload
    crashes: int = Field(exclude=True)  # how often a worker process ended while it scored the video
    stops: int = Field(exclude=True)  # how often the server ended while the job ran
    policy: str = Field(exclude=True)  # content security policy of the report
    sha256: str = Field(exclude=True)  # of the video
    webhook: str | None = Field(exclude=True)  # that has yet to be sent, as JSON

    expires: datetime | None = Field(None, description="when the job will be deleted")
    progress: Share | None = Field(None, description="share that is done; null where unknown or not running")


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next: int | None = Field(description="value of `before` for the next page; null on the last page")

"""What the API and the store exchange; the OpenAPI document is generated from these models."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from facetell.types import Status, Verdict

Share = Annotated[float, Field(ge=0, le=1)]


class State(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (State.DONE, State.FAILED)


class Summary(BaseModel):
    """Summary of the verdict; the result holds all of it."""

    status: Status = Field(description="every value but `scored` is an abstention and has no probability")
    verdict: Verdict
    probability: Share | None = Field(description="of manipulation, for the face with the highest one")
    interval: tuple[Share, Share] | None = Field(description="95 % interval of the probability")
    threshold: Share | None = Field(None, description="minimum probability for `forged`")
    message: str = Field(description="why nothing was scored")
    warnings: list[str] = Field(description="what limits the reliability of the score")
    faces: int = Field(ge=0, description="number of faces that were scored")
    sha256: str | None = Field(description="of the uploaded file")
    thumbnail: str | None = Field(None, description="the face that decides, as the data URI of a JPEG image")


class JobFields(BaseModel):
    """The fields of a job that are both stored and published."""

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


class Job(JobFields):
    """A row of the store."""

    key: str | None  # Idempotency-Key of the upload
    crashes: int  # how often a worker process ended while it scored the video
    stops: int  # how often the server ended while the job ran
    policy: str  # content security policy of the report
    sha256: str  # of the video


class Links(BaseModel):
    """Addresses of a job."""

    self: str
    events: str
    result: str
    report: str
    page: str


class JobView(JobFields):
    """A video and the state of its scoring."""

    expires: datetime | None = Field(description="when the job will be deleted")
    position: int | None = Field(ge=1, description="place in the queue, 1 is next; null unless the job is queued")
    progress: Share | None = Field(description="share that is done; null where unknown and unless the job is running")
    links: Links


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobView]
    next: int | None = Field(description="value of `before` for the next page; null on the last page")

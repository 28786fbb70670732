"""What the API answers, with its descriptions and examples: the OpenAPI document is made from this."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from facetell.serve.jobs import Job, State
from facetell.serve.service import Service
from facetell.types import Status, Verdict

EXAMPLE_ID = "6f1d2c3b4a5968778695a4b3c2d1e0f0"
_SUMMARY: dict[str, Any] = {
    "status": "scored",
    "verdict": "inconclusive",
    "probability": 0.53,
    "interval": [0.47, 0.59],
    "threshold": 0.824,
    "message": "",
    "warnings": [],
    "faces": 1,
    "sha256": "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
}
_JOB: dict[str, Any] = {
    "number": 12,
    "id": EXAMPLE_ID,
    "name": "talk.mp4",
    "state": "done",
    "size": 1048576,
    "duration": 20.4,
    "width": 640,
    "height": 360,
    "created": "2026-01-31T10:00:00Z",
    "started": "2026-01-31T10:00:01Z",
    "finished": "2026-01-31T10:00:04Z",
    "expires": "2026-02-07T10:00:04Z",
    "position": None,
    "progress": None,
    "message": "",
    "summary": _SUMMARY,
    "links": {
        "self": f"/v1/jobs/{EXAMPLE_ID}",
        "events": f"/v1/jobs/{EXAMPLE_ID}/events",
        "result": f"/v1/jobs/{EXAMPLE_ID}/result",
        "report": f"/v1/jobs/{EXAMPLE_ID}/report",
        "page": f"/jobs/{EXAMPLE_ID}",
    },
}
Answers = dict[int | str, dict[str, Any]]
Share = Annotated[float, Field(ge=0, le=1)]


class Fault(BaseModel):
    """Why a request was not met."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "no_such_job", "message": "there is no such job: it was deleted"}]}
    )
    error: str = Field(description="for programs; stays the same when the sentence is reworded")
    message: str = Field(description="one sentence: what, and what to do")


class Summary(BaseModel):
    """The verdict in short; all of it is in the result."""

    status: Status = Field(description="everything but `scored` is an abstention and carries no probability")
    verdict: Verdict
    probability: Share | None = Field(description="that the most suspect face is forged")
    interval: tuple[Share, Share] | None = Field(description="95 % interval of the probability")
    threshold: Share | None = Field(None, description="minimum probability for `forged`")
    message: str = Field(description="why nothing was scored")
    warnings: list[str] = Field(description="what a reader of the score should know")
    faces: int = Field(ge=0, description="faces that were scored")
    sha256: str | None = Field(description="of the uploaded file")


class Links(BaseModel):
    """Where the rest is found."""

    self: str
    events: str
    result: str
    report: str
    page: str


class JobView(BaseModel):
    """One video and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})
    number: int = Field(ge=1, description="in order of arrival")
    id: str = Field(pattern="^[0-9a-f]{32}$")
    name: str = Field(description="what the client called the file, without folders; only shown, never used as a path")
    state: State
    size: int = Field(ge=0, description="bytes")
    duration: float | None = Field(description="seconds, as the file tells; null where it does not")
    width: int
    height: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime | None = Field(description="when it will be deleted")
    position: int | None = Field(ge=1, description="place in the queue, 1 for the next; null once it is not queued")
    progress: Share | None = Field(description="share of a running job that is done; null where that is not known")
    message: str = Field(description="why it failed")
    summary: Summary | None = Field(description="null until it is done")
    links: Links

    @classmethod
    def of(cls, job: Job, service: Service) -> JobView:
        """A job as clients see it."""
        progress = service.progress(job.id) if job.state is State.RUNNING else None
        root = service.settings.root_path
        base = f"{root}/v1/jobs/{job.id}"
        return cls(
            number=job.number,
            id=job.id,
            name=job.name,
            state=job.state,
            size=job.size,
            duration=job.duration,
            width=job.width,
            height=job.height,
            created=datetime.fromtimestamp(job.created, UTC),
            started=_when(job.started),
            finished=_when(job.finished),
            expires=_when(service.expires(job)),
            position=service.store.position(job) if job.state is State.QUEUED else None,
            progress=progress.share if progress else None,
            message=job.message,
            summary=Summary(**job.summary) if job.summary else None,
            links=Links(
                self=base,
                events=f"{base}/events",
                result=f"{base}/result",
                report=f"{base}/report",
                page=f"{root}/jobs/{job.id}",
            ),
        )


class JobList(BaseModel):
    """Jobs, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [_JOB], "next": None}]})
    jobs: list[JobView]
    next: int | None = Field(description="give it as `before` to get the jobs that come after these; null at the end")


class Health(BaseModel):
    """Whether the server can score."""

    status: str = Field(examples=["ok"])


def fault(status: int, description: str, code: str, message: str) -> Answers:
    """The description of an answer with a :class:`Fault`."""
    example = {"error": code, "message": message}
    content = {"application/json": {"example": example}}
    answer: dict[str, Any] = {"model": Fault, "description": description, "content": content}
    if status == 429:
        answer["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return {status: answer}


def _when(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

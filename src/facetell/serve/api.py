"""The API under /v1, and the addresses for monitoring."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from facetell.report.language import LANGUAGES, preferred
from facetell.serve.access import HEAD
from facetell.serve.models import Fault, Job, JobList, Refused, State
from facetell.serve.publish import Stream
from facetell.serve.service import Service
from facetell.serve.store import RESULT
from facetell.serve.uploads import receive_job

Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them
Events = AsyncIterator[ServerSentEvent]


def service_of(request: Request) -> Service:
    """The service of the app."""
    service: Service = request.app.state.service
    return service


async def _stream(request: Request, service: Serving) -> AsyncIterator[Stream]:
    """An event stream of a job or of all. Raises Refused before the response has begun."""
    if (job_id := request.path_params.get("job_id")) is not None:
        await asyncio.to_thread(service.find, job_id)
    with service.hub.stream(job_id) as stream:
        yield stream


Accepted = Annotated[str, Header(alias="Accept-Language", description="if no `language` is given")]
Asked = Annotated[str | None, Query(pattern=f"^({'|'.join(LANGUAGES)})$", description="of the report")]


def language_of(accepted: Accepted = "", language: Asked = None) -> str:
    """The language of a page or report: the one that is given, else what the client accepts, else English."""
    return language or preferred(accepted)


Serving = Annotated[Service, Depends(service_of)]
Spoken = Annotated[str, Depends(language_of)]
Followed = Annotated[Stream, Depends(_stream)]
Most = Annotated[int, Query(ge=1, le=200, description="largest number of jobs")]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="only jobs with a smaller number")]  # of SQLite
InState = Annotated[State | None, Query(description="only jobs in this state")]
JobId = Annotated[str, Path(description="of the job: 32 hexadecimal digits")]
SAME = "the same video with the same key again gives the job of the first upload"
Key = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,100}$", description=SAME)]
Target = Annotated[str | None, Query(pattern="^[!-~]{1,2000}$", description="address to post the ended job to")]
JSON: Responses = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}
HTML: Responses = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
FILE = {"type": "string", "format": "binary", "description": "the video"}
FORM = {"schema": {"type": "object", "properties": {"file": FILE}, "required": ["file"]}}
SAME_KEY = {"model": Job, "description": "The job of an earlier upload with the same Idempotency-Key"}
# A reference, not a model, which FastAPI would describe under the media type of a successful response.
SCHEMA = {"$ref": f"#/components/schemas/{Fault.__name__}"}
RESPONSES: Responses = {"default": {"description": "An error", "content": {"application/json": {"schema": SCHEMA}}}}

router = APIRouter(prefix="/v1", responses=RESPONSES)
monitor = APIRouter(responses=RESPONSES)


@router.post(
    "/jobs",
    status_code=201,
    summary="Upload a video",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": FORM}}},
    responses={200: SAME_KEY, "default": {"model": Fault, "description": "An error"}},
)
async def create_job(
    request: Request, response: Response, service: Serving, key: Key = None, webhook: Target = None
) -> Job:
    """One video per request; it is scored as soon as a worker is free."""
    job, new = await receive_job(service, request, key, webhook)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"{service.settings.root_path}/v1/jobs/{job.id}"
    return service.view(job)


@router.get("/jobs", summary="List jobs")
def list_jobs(service: Serving, limit: Most = 50, before: Before = None, state: InState = None) -> JobList:
    """The newest first."""
    jobs, following = service.newest(limit, before, state)
    return JobList(jobs=jobs, next=following)


@router.get("/jobs/{job_id}", summary="Get a job")
def get_job(job_id: JobId, service: Serving) -> Job:
    """The job as it is now."""
    return service.find(job_id)


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job")
def delete_job(job_id: JobId, service: Serving) -> None:
    """In any state: its scoring is stopped, and its video, result and report are deleted."""
    service.find(job_id)
    service.delete(job_id)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse, summary="Follow a job")
async def job_events(request: Request, service: Serving, job_id: JobId, stream: Followed) -> Events:
    """Server-sent events: `job` at once and on each change, until the job has ended; `deleted` if it is deleted."""
    async for event in all_events(request, service, stream):
        yield event


@router.get("/events", response_class=EventSourceResponse, summary="Follow all jobs")
async def all_events(request: Request, service: Serving, stream: Followed) -> Events:
    """Server-sent events `job` and `deleted` of all jobs; the stream does not end."""
    if request.scope[HEAD]:  # only the headers are sent
        return
    yield ServerSentEvent(retry=2000)
    async for event in service.hub.events(stream):
        yield event


@router.get("/jobs/{job_id}/result", response_class=FileResponse, summary="Get the result", responses=JSON)
def get_result(job_id: JobId, service: Serving) -> FileResponse:
    """What `facetell detect --json` writes."""
    return _send(service.files.folder(find_done(service, job_id).id) / RESULT, media_type="application/json")


@router.get("/jobs/{job_id}/report", response_class=FileResponse, summary="Get the report", responses=HTML)
def get_report(job_id: JobId, service: Serving, language: Spoken) -> FileResponse:
    """What `facetell detect --report` writes: one self-contained page."""
    job = find_done(service, job_id)
    path = service.files.report(job.id, language)
    return _send(path, media_type="text/html", headers=report_headers(job.policy))


def _send(path: FilePath, **options: Any) -> FileResponse:
    """A file of a job. Raises Refused if it is missing: just deleted, or not in a backup that was restored."""
    with contextlib.suppress(FileNotFoundError):
        return FileResponse(path, stat_result=path.stat(), **options)
    raise Refused(404, "file_missing", "this file is missing on the server's disk: upload the video again")


def report_headers(policy: str) -> dict[str, str]:
    """Only the style and the script of a report may run, and a sandbox hides cookies and pages of the server."""
    sandbox = "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals"
    return {"Content-Security-Policy": f"{policy}; {sandbox}"}


def find_done(service: Service, job_id: str) -> Job:
    """A job that has a result. Raises Refused if there is no such job, or no result."""
    job = service.find(job_id)
    if job.state is State.FAILED:
        raise Refused(409, "failed", f"the job {job.id} failed and has no result: {job.message}")
    if job.state is not State.DONE:
        raise Refused(409, "not_done", f"the job {job.id} is {job.state}: wait until it is done")
    return job


@monitor.get("/healthz", summary="Check health")
def health(service: Serving) -> dict[str, str]:
    """Whether the server can score videos. Requires no token."""
    service.store.counts()
    if not service.pool.healthy:
        raise Refused(503, "no_worker", "no worker is ready: look at the server's log")
    return {"status": "ok"}


@monitor.get("/metrics", response_class=PlainTextResponse, summary="Get metrics")
def metrics(service: Serving) -> PlainTextResponse:
    """In Prometheus' text format."""
    return PlainTextResponse(service.figures(), media_type="text/plain; version=0.0.4; charset=utf-8")

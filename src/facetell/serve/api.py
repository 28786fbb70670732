"""The API under /v1, and what a monitor reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from facetell.serve.faults import Refused, no_such_job
from facetell.serve.guard import HEAD
from facetell.serve.hub import Listener
from facetell.serve.jobs import Job, State
from facetell.serve.models import EXAMPLE_ID, Fault, Health, JobList, JobView, fault
from facetell.serve.service import Service
from facetell.serve.uploads import FIELD, receive_job

BEAT = 15.0  # seconds after which a silent event stream says that it is alive
NUMBERS = 2**63 - 1  # the largest number that the store knows


def service_of(request: Request) -> Service:
    """The service behind the app."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
JobId = Annotated[str, Path(description="of the job: 32 hexadecimal digits", examples=[EXAMPLE_ID])]

_LOCKED = {
    **fault(401, "The server asks for a token", "no_token", "this server asks for a token"),
    **fault(421, "The server is addressed by a name that it does not know", "wrong_host", "the server is not known…"),
}
_OTHER_SITE = fault(403, "The request comes from another site", "other_site", "requests from other sites are refused")
_NOT_FOUND = fault(404, "There is no such job", "no_such_job", "there is no such job: it was deleted, has expired…")
_BAD_VALUE = fault(422, "A value is not allowed", "bad_value", "limit: Input should be less than or equal to 200")
_NOT_READY = fault(409, "The job has no result (yet)", "not_done", "the job is queued: wait until it is done")
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: {"type": "string", "format": "binary", "description": "the video"}},
                    "required": [FIELD],
                }
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "chosen by the client: the same video with the same key again gives the job of the first",
            "schema": {"type": "string", "pattern": "^[!-~]{1,100}$", "minLength": 1, "maxLength": 100},
        }
    ],
}

router = APIRouter(prefix="/v1", responses={**_LOCKED, **_BAD_VALUE}, tags=["jobs"])
monitor = APIRouter(tags=["monitoring"])


@router.post(
    "/jobs",
    status_code=201,
    response_model=JobView,
    summary="Upload a video",
    openapi_extra=_UPLOAD,
    responses={
        200: {"model": JobView, "description": "It came with the same Idempotency-Key before: the job of that upload"},
        201: {"description": "The video is queued"},
        **fault(400, "The request is not a whole form", "bad_form", "the form is cut off or not multipart/form-data"),
        **_OTHER_SITE,
        **fault(
            408, "The upload came too slowly", "too_slow", "the upload came too slowly and was given up: try again"
        ),
        **fault(413, "The video is too large", "too_large", "the video is larger than 2048 MiB: cut out the part…"),
        **fault(415, "The request is not a form", "not_a_form", "send the video as multipart/form-data…"),
        **fault(
            422, "No video, beyond a limit, a used key", "unreadable", "the file is not a video that can be read: …"
        ),
        **fault(429, "The queue is full", "queue_full", "100 videos wait to be scored, no more are taken: try later"),
        **fault(503, "Uploads cannot be looked at now", "not_ready", "the server cannot look at uploads now (is its…"),
        **fault(507, "The disk is full", "disk_full", "the server's disk is full: try again later"),
    },
)
async def create_job(request: Request, response: Response, service: Serving) -> JobView:
    """One video a request; it is scored as soon as a worker is free."""
    job, new = await receive_job(service, request)
    response.status_code = 201 if new else 200
    view = await asyncio.to_thread(JobView.of, job, service)
    response.headers["Location"] = view.links.self
    return view


@router.get("/jobs", response_model=JobList, summary="List jobs")
def list_jobs(
    service: Serving,
    limit: Annotated[int, Query(ge=1, le=200, description="at most so many")] = 50,
    before: Annotated[int | None, Query(ge=1, le=NUMBERS, description="only those with a smaller number")] = None,
    state: Annotated[State | None, Query(description="only those in this state")] = None,
) -> JobList:
    """The newest first."""
    jobs = service.store.newest(limit + 1, before, state)
    more = jobs[limit - 1].number if len(jobs) > limit else None
    return JobList(jobs=[JobView.of(job, service) for job in jobs[:limit]], next=more)


@router.get("/jobs/{job_id}", response_model=JobView, summary="One job", responses=_NOT_FOUND)
def get_job(job_id: JobId, service: Serving) -> JobView:
    """What is known of a job now."""
    return JobView.of(find(service, job_id), service)


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job", responses=_NOT_FOUND | _OTHER_SITE)
def delete_job(job_id: JobId, service: Serving) -> Response:
    """Whatever it is at: it is stopped, and its video, result and report are deleted."""
    if not service.delete(job_id):
        raise no_such_job()
    return Response(status_code=204)


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow one job",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events `job`, each with a job as JSON; ends when the job has ended",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}, "example": 'event: job\ndata: {"id": …}\n\n'}
            },
        },
        **fault(
            429, "Too many streams are open", "too_many_listeners", "too many event streams are open: poll the job"
        ),
        **_NOT_FOUND,
    },
)
async def job_events(job_id: JobId, service: Serving) -> StreamingResponse:
    """The job at once, then each time it changes; `deleted` when it is deleted."""
    await asyncio.to_thread(find, service, job_id)
    return _stream(service, job_id)


@router.get(
    "/events",
    summary="Follow all jobs",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events `job` and `deleted` of all jobs; does not end",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}, "example": 'event: job\ndata: {"id": …}\n\n'}
            },
        },
        **fault(
            429, "Too many streams are open", "too_many_listeners", "too many event streams are open: poll the job"
        ),
    },
)
async def all_events(service: Serving) -> StreamingResponse:
    """Each job when it changes."""
    return _stream(service, None)


@router.get(
    "/jobs/{job_id}/result",
    summary="The result",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The result under facetell's published schema",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"schema": "facetell.result"}}},
        },
        **_NOT_FOUND,
        **_NOT_READY,
    },
)
def get_result(job_id: JobId, service: Serving) -> FileResponse:
    """The same as `facetell detect --json` writes."""
    job = finished(service, job_id)
    return FileResponse(service.files.result(job.id), media_type="application/json")


@router.get(
    "/jobs/{job_id}/report",
    summary="The report",
    response_class=FileResponse,
    responses={
        200: {
            "description": "One self-contained page",
            "content": {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"}},
        },
        **_NOT_FOUND,
        **_NOT_READY,
    },
)
def get_report(
    job_id: JobId,
    service: Serving,
    download: Annotated[bool, Query(description="to be saved, not shown")] = False,
) -> FileResponse:
    """The same as `facetell detect --report` writes."""
    job = finished(service, job_id)
    answer = FileResponse(service.files.report(job.id), media_type="text/html")
    # The report brings a style and a script of its own: its policy lets these two run and nothing else, and the
    # sandbox takes this server's cookies and pages out of its reach.
    answer.headers["Content-Security-Policy"] = (
        f"{job.policy}; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals"
    )
    if download:
        answer.headers["Content-Disposition"] = f'attachment; filename="facetell-{job.id[:8]}.html"'
    return answer


@monitor.get(
    "/healthz",
    response_model=Health,
    summary="Can it score?",
    responses={503: {"model": Fault, "description": "There has been no worker for a minute"}},
)
def health(service: Serving) -> Health:
    """For load balancers and service managers; asks for no token."""
    service.store.counts()
    if not service.pool.healthy:
        raise Refused(503, "no_worker", "no worker is ready: look at the server's log")
    return Health(status="ok")


@monitor.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_LOCKED},
)
def metrics(service: Serving) -> Response:
    """In Prometheus' text format."""
    return Response(service.figures(), media_type="text/plain; version=0.0.4; charset=utf-8")


def find(service: Service, job_id: str) -> Job:
    """A job that is there.

    Raises:
        Refused: it is not.
    """
    job = service.store.get(job_id)
    if job is None:
        raise no_such_job()
    return job


def finished(service: Service, job_id: str) -> Job:
    """A job that has a result.

    Raises:
        Refused: it is not there, or has none.
    """
    job = find(service, job_id)
    if job.state is State.FAILED:
        raise Refused(409, "failed", f"the job failed and has no result: {job.message}")
    if job.state is not State.DONE:
        raise Refused(409, "not_done", f"the job is {job.state.value}: wait until it is done")
    if not service.files.result(job_id).exists():
        raise no_such_job()
    return job


def _stream(service: Service, job_id: str | None) -> StreamingResponse:
    stack = ExitStack()
    listener = stack.enter_context(service.hub.listen(job_id))  # a refusal comes before the answer has begun
    return _Stream(_events(service, listener), stack)


class _Stream(StreamingResponse):
    """Gives the listener back however the stream ends, even before its first word. HEAD gets the headers alone."""

    def __init__(self, events: AsyncIterator[str], stack: ExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            if scope.get(HEAD):
                self.body_iterator = _nothing()
            await super().__call__(scope, receive, send)


async def _nothing() -> AsyncIterator[str]:
    return
    yield


async def _events(service: Service, listener: Listener) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    changed = {listener.job_id} if listener.job_id else set()
    while not listener.closed:
        for job_id in changed:
            job = await asyncio.to_thread(service.store.get, job_id)
            if job is None:
                yield f'event: deleted\ndata: {{"id": "{job_id}"}}\n\n'
            else:
                view = await asyncio.to_thread(JobView.of, job, service)
                yield f"event: job\ndata: {view.model_dump_json()}\n\n"
            if listener.job_id and (job is None or job.state.ended):
                return
        changed = await listener.changes(BEAT)
        if not changed and not listener.closed:
            yield ": alive\n\n"

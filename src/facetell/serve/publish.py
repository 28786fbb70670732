"""Publish changes of jobs to open server-sent-event streams, and metrics to Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from fastapi.sse import ServerSentEvent
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from facetell.serve.models import LOG, Refused


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("facetell_requests", "Requests answered", ["status"], registry=registry)
        self.refused = Counter("facetell_uploads_refused", "Uploads refused, by reason", ["code"], registry=registry)
        self.ended = Counter("facetell_jobs_ended", "Jobs that were done or failed", ["state"], registry=registry)
        self.crashes = Counter("facetell_worker_crashes", "Processes that ended during a job", registry=registry)
        self.jobs = Gauge("facetell_jobs", "Jobs kept, by state", ["state"], registry=registry)
        self.uploads = Gauge("facetell_uploads_running", "Uploads being received", registry=registry)
        self.workers = Gauge("facetell_workers_ready", "Workers with a loaded model", registry=registry)
        self.free = Gauge("facetell_free_bytes", "Free bytes on the disk of the data folder", registry=registry)


class Stream:
    """A stream of all jobs, or of one. Only the last event of each job is kept: a slow client costs no memory."""

    def __init__(self, job_id: str | None) -> None:
        self.job_id, self.wake = job_id, asyncio.Event()
        self.events: dict[str, tuple[ServerSentEvent, bool]] = {}  # not sent yet


class Hub:
    """The open event streams, at most ``limit``; ``render`` gives the event for a job, and whether it is the last."""

    def __init__(self, limit: int, render: Callable[[str], tuple[ServerSentEvent, bool]]) -> None:
        self._limit, self._render, self._closed = limit, render, False
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()  # held from rendering to sending, so that the newest event comes last
        self._loop: asyncio.AbstractEventLoop | None = None  # of the streams

    def close(self) -> None:
        """End all streams. May be called from any thread."""
        self._closed = True
        for stream in tuple(self._streams):
            self._call(stream.wake.set)

    def publish(self, job_id: str) -> None:
        """Report that a job has changed. May be called from any thread but that of the event loop."""
        with self._lock:
            if self._streams:
                try:
                    event = self._render(job_id)
                    self._call(lambda: self._send(job_id, event))
                except Exception:  # the job goes on
                    LOG.exception("job %s: its event could not be sent", job_id)

    @contextlib.contextmanager
    def stream(self, job_id: str | None) -> Iterator[Stream]:
        """Within ``with``, a stream of all jobs or of one is open. Raises Refused if too many are."""
        if len(self._streams) >= self._limit:
            raise Refused(429, "too_many_listeners", "too many event streams are open: poll the job instead", 10)
        self._loop = asyncio.get_running_loop()
        self._streams.add(stream := Stream(job_id))
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def events(self, stream: Stream) -> AsyncIterator[ServerSentEvent]:
        """The events of all jobs, until the hub is closed, or of one, at once and on each change, until the last."""
        if stream.job_id is not None:
            await asyncio.to_thread(self.publish, stream.job_id)
        while not self._closed:
            await stream.wake.wait()
            stream.wake.clear()
            events, stream.events = stream.events, {}
            for event, last in events.values():
                yield event
                if last and stream.job_id is not None:
                    return

    def _send(self, job_id: str, event: tuple[ServerSentEvent, bool]) -> None:
        for stream in self._streams:
            if stream.job_id in (None, job_id):
                stream.events[job_id] = event
                stream.wake.set()

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(function)

"""Publish job updates to open server-sent-event streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from fastapi.sse import ServerSentEvent

from facetell.serve.faults import Refused

OPENING_SECONDS = 5.0  # after which a request that was checked counts no longer: its client has gone

LOG = logging.getLogger("facetell.serve")


class Hub:
    """The open event streams, at most ``limit``.

    Each change of a job is rendered once, however many streams are open. A stream keeps the last event of each job, not
    a queue of events: a slow client costs no memory.

    Args:
        limit: of the streams.
        render: the event for a job and whether it is the last one; called in a thread.
    """

    def __init__(self, limit: int, render: Callable[[str], tuple[ServerSentEvent, bool]]) -> None:
        self._limit, self._render, self._closed = limit, render, False
        self._streams: set[_Stream] = set()
        self._changed: set[str] = set()  # jobs whose events are not rendered yet
        self._opening: list[float] = []  # when requests were checked that have no stream yet
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def open(self) -> None:
        """Use the running event loop."""
        self._loop = asyncio.get_running_loop()

    def publish(self, job_id: str) -> None:
        """Report that a job has changed. May be called from any thread."""
        self._call(self._begin, job_id)

    def close(self) -> None:
        """End all streams. May be called from any thread."""
        self._closed = True
        self._call(self._wake)

    def check(self) -> None:
        """Raise Refused if too many streams are open or about to be."""
        now = time.monotonic()
        self._opening = [begun for begun in self._opening if now - begun < OPENING_SECONDS]
        if len(self._streams) + len(self._opening) >= self._limit:
            message = "too many event streams are open: poll the job instead"
            raise Refused(429, "too_many_listeners", message, 10)
        self._opening.append(now)

    async def events(self, job_id: str | None) -> AsyncIterator[ServerSentEvent]:
        """The events of all jobs, until the hub is closed, or of one, at once and on each change, until the last."""
        stream = _Stream(job_id)
        self._streams.add(stream)
        del self._opening[:1]
        try:
            if job_id is not None:
                self._begin(job_id)
            while not self._closed:
                await stream.wake.wait()
                stream.wake.clear()
                events, stream.events = stream.events, {}
                for event, last in events.values():
                    yield event
                    if last and job_id is not None:
                        return
        finally:
            self._streams.discard(stream)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(function, *arguments)

    def _wake(self) -> None:
        for stream in self._streams:
            stream.wake.set()

    def _begin(self, job_id: str) -> None:
        self._changed.add(job_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._distribute())

    async def _distribute(self) -> None:
        while self._changed:
            job_id = self._changed.pop()
            listening = [stream for stream in self._streams if stream.job_id in (None, job_id)]
            if not listening:
                continue
            try:
                event = await asyncio.to_thread(self._render, job_id)
            except Exception:  # the other jobs go on
                LOG.exception("job %s: its event could not be sent", job_id)
                continue
            for stream in listening:
                stream.events[job_id] = event
                stream.wake.set()


class _Stream:
    """One open stream: of all jobs, or of one."""

    def __init__(self, job_id: str | None) -> None:
        self.job_id, self.wake = job_id, asyncio.Event()
        self.events: dict[str, tuple[ServerSentEvent, bool]] = {}  # not sent yet

"""Publish job updates to open server-sent-event streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from facetell.serve.faults import TOO_MANY_STREAMS


class Hub:
    """The open event streams, at most ``limit``.

    For each stream it keeps the set of changed jobs, not a queue of changes: a slow client costs no memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._closed = limit, False
        self._changed: dict[asyncio.Event, set[str]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._changed)

    def open(self) -> None:
        """Use the running event loop."""
        self._loop = asyncio.get_running_loop()

    def publish(self, *job_ids: str) -> None:
        """Report that jobs have changed. May be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake, job_ids)

    def close(self) -> None:
        """End all streams. May be called from any thread."""
        self._closed = True
        self.publish()

    def check(self) -> None:
        """Raise Refused if too many streams are open."""
        if len(self._changed) >= self._limit:
            raise TOO_MANY_STREAMS.error()

    async def changes(self, job_id: str | None) -> AsyncIterator[str]:
        """Yield the id of each job that changes, or ``job_id`` at once and on each change, until the hub is closed."""
        event, changed = asyncio.Event(), {job_id} if job_id else set()
        self._changed[event] = changed
        try:
            while not self._closed:
                found = [other for other in changed if job_id in (None, other)]
                changed.clear()
                for other in found:
                    yield other
                await event.wait()
                event.clear()
        finally:
            del self._changed[event]

    def _wake(self, job_ids: tuple[str, ...]) -> None:
        for event, changed in self._changed.items():
            changed.update(job_ids)
            event.set()

"""Who is told when a job changes: the open event streams of browsers and programs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from facetell.serve.faults import Refused


class Listener:
    """One event stream: gathers which jobs have changed since it last looked, so that a slow one costs no memory."""

    def __init__(self, job_id: str | None) -> None:
        self.job_id = job_id
        self._changed: set[str] = set()
        self._event = asyncio.Event()
        self.closed = False

    def tell(self, job_id: str) -> None:
        """A job has changed."""
        if self.job_id in (None, job_id):
            self._changed.add(job_id)
            self._event.set()

    def close(self) -> None:
        """The server stops."""
        self.closed = True
        self._event.set()

    async def changes(self, seconds: float) -> set[str]:
        """The jobs that have changed; none after so many seconds without one."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        self._event.clear()
        changed, self._changed = self._changed, set()
        return changed


class Hub:
    """All listeners.

    Args:
        most: that may listen at the same time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def open(self) -> None:
        """Take the running event loop; called once it runs."""
        self._loop = asyncio.get_running_loop()

    def publish(self, job_id: str) -> None:
        """A job has changed; may be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
                self._loop.call_soon_threadsafe(self._tell, job_id)

    def close(self) -> None:
        """End all streams; may be called from a signal handler."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._close)

    @contextlib.contextmanager
    def listen(self, job_id: str | None) -> Iterator[Listener]:
        """Listen to one job, or to all.

        Raises:
            Refused: too many do.
        """
        if len(self._listeners) >= self._most:
            raise Refused(429, "too_many_listeners", "too many event streams are open: poll the job instead", 10)
        listener = Listener(job_id)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _tell(self, job_id: str) -> None:
        for listener in self._listeners:
            listener.tell(job_id)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()

"""The server without its network: store, files, workers and what they tell each other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from facetell.serve.faults import Refused, disk_full
from facetell.serve.files import Files
from facetell.serve.hub import Hub
from facetell.serve.inspect import Inspector
from facetell.serve.jobs import Job, NewJob, State, Store
from facetell.serve.metrics import Metrics
from facetell.serve.pool import Pool
from facetell.serve.settings import ServeSettings

LOG = logging.getLogger("facetell.serve")
SWEEP_SECONDS = 60.0  # between two looks for what has expired


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is: seconds of the video read, and its length where that is known."""

    seconds: float
    duration: float | None

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where the length is unknown."""
        return min(1.0, self.seconds / self.duration) if self.duration else None


class Service:
    """Everything that the pages and the API call.

    Args:
        settings: see :class:`facetell.serve.settings.ServeSettings`.

    Raises:
        FacetellError: the data folder cannot be used.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.files = Files(settings.data)
        self.store = Store(self.files.database)
        self.metrics = Metrics()
        self.hub = Hub(settings.limits.listeners)
        self.inspector = Inspector(settings.limits)
        self.looking = asyncio.Lock()  # who waits for the inspector waits here, and holds no thread that others need
        self.pool = Pool(settings, self.store, self.files, self)
        self._progress: dict[str, Progress] = {}
        self._uploads = 0
        self._stop = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="facetell-sweeper", daemon=True)

    def start(self) -> None:
        """Take up what an earlier server left, and start the workers.

        Raises:
            FacetellError: the model cannot be loaded.
        """
        for job in self.store.take_up():
            LOG.warning("job %s ran when the server was killed: %s", job.id, job.message or "it is taken up again")
        self.files.sweep(self.store.ids())
        for job_id, state in self.store.ids().items():
            if not state.ended and not self.files.video(job_id).exists():
                self.store.fail(job_id, "its video is gone from the server's disk: upload it again")
        self.inspector.start()
        self.pool.start()
        self._sweeper.start()

    def stop(self) -> None:
        """End the workers and close the files; what runs goes back into the queue."""
        self._stop.set()
        self.pool.stop()
        self.inspector.close()
        if self._sweeper.is_alive():
            self._sweeper.join()
        self.store.close()
        self.files.close()

    # --- what pages and API do

    @contextlib.contextmanager
    def admitted(self, announced: int | None) -> Iterator[None]:
        """A place for one upload.

        Args:
            announced: bytes that the request says it has.

        Raises:
            Refused: there is none, or no room on the disk.
        """
        limits = self.settings.limits
        if self._uploads >= limits.uploads:
            raise Refused(
                429, "too_many_uploads", "the server is receiving as many videos as it can: try again soon", 2
            )
        waiting = self.store.counts()[State.QUEUED]
        if waiting + self._uploads >= limits.queue:
            wait = "video waits" if waiting == 1 else "videos wait"
            raise Refused(429, "queue_full", f"{waiting} {wait} to be scored, no more are taken: try again later", 10)
        self.check_room(announced or 0)
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    def check_room(self, more: int) -> None:
        """Make sure that so many more bytes leave enough room on the disk.

        Raises:
            Refused: they do not.
        """
        if self.files.free_bytes - more < self.settings.limits.free_bytes:
            raise disk_full()

    def accept(self, new: NewJob) -> Job:
        """Queue a received and inspected upload; where its key is known already, that job, and the files go."""
        try:
            self.files.accept(new.id)
            job = self.store.add(new)
        except BaseException:
            self.files.remove(new.id)
            raise
        if job.id != new.id:
            self.files.remove(new.id)
            return job
        self.metrics.received.inc(new.size)
        self.pool.wake()
        self.hub.publish(job.id)
        return job

    def delete(self, job_id: str) -> bool:
        """Delete a job, whatever it is at, and its files; False where there is none."""
        if not self.store.delete(job_id):
            return False
        self.pool.cancel(job_id)
        self.files.remove(job_id)
        self._progress.pop(job_id, None)
        self.hub.publish(job_id)
        return True

    def progress(self, job_id: str) -> Progress | None:
        """How far a running job is; None before its first picture."""
        return self._progress.get(job_id)

    def expires(self, job: Job) -> float | None:
        """When a job will be deleted; None where it will not, or has not ended."""
        keep = self.settings.keep_seconds
        return job.finished + keep if keep is not None and job.finished is not None else None

    def figures(self) -> str:
        """What Prometheus reads."""
        metrics = self.metrics
        for state, count in self.store.counts().items():
            metrics.jobs.labels(state.value).set(count)
        metrics.uploads.set(self._uploads)
        metrics.listeners.set(len(self.hub))
        metrics.workers.set(self.pool.ready)
        metrics.free.set(self.files.free_bytes)
        return metrics.text()

    # --- what the pool tells (see facetell.serve.pool.Observer)

    def progressed(self, job_id: str, seconds: float, duration: float | None) -> None:
        """A video is being read."""
        self._progress[job_id] = Progress(seconds, duration)
        self.hub.publish(job_id)

    def changed(self, job_id: str) -> None:
        """A job is in another state."""
        self._progress.pop(job_id, None)
        self.hub.publish(job_id)

    def ended(self, job: Job, state: State, seconds: float) -> None:
        """A job was done or has failed."""
        self.metrics.ended.labels(state.value).inc()
        self.metrics.seconds.observe(seconds)

    def crashed(self, job_id: str) -> None:
        """A process died over a job."""
        self.metrics.crashes.inc()

    def _sweep(self) -> None:
        keep = self.settings.keep_seconds
        while keep is not None and not self._stop.is_set():
            try:
                for job_id in self.store.ended_before(time.time() - keep):
                    self.delete(job_id)
            except Exception:
                LOG.exception("what has expired could not be deleted; trying again")
            self._stop.wait(min(SWEEP_SECONDS, max(keep / 4, 0.2)))

"""The server without its network side: store, files, workers, and the operations that API and pages share."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta

from fastapi.sse import ServerSentEvent
from prometheus_client import generate_latest

from facetell.serve.admission import Admission
from facetell.serve.faults import Refused
from facetell.serve.files import Files
from facetell.serve.hub import Hub
from facetell.serve.inspect import Inspector
from facetell.serve.jobs import Store
from facetell.serve.metrics import Metrics
from facetell.serve.models import Job, JobView, Links, State
from facetell.serve.pool import Pool
from facetell.serve.process import Checked
from facetell.serve.settings import ServeSettings

LOG = logging.getLogger("facetell.serve")
SWEEP_SECONDS = 60.0  # between two searches for expired jobs


class Service:
    """Store, files, workers and the operations on jobs. Raises FacetellError if the data folder cannot be used."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.files = Files(settings.data)
        self.store = Store(self.files.database)
        self.metrics = Metrics()
        self.hub = Hub(settings.limits.streams, self._event)
        self.inspector = Inspector(settings.limits)
        self.inspecting = asyncio.Lock()  # uploads wait for the inspector here, without occupying a thread
        self.pool = Pool(settings, self.store, self.files, self.metrics, self.hub.publish)
        self.admission = Admission(settings.limits)
        self._stop = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="facetell-sweeper", daemon=True)

    def start(self) -> None:
        """Resume the jobs of an earlier server and start the workers. Raises FacetellError if they cannot start."""
        for job in self.store.resume():
            LOG.warning("job %s ran when the server was killed: %s", job.id, job.message or "it is queued again")
        self.files.sweep(self.store.states())
        for job_id, state in self.store.states().items():
            if not state.ended and not self.files.video(job_id).exists():
                self.store.fail(job_id, "its video is missing on the server's disk: upload it again")
        self.inspector.start()
        self.pool.start()
        self._sweeper.start()

    def stop(self) -> None:
        """End the workers, whose jobs go back into the queue, and close the files."""
        self._stop.set()
        self.pool.stop()
        self.inspector.close()
        if self._sweeper.is_alive():
            self._sweeper.join()
        self.store.close()
        self.files.close()

    def check_queue(self, others: int = 0) -> None:
        """Raise Refused if the queue is full, or would be with ``others``."""
        waiting = self.store.counts()[State.QUEUED]
        if waiting + others >= self.settings.limits.queue:
            raise Refused(429, "queue_full", f"the queue is full ({waiting} videos): try again later", 10)

    def check_space(self, size: int) -> None:
        """Raise Refused if ``size`` more bytes would leave too little free disk space."""
        if self.files.free_bytes - size < self.settings.limits.free_bytes:
            raise disk_full()

    def accept(self, job_id: str, key: str | None, name: str, size: int, sha256: str, video: Checked) -> Job:
        """Queue a received upload. Where there is a job with the same key, return that and delete the upload."""
        try:
            self.check_queue()
            self.files.accept(job_id)
            job = self.store.add(job_id, key, name, size, sha256, video)
        except BaseException:
            self.files.remove(job_id)
            raise
        if job.id != job_id:
            self.files.remove(job_id)
            return job
        self.metrics.received.inc(size)
        self.pool.wake()
        self.hub.publish(job.id)
        return job

    def find(self, job_id: str) -> Job:
        """The job with an id. Raises Refused if there is none."""
        job = self.store.get(job_id)
        if job is None:
            message = "there is no such job: it was deleted, has expired, or never existed"
            raise Refused(404, "no_such_job", message)
        return job

    def delete(self, job_id: str) -> bool:
        """Delete a job in any state, with its files; False if there is none."""
        if not self.store.delete(job_id):
            return False
        self.pool.cancel(job_id)
        self.files.remove(job_id)
        self.hub.publish(job_id)
        return True

    def view(self, job: Job) -> JobView:
        """A job as clients see it."""
        root, keep = self.settings.root_path, self.settings.keep_seconds
        base = f"{root}/v1/jobs/{job.id}"
        return JobView(
            **dict(job),
            expires=job.finished + timedelta(seconds=keep) if job.finished and keep is not None else None,
            position=self.store.position(job.id) if job.state is State.QUEUED else None,
            progress=self.pool.progress.get(job.id) if job.state is State.RUNNING else None,
            links=Links(
                self=base,
                page=f"{root}/jobs/{job.id}",
                **{name: f"{base}/{name}" for name in ("events", "result", "report")},
            ),
        )

    def _event(self, job_id: str) -> tuple[ServerSentEvent, bool]:
        """The server-sent event for a job as it is now, and whether there will be no other."""
        job = self.store.get(job_id)
        if job is None:
            return ServerSentEvent(event="deleted", data={"id": job_id}), True
        return ServerSentEvent(event="job", raw_data=self.view(job).model_dump_json()), job.state.ended

    def figures(self) -> bytes:
        """The metrics in Prometheus' text format."""
        metrics = self.metrics
        for state, count in self.store.counts().items():
            metrics.jobs.labels(state.value).set(count)
        metrics.uploads.set(len(self.admission))
        metrics.streams.set(len(self.hub))
        metrics.workers.set(self.pool.ready)
        metrics.free.set(self.files.free_bytes)
        return generate_latest(metrics.registry)

    def _sweep(self) -> None:
        keep = self.settings.keep_seconds
        while keep is not None and not self._stop.is_set():
            try:
                for job_id in self.store.ended_before(time.time() - keep):
                    self.delete(job_id)
            except Exception:
                LOG.exception("expired jobs could not be deleted; trying again")
            self._stop.wait(min(SWEEP_SECONDS, max(keep / 4, 0.2)))


def disk_full() -> Refused:
    """The error for an upload that cannot be stored."""
    message = "the disk of the server is full or fails: try again later, or report it to the operator"
    return Refused(507, "disk_full", message, 300)

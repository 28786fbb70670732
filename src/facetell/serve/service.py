"""The server without its network side: store, files, workers, and the operations that API and pages share."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi.sse import ServerSentEvent
from prometheus_client import generate_latest

from facetell.files import sync
from facetell.serve.access import Authenticator
from facetell.serve.admission import Admission
from facetell.serve.models import DISK_FULL, ENDED, LOG, Job, Refused, ServeSettings, State
from facetell.serve.pool import Pool
from facetell.serve.process import Inspector
from facetell.serve.publish import Hub, Metrics
from facetell.serve.store import VIDEO, Files, Store
from facetell.serve.webhooks import SECONDS, send_due
from facetell.types import N_


class Service:
    """Store, files, workers and the operations on jobs. Raises FacetellError if the data folder cannot be used."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.files = Files(settings.data)
        self.store = Store(self.files.database)
        self.metrics = Metrics()
        self.authenticator = Authenticator(settings.token)
        self.hub = Hub(settings.limits.streams, self._event)
        self.inspector = Inspector(settings.limits)
        self.inspecting = asyncio.Lock()  # uploads wait for the inspector here, without occupying a thread
        self.pool = Pool(settings, self.store, self.files, self.metrics, self.hub.publish)
        self.admission = Admission(settings.limits)
        self._stop = threading.Event()
        self.notify = partial(send_due, settings, self.store, self.view, self._stop)
        tasks = (self._expire, self.notify)
        self._threads = [threading.Thread(target=self._repeat, args=(task,), daemon=True) for task in tasks]

    def start(self) -> None:
        """Resume the jobs of an earlier server and start the workers. Raises FacetellError if they cannot start."""
        for job in self.store.resume():
            LOG.warning("job %s ran when the server was killed: %s", job.id, job.message or "it is queued again")
        states = self.store.states()
        self.files.sweep(states)
        for job_id, state in states.items():
            if state not in ENDED and not (self.files.folder(job_id) / VIDEO).exists():
                message = N_("its video is missing on the server's disk: upload it again")
                self.store.end(job_id, State.FAILED, message=message)
        self.inspector.start()
        self.pool.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the workers, whose jobs go back into the queue, and close the files."""
        self._stop.set()
        self.pool.stop()
        self.inspector.close()
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join(2 * SECONDS)
        self.store.close()
        self.files.close()

    def check_queue(self, others: int = 0) -> None:
        """Raise Refused if the queue is full, or would be with ``others``."""
        waiting = self.store.counts()[State.QUEUED]
        if waiting + others >= self.settings.limits.queue:
            raise Refused(429, "queue_full", f"the queue is full ({waiting} videos): try again later", 10)

    def check_space(self, size: int) -> None:
        """Raise Refused if ``size`` more bytes would leave too little free disk space."""
        if shutil.disk_usage(self.files.root).free - size < self.settings.limits.free_bytes:
            raise Refused(507, "disk_full", DISK_FULL, 300)

    def accept(self, job_id: str, **columns: Any) -> Job:
        """Queue an upload that is in its folder. Where there is a job with the same key, return that and delete it."""
        try:
            self.check_queue()
            for folder in (self.files.folder(job_id), self.files.jobs):
                sync(folder)
            job = self.store.add(id=job_id, **columns)
        except BaseException:
            self.files.remove(job_id)
            raise
        if job.id != job_id:
            self.files.remove(job_id)
            return job
        self.pool.news.set()
        self.hub.publish(job.id)
        return job

    def find(self, job_id: str) -> Job:
        """The job with an id, as clients see it. Raises Refused if there is none."""
        if job := self.store.get(job_id):
            return self.view(job)
        raise Refused(404, "no_such_job", "there is no such job: it was deleted, has expired, or never existed")

    def delete(self, job_id: str) -> None:
        """Delete a job in any state, with its files."""
        if self.store.delete(job_id):
            self.pool.kill(job_id)
            self.files.remove(job_id)
            self.hub.publish(job_id)

    def view(self, job: Job) -> Job:
        """A job with what is not stored."""
        if job.finished and self.settings.keep_seconds is not None:
            job.expires = job.finished + timedelta(seconds=self.settings.keep_seconds)
        if job.state is State.RUNNING:
            job.progress = self.pool.progress.get(job.id)
        return job

    def newest(self, limit: int, before: int | None = None, state: State | None = None) -> tuple[list[Job], int | None]:
        """Jobs, the newest first, and the number of the last one if there are more."""
        jobs = self.store.newest(limit + 1, before, state)
        return [self.view(job) for job in jobs[:limit]], jobs[limit - 1].number if len(jobs) > limit else None

    def figures(self) -> bytes:
        """The metrics in Prometheus' text format."""
        metrics = self.metrics
        for state, count in self.store.counts().items():
            metrics.jobs.labels(state).set(count)
        metrics.uploads.set(len(self.admission))
        metrics.workers.set(self.pool.ready)
        metrics.free.set(shutil.disk_usage(self.files.root).free)
        return generate_latest(metrics.registry)

    def _event(self, job_id: str) -> tuple[ServerSentEvent, bool]:
        """The server-sent event for a job as it is now, and whether there will be no other."""
        if (job := self.store.get(job_id)) is None:
            return ServerSentEvent(event="deleted", data={"id": job_id}), True
        return ServerSentEvent(event="job", raw_data=self.view(job).model_dump_json()), job.state in ENDED

    def _repeat(self, task: Callable[[], None]) -> None:
        """Call a task once a second until the service stops."""
        while not self._stop.wait(1.0):
            try:
                task()
            except Exception:
                if not self._stop.is_set():
                    LOG.exception("jobs could not be deleted or reported; trying again")

    def _expire(self) -> None:
        if self.settings.keep_seconds is not None:
            for job_id in self.store.ended_before(time.time() - self.settings.keep_seconds):
                self.delete(job_id)

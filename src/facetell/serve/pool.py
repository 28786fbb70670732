"""The worker pool: threads that feed one scoring process each, and replace it when it ends."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from facetell.serve.models import LOG, Job, ServeSettings, State
from facetell.serve.process import GONE, Child, Done, Progress, Rejected, Started, receive, work
from facetell.serve.publish import Metrics
from facetell.serve.store import VIDEO, Files, Store
from facetell.types import FacetellError

Answer = TypeVar("Answer")
Publish = Callable[[str], None]
SILENT_SECONDS = 600.0  # without a message, also while it loads the model, after which a process is taken to hang
REPLACE_SECONDS = 60.0  # without a process, after which a worker counts as missing
RETRY_SECONDS = 5.0  # between two attempts to start a process, or to write to the store


class Pool:
    """Processes that score the queued jobs. ``publish`` is called with the id of each job that has changed."""

    def __init__(self, settings: ServeSettings, store: Store, files: Files, metrics: Metrics, publish: Publish) -> None:
        self.settings, self.store, self.files, self.metrics, self.publish = settings, store, files, metrics, publish
        self.progress: dict[str, float | None] = {}  # of the running jobs
        self.stopping, self.news = threading.Event(), threading.Event()  # `news` is set when there is a new job
        self._workers = [Worker(self, number) for number in range(settings.workers)]

    @property
    def ready(self) -> int:
        """The number of processes that have loaded the model."""
        return sum(worker.ready for worker in self._workers)

    @property
    def healthy(self) -> bool:
        """Whether a process is ready, or was less than a minute ago."""
        return any(worker.ready or time.monotonic() - worker.since < REPLACE_SECONDS for worker in self._workers)

    def start(self) -> None:
        """Start all workers; returns when the first is ready. Raises FacetellError if it cannot load the model."""
        self._workers[0].launch()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """End all workers; their jobs go back into the queue."""
        self.stopping.set()
        self.news.set()
        self.kill()
        for worker in self._workers:
            if worker.is_alive():
                worker.join()

    def kill(self, job_id: str | None = None) -> None:
        """Kill all processes; given a job, only the one that scores it."""
        for worker in self._workers:
            worker.kill(job_id)

    def write(self, action: Callable[[], Answer]) -> Answer:
        """Write to the store, and repeat that while the disk is full: a result must not be lost."""
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                LOG.error("cannot write to the store of jobs (%s); trying again", error)
                if self.stopping.wait(RETRY_SECONDS):
                    raise


class Worker(threading.Thread):
    """One worker of a pool."""

    def __init__(self, pool: Pool, number: int) -> None:
        super().__init__(name=f"facetell-worker-{number}", daemon=True)
        self._pool = pool
        self._lock = threading.Lock()  # held by `kill`, so that it does not kill the process of the next job
        self._child: Child | None = None
        self._job_id = ""
        self.ready, self.since = False, time.monotonic()

    def launch(self) -> None:
        """Start the process and wait until it has loaded the model. Raises FacetellError if it cannot."""
        settings = self._pool.settings
        with self._lock:
            if self._pool.stopping.is_set():
                return
            self._child = child = Child(work, settings.model, settings.detector, settings.limits)
        try:
            answer = receive(child.connection, SILENT_SECONDS)
        except GONE:
            message = f"a worker ended while it loaded the model (exit code {child.close()}): is there enough memory?"
            raise FacetellError(message) from None
        if isinstance(answer, Rejected):
            raise FacetellError(answer.message)
        if not isinstance(answer, Started):
            self.kill()
            raise FacetellError(f"a worker did not load the model in {SILENT_SECONDS:.0f} s: use fewer --workers")
        self.ready = True

    def kill(self, job_id: str | None = None) -> None:
        """Kill the process; given a job, only if it scores that job."""
        with self._lock:
            if self._child is not None and job_id in (None, self._job_id):
                self._child.process.kill()

    def run(self) -> None:
        """Score job after job until the pool stops."""
        pool = self._pool
        while not pool.stopping.is_set():
            pool.news.clear()  # before looking for a job, so that none is missed
            try:
                if not self.ready or self._child is None or not self._child.process.is_alive():
                    self._discard()
                    self.launch()
                elif job := pool.store.claim():
                    self._score(self._child, job)
                else:
                    pool.news.wait(1.0)
            except Exception as error:
                LOG.error("%s", error, exc_info=not isinstance(error, FacetellError))
                self._discard()
                pool.stopping.wait(RETRY_SECONDS)
        self._discard()

    def _discard(self) -> int | None:
        """Close the process; returns its exit code."""
        if self.ready:
            self.ready, self.since = False, time.monotonic()
        with self._lock:
            child, self._child = self._child, None
        return child.close() if child is not None else None

    def _score(self, child: Child, job: Job) -> None:
        pool = self._pool
        with self._lock:
            self._job_id = job.id
        pool.publish(job.id)
        try:
            child.connection.send((pool.files.folder(job.id), job.name))
            self._follow(child, job)
        except GONE:
            self._crashed(job)
        finally:
            with self._lock:
                self._job_id = ""
            pool.progress.pop(job.id, None)
            if pool.store.get(job.id) is None:  # deleted meanwhile
                pool.files.remove(job.id)
            pool.publish(job.id)

    def _follow(self, child: Child, job: Job) -> None:
        """Receive messages until the job has ended. Raises one of GONE if the process ends before."""
        pool = self._pool
        while True:
            match receive(child.connection, SILENT_SECONDS):
                case None:
                    LOG.error("job %s: its worker sent nothing for %.0f s and is killed", job.id, SILENT_SECONDS)
                    self.kill()
                case Progress(share=share):
                    pool.progress[job.id] = share
                    pool.publish(job.id)
                case Done(summary=summary, policy=policy):
                    return self._end(job, State.DONE, summary=summary, policy=policy)
                case Rejected(message=message):
                    return self._end(job, State.FAILED, message=message)

    def _end(self, job: Job, state: State, **values: Any) -> None:
        if self._pool.write(partial(self._pool.store.end, job.id, state, **values)):
            self._ended(job, state)

    def _crashed(self, job: Job) -> None:
        pool, code = self._pool, self._discard()
        if pool.stopping.is_set():
            pool.store.release(job.id)
        elif found := pool.write(partial(pool.store.crashed, job.id)):  # None if deleted: therefore it was killed
            LOG.error("job %s: its worker ended (%s); %s", job.id, code, found.message or "the job is queued again")
            pool.metrics.crashes.inc()
            if found.state is State.FAILED:
                self._ended(job, State.FAILED)

    def _ended(self, job: Job, state: State) -> None:
        (self._pool.files.folder(job.id) / VIDEO).unlink(missing_ok=True)
        self._pool.metrics.ended.labels(state).inc()

"""The workers: each a thread of the server that feeds one process, and starts another when that one dies."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Protocol, TypeVar

from facetell.serve.files import Files
from facetell.serve.jobs import Job, State, Store
from facetell.serve.process import Companion, Ended
from facetell.serve.settings import ServeSettings
from facetell.serve.worker import Order, work
from facetell.types import FacetellError

Answer = TypeVar("Answer")
LOG = logging.getLogger("facetell.serve")
START_SECONDS = 120.0  # for a worker to load its model
SILENT_SECONDS = 600.0  # without a word, after which a worker is taken to hang
REPLACE_SECONDS = 60.0  # without a process, after which a worker is missing
PAUSE_SECONDS = 30.0  # longest pause before another process is started in place of one that could not start


class Observer(Protocol):
    """Is told what happens; called from the threads of the pool."""

    def progressed(self, job_id: str, seconds: float, duration: float | None) -> None:
        """A video is being read."""

    def changed(self, job_id: str) -> None:
        """A job is in another state."""

    def ended(self, job: Job, state: State, seconds: float) -> None:
        """A job was done or has failed."""

    def crashed(self, job_id: str) -> None:
        """A process died over a job."""


class Pool:
    """Processes that score what is in the store.

    Args:
        settings: how many, and with which model.
        store: gives the jobs.
        files: where their videos lie.
        observer: is told what happens.
    """

    def __init__(self, settings: ServeSettings, store: Store, files: Files, observer: Observer) -> None:
        self.settings, self.store, self.files, self.observer = settings, store, files, observer
        self.threshold = 0.5
        self.model = ""
        self._wake = threading.Condition()
        self._stopping = False
        self._slots = [Slot(self, number) for number in range(settings.workers)]

    @property
    def ready(self) -> int:
        """How many workers have a process with a loaded model."""
        return sum(slot.ready for slot in self._slots)

    @property
    def healthy(self) -> bool:
        """Whether jobs are done, or will be in a moment: a worker that is being replaced is no fault."""
        return any(slot.ready or time.monotonic() - slot.since < REPLACE_SECONDS for slot in self._slots)

    @property
    def stopping(self) -> bool:
        """Whether no more jobs are taken."""
        return self._stopping

    def start(self) -> None:
        """Start all workers; returns when the first is ready.

        Raises:
            FacetellError: it cannot load the model.
        """
        first = self._slots[0]
        first.launch()
        for slot in self._slots:
            slot.start()

    def stop(self) -> None:
        """End all workers; their jobs go back into the queue."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for slot in self._slots:
            slot.kill()
        for slot in self._slots:
            if slot.is_alive():
                slot.join()

    def wake(self) -> None:
        """There is a new job."""
        with self._wake:
            self._wake.notify()

    def cancel(self, job_id: str) -> None:
        """End the process that is at work on a job, where there is one."""
        for slot in self._slots:
            slot.cancel(job_id)

    def take(self, seconds: float) -> Job | None:
        """The next job; None where none came for so long, or the pool stops."""
        with self._wake:  # held while looking, so that no call of `wake` falls between looking and waiting
            job = None if self._stopping else self.store.claim()
            if job is None and not self._stopping:
                self._wake.wait(seconds)
            return job

    def wait(self, seconds: float) -> None:
        """Wait so long, or until there is a new job or the end."""
        with self._wake:
            if not self._stopping:
                self._wake.wait(seconds)

    def insist(self, write: Callable[[], Answer]) -> Answer:
        """Write to the store, again and again while its disk is full: what was found must not be lost."""
        while True:
            try:
                return write()
            except sqlite3.OperationalError as error:
                LOG.error("the store of jobs cannot be written (%s); trying again", error)
                if self._stopping:
                    raise
                self.wait(5.0)

    def order(self, job: Job) -> Order:
        """What a worker is told of a job."""
        files = self.files
        return Order(
            video=str(files.video(job.id)),
            result=str(files.result(job.id)),
            report=str(files.report(job.id)),
            name=job.name,
            duration=self.settings.limits.duration,
        )


class Slot(threading.Thread):
    """One worker of a pool."""

    def __init__(self, pool: Pool, number: int) -> None:
        super().__init__(name=f"facetell-worker-{number}", daemon=True)
        self._pool = pool
        self._lock = threading.Lock()
        self._process: Companion | None = None
        self._job_id = ""
        self.ready = False
        self.since = time.monotonic()

    def launch(self) -> None:
        """Start the process and wait until its model is loaded.

        Raises:
            FacetellError: it cannot be loaded.
        """
        settings = self._pool.settings
        with self._lock:
            if self._pool.stopping:
                return
            self._process = process = Companion(work, settings.model, settings.detector)
        try:
            message = process.receive(START_SECONDS)
        except Ended as error:
            raise FacetellError(
                f"a worker ended while it loaded the model ({error.code}): is there enough memory?"
            ) from None
        if message is None:
            process.kill()
            raise FacetellError(f"a worker did not load the model in {START_SECONDS:.0f} s: use fewer --workers")
        if message["kind"] != "ready":
            raise FacetellError(message["message"])
        self._pool.threshold, self._pool.model = message["threshold"], message["model"]
        self.ready = True
        self.since = time.monotonic()

    def kill(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def cancel(self, job_id: str) -> None:
        """End the process if it works on this job."""
        with self._lock:
            if self._process is not None and self._job_id == job_id:
                self._process.kill()

    def run(self) -> None:
        """Take job after job until the pool stops."""
        pause = 1.0
        while not self._pool.stopping:
            try:
                if not self.ready:
                    self._replace()
                pause = 1.0
                self._next()
            except FacetellError as error:
                LOG.error("%s", error)
                self._pool.wait(pause)
                pause = min(2 * pause, PAUSE_SECONDS)
            except Exception:
                LOG.exception("a worker's thread met a fault; it goes on")
                self._missing()
                self._pool.wait(pause)
                pause = min(2 * pause, PAUSE_SECONDS)
        self._discard()

    def _missing(self) -> None:
        """There is no process any more that could do a job."""
        self.ready = False
        self.since = time.monotonic()

    def _replace(self) -> None:
        self._discard()
        self.launch()

    def _discard(self) -> None:
        if self.ready:
            self._missing()
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _next(self) -> None:
        """Do one job, or wait a moment for one."""
        process = self._process
        if process is None or not process.alive:
            self._missing()
            return
        job = self._pool.take(1.0)
        if job is None:
            return
        with self._lock:
            self._job_id = job.id
        self._pool.observer.changed(job.id)
        try:
            process.send(asdict(self._pool.order(job)))
            self._follow(process, job)
        except Ended as error:
            self._missing()
            self._lost(job, error)
        finally:
            with self._lock:
                self._job_id = ""
            if self._pool.store.get(job.id) is None:  # deleted meanwhile: nothing of it may stay
                self._pool.files.remove(job.id)
            self._pool.observer.changed(job.id)

    def _follow(self, process: Companion, job: Job) -> None:
        """Listen to a worker until it has done with a job."""
        pool = self._pool
        while True:
            message = process.receive(SILENT_SECONDS)
            if message is None:
                LOG.error("job %s: its worker was silent for %.0f s and is ended", job.id, SILENT_SECONDS)
                process.kill()
            elif message["kind"] == "progress":
                pool.observer.progressed(job.id, message["seconds"], message["duration"])
            elif message["kind"] == "done":
                if pool.insist(partial(pool.store.finish, job.id, message["summary"], message["policy"])):
                    self._ended(job, State.DONE)
                return
            elif message["kind"] == "failed":
                if pool.insist(partial(pool.store.fail, job.id, message["message"])):
                    self._ended(job, State.FAILED)
                return

    def _lost(self, job: Job, error: Ended) -> None:
        """The process died over a job."""
        store = self._pool.store
        if self._pool.stopping:
            store.release(job.id)
            return
        known = self._pool.insist(lambda: store.stopped(job.id) if error.told_to else store.crashed(job.id))
        if known is None:  # deleted: that is why the process was ended
            return
        LOG.error("job %s: its worker ended with %s; %s", job.id, error.code, known.message or "it is tried again")
        if error.told_to:  # as a service manager does that is about to tell the server as well
            self._pool.wait(1.0)
        self._pool.observer.crashed(job.id)
        if known.state is State.FAILED:
            self._ended(known, State.FAILED)

    def _ended(self, job: Job, state: State) -> None:
        self._pool.files.drop_video(job.id)
        found = self._pool.store.get(job.id)
        seconds = (found.finished or 0.0) - (found.started or 0.0) if found else 0.0
        self._pool.observer.ended(job, state, seconds)

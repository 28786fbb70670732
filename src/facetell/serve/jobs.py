"""The store of jobs: one SQLite file, from which a server resumes however it ended."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facetell.serve.models import Job, State, Summary
from facetell.serve.process import Checked
from facetell.types import FacetellError

CRASHES = 3  # of its worker process, after which a job fails
STOPS = 10  # of the server while a job ran, after which it runs once more, alone
VERSION = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    size INTEGER NOT NULL,
    duration REAL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    crashes INTEGER NOT NULL DEFAULT 0,
    stops INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    summary TEXT,
    policy TEXT NOT NULL DEFAULT '',
    sha256 TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, crashes, number);
"""
_CRASHED = (
    "its process ended {count} times while it was scored (out of memory, or a fault of the decoder): "
    "convert the video to H.264 and upload it again"
)
_STOPPED = (
    "the server ended {count} times while it was scored, at last with no other video (is its memory full?): "
    "convert the video to H.264 and upload it again"
)


class Store:
    """The jobs on disk. Every method is one transaction and may be called from any thread.

    Raises FacetellError if ``path`` cannot be opened or was written by another version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # an accepted job must survive a power failure
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):  # 0: the file is new
                raise FacetellError(f"{path} was written by another version of facetell: choose another --data")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error as error:
            raise FacetellError(
                f"cannot open {path} ({error}): restore it from a backup, or choose another --data"
            ) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add(self, job_id: str, key: str | None, name: str, size: int, sha256: str, video: Checked) -> Job:
        """Queue a job; returns the job with the same key instead where there is one."""
        with self._transaction() as db:
            if key is not None and (found := self._one("SELECT * FROM jobs WHERE key = ?", key)):
                return found
            cursor = db.execute(
                "INSERT INTO jobs (id, key, name, state, size, duration, width, height, sha256, created)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?) RETURNING *",
                (job_id, key, name, size, video.duration, video.width, video.height, sha256, time.time()),
            )
            return _job(cursor.fetchone())

    def get(self, job_id: str) -> Job | None:
        """The job with an id."""
        with self._lock:
            return self._one("SELECT * FROM jobs WHERE id = ?", job_id)

    def newest(self, limit: int, before: int | None = None, state: State | None = None) -> list[Job]:
        """At most ``limit`` jobs, the newest first; only those with a smaller number, only those in a state."""
        query = (
            "SELECT * FROM jobs WHERE (?1 IS NULL OR number < ?1) AND (?2 IS NULL OR state = ?2)"
            " ORDER BY number DESC LIMIT ?3"
        )
        return [_job(row) for row in self._rows(query, before, state and state.value, limit)]

    def counts(self) -> dict[State, int]:
        """The number of jobs in each state."""
        found = dict(self._rows("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: found.get(state, 0) for state in State}

    def position(self, job_id: str) -> int | None:
        """Place in the queue, 1 is next; None if the job is not queued."""
        queued = [row[0] for row in self._rows("SELECT id FROM jobs WHERE state = 'queued' ORDER BY crashes, number")]
        return queued.index(job_id) + 1 if job_id in queued else None

    def claim(self) -> Job | None:
        """Take the next job from the queue; those that have crashed come last.

        None also while a job that was running at many ends of the server runs, or waits for the others to end: it runs
        alone, so that the next end of the server is not counted against it because of another job.
        """
        with self._transaction():
            return self._one(
                "UPDATE jobs SET state = 'running', started = ?1 WHERE number = (SELECT number FROM jobs"
                " WHERE state = 'queued' ORDER BY crashes, number LIMIT 1) AND NOT EXISTS (SELECT 1 FROM jobs AS other"
                " WHERE other.state = 'running' AND max(other.stops, jobs.stops) >= ?2) RETURNING *",
                time.time(),
                STOPS,
            )

    def finish(self, job_id: str, summary: Summary, policy: str) -> bool:
        """Mark a job as done; False if it was deleted."""
        return self._end(job_id, State.DONE, summary.model_dump_json(), policy, "")

    def fail(self, job_id: str, message: str) -> bool:
        """Mark a job as failed; False if it was deleted."""
        return self._end(job_id, State.FAILED, None, "", message)

    def release(self, job_id: str) -> None:
        """Put a running job back into the queue, because the server is being stopped."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'", (job_id,))

    def crashed(self, job_id: str) -> Job | None:
        """Count a crash of a job's process: the job is queued again, or fails at the third; None if deleted."""
        return self._interrupted("crashes", CRASHES, _CRASHED, job_id)

    def resume(self) -> list[Job]:
        """After a start, queue again what ran when the server was killed. Returns it.

        A job at ten ends of the server has most likely not caused them: it is tried again alone, and fails only then.
        """
        running = self._rows("SELECT id FROM jobs WHERE state = 'running'")
        return [job for (job_id,) in running if (job := self._interrupted("stops", STOPS + 1, _STOPPED, job_id))]

    def delete(self, job_id: str) -> bool:
        """Delete a job; False if there is none."""
        with self._transaction() as db:
            return db.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount > 0

    def ended_before(self, when: float) -> list[str]:
        """Ids of the jobs that ended before a POSIX time."""
        return [job_id for (job_id,) in self._rows("SELECT id FROM jobs WHERE finished < ?", when)]

    def states(self) -> dict[str, State]:
        """The state of every job, by id."""
        return {job_id: State(state) for job_id, state in self._rows("SELECT id, state FROM jobs")}

    def _end(self, job_id: str, state: State, summary: str | None, policy: str, message: str) -> bool:
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, finished = ?, summary = ?, policy = ?, message = ? WHERE id = ?",
                (state.value, time.time(), summary, policy, message, job_id),
            )
            return changed.rowcount > 0

    def _interrupted(self, column: str, limit: int, message: str, job_id: str) -> Job | None:
        with self._transaction():
            job = self._one(
                f"UPDATE jobs SET state = 'queued', {column} = {column} + 1"
                " WHERE id = ? AND state = 'running' RETURNING *",
                job_id,
            )
            count = getattr(job, column, 0)
            if job is None or count < limit:
                return job
            query = "UPDATE jobs SET state = 'failed', finished = ?, message = ? WHERE id = ? RETURNING *"
            return self._one(query, time.time(), message.format(count=count), job_id)

    def _one(self, query: str, *values: Any) -> Job | None:
        row = self._db.execute(query, values).fetchone()
        return _job(row) if row else None

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    return Job(**values | {"summary": json.loads(values["summary"] or "null")})

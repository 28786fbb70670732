"""The store of jobs: one SQLite file, from which everything is taken up again after any end of the server."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from facetell.types import FacetellError

CRASHES = 3  # of its process, after which a job fails
STOPS = 10  # of the whole server while a job ran, after which it fails
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
_FROM_VERSION_1 = """
BEGIN;
ALTER TABLE jobs ADD COLUMN sha256 TEXT;
PRAGMA user_version = 2;
COMMIT;
"""
_CRASHED = (
    "its process was ended {count} times while it was scored (for want of memory, or by a fault of the decoder): "
    "convert the video to H.264 and upload it again"
)
_STOPPED = "the server was stopped {count} times while it was scored: upload the video again"


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in (State.DONE, State.FAILED)


@dataclass(frozen=True, slots=True)
class Job:
    """One video and what became of it.

    Attributes:
        number: in order of arrival, from 1.
        id: 32 hexadecimal digits that nobody can guess; names its files.
        name: what the client called the file, only ever shown.
        duration: seconds, as its file tells; None where it does not.
        crashes: how often its process died over it.
        stops: how often the server was killed while it ran.
        message: why it failed.
        summary: of the verdict (see :class:`facetell.serve.models.Summary`); None until it is done.
        policy: content policy under which its report may be shown.
        sha256: of the video; None where an older version received it.
    """

    number: int
    id: str
    key: str | None
    name: str
    state: State
    size: int
    duration: float | None
    width: int
    height: int
    created: float
    started: float | None
    finished: float | None
    crashes: int
    stops: int
    message: str
    summary: dict[str, Any] | None
    policy: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is known of a video that has been received; see :class:`Job`."""

    id: str
    key: str | None
    name: str
    size: int
    duration: float | None
    width: int
    height: int
    sha256: str


class Store:
    """The jobs on disk; every call is one transaction, and may come from any thread.

    Args:
        path: the SQLite file.

    Raises:
        FacetellError: it cannot be opened, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # what was answered to a client must outlive a power cut
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise FacetellError(
                    f"{path} was written by a newer facetell: update this one, or choose another --data"
                )
            if version == 1:
                self._db.executescript(_FROM_VERSION_1)
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

    def add(self, new: NewJob) -> Job:
        """Put a job in the queue; where one with the same key is there already, that one."""
        with self._transaction() as db:
            if new.key is not None and (found := self._one("SELECT * FROM jobs WHERE key = ?", new.key)):
                return found
            db.execute(
                "INSERT INTO jobs (id, key, name, state, size, duration, width, height, sha256, created)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                (new.id, new.key, new.name, new.size, new.duration, new.width, new.height, new.sha256, time.time()),
            )
            added = self._one("SELECT * FROM jobs WHERE id = ?", new.id)
        assert added is not None
        return added

    def get(self, job_id: str) -> Job | None:
        """The job under an id."""
        with self._lock:
            return self._one("SELECT * FROM jobs WHERE id = ?", job_id)

    def newest(self, limit: int, before: int | None = None, state: State | None = None) -> list[Job]:
        """At most ``limit`` jobs, the newest first; of those before a number, of those in a state."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM jobs WHERE (?1 IS NULL OR number < ?1) AND (?2 IS NULL OR state = ?2)"
                " ORDER BY number DESC LIMIT ?3",
                (before, state and state.value, limit),
            )
            return [_job(row) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._lock:
            rows = self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def position(self, job: Job) -> int | None:
        """Place in the queue, 1 for the next; None if it has been taken up meanwhile."""
        with self._lock:
            row = self._db.execute(
                "SELECT count(*) FROM jobs WHERE state = 'queued' AND (crashes, number) <= (?, ?)"
                " AND EXISTS (SELECT 1 FROM jobs WHERE number = ? AND state = 'queued')",
                (job.crashes, job.number, job.number),
            ).fetchone()
        return int(row[0]) or None

    def claim(self) -> Job | None:
        """Take the next job from the queue; those that have crashed come last."""
        with self._transaction():
            return self._one(
                "UPDATE jobs SET state = 'running', started = ? WHERE number = (SELECT number FROM jobs"
                " WHERE state = 'queued' ORDER BY crashes, number LIMIT 1) RETURNING *",
                time.time(),
            )

    def finish(self, job_id: str, summary: Mapping[str, Any], policy: str) -> bool:
        """A job is done; False where it is no longer there."""
        return self._end(job_id, State.DONE, json.dumps(summary), policy, "")

    def fail(self, job_id: str, message: str) -> bool:
        """A job cannot be done; False where it is no longer there."""
        return self._end(job_id, State.FAILED, None, "", message)

    def release(self, job_id: str) -> None:
        """Put a running job back into the queue: the server is being stopped."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'", (job_id,))

    def crashed(self, job_id: str) -> Job | None:
        """The process of a job died: back into the queue, or failed when that was the last time; None if deleted."""
        return self._interrupted("crashes", CRASHES, _CRASHED, job_id)

    def stopped(self, job_id: str) -> Job | None:
        """The process of a job was told to end by another than this server; see :meth:`crashed`."""
        return self._interrupted("stops", STOPS, _STOPPED, job_id)

    def take_up(self) -> list[Job]:
        """After a start: jobs that ran when the server was killed go back into the queue; returns them."""
        with self._lock:
            rows = self._db.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall()
        return [job for (job_id,) in rows if (job := self.stopped(job_id))]

    def delete(self, job_id: str) -> bool:
        """Remove a job; False where there is none."""
        with self._transaction() as db:
            return db.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount > 0

    def ended_before(self, when: float) -> list[str]:
        """Ids of the jobs that ended before a time."""
        with self._lock:
            rows = self._db.execute("SELECT id FROM jobs WHERE finished < ?", (when,)).fetchall()
        return [str(row[0]) for row in rows]

    def ids(self) -> dict[str, State]:
        """All jobs by id."""
        with self._lock:
            return {row[0]: State(row[1]) for row in self._db.execute("SELECT id, state FROM jobs")}

    def _end(self, job_id: str, state: State, summary: str | None, policy: str, message: str) -> bool:
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, finished = ?, summary = ?, policy = ?, message = ? WHERE id = ?",
                (state.value, time.time(), summary, policy, message, job_id),
            )
            return changed.rowcount > 0

    def _interrupted(self, column: str, limit: int, sentence: str, job_id: str) -> Job | None:
        with self._transaction():
            job = self._one(
                f"UPDATE jobs SET state = 'queued', {column} = {column} + 1 WHERE id = ? AND state = 'running'"
                " RETURNING *",
                job_id,
            )
            count = getattr(job, column, 0)
            if job is None or count < limit:
                return job
            return self._one(
                "UPDATE jobs SET state = 'failed', finished = ?, message = ? WHERE id = ? RETURNING *",
                time.time(),
                sentence.format(count=count),
                job_id,
            )

    def _one(self, query: str, *values: Any) -> Job | None:
        row = self._db.execute(query, values).fetchone()
        return _job(row) if row else None

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
    values["state"] = State(values["state"])
    values["summary"] = json.loads(values["summary"]) if values["summary"] else None
    return Job(**values)

"""What a server keeps, and resumes from however it ended: the data folder, and in it the jobs in one SQLite file.

docs/serving.md lists the files. All names are generated; a client's file name never becomes a path.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetell.report.language import LANGUAGES
from facetell.serve.models import ENDED, Job, State, Summary
from facetell.types import N_, FacetellError

VIDEO, RESULT = "video", "result.json"  # in the folder of a job
REPORTS = {code: "report.html" if code == "en" else f"report.{code}.html" for code in LANGUAGES}
ID = re.compile(r"[0-9a-f]{32}")
CRASHES = 3  # of its worker process, after which a job fails
STOPS = 10  # of the server while a job ran, after which it runs once more, alone
VERSION = 2
SCHEMA = Path(__file__).with_name("jobs.sql")

_CRASHED = N_(
    f"its process ended {CRASHES} times while it was scored (out of memory, or a fault of the decoder): "
    "convert the video to H.264 and upload it again"
)
_STOPPED = N_(
    f"the server ended {STOPS + 1} times while it was scored, at last with no other video (is its memory full?): "
    "convert the video to H.264 and upload it again"
)


class Files:
    """The data folder, locked for this process; created where it is missing, readable by its owner only.

    Raises FacetellError if it cannot be written, is used by another server, or holds something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.database, self.jobs = self.root / "jobs.sqlite3", self.root / "jobs"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.database.exists() and any(self.root.iterdir()):
                raise FacetellError(f"{root} holds files of something else: choose another --data, or a new folder")
            self.database.touch(mode=0o600)  # first: it marks the folder as a data folder, should this be interrupted
            for path in (self.jobs, self.root / "lock"):
                if path.is_symlink():
                    raise FacetellError(f"{path} is a link: replace it by the folder, or choose another --data")
            self.jobs.mkdir(mode=0o700, exist_ok=True)
            self._lock = (self.root / "lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FacetellError(f"another server uses {root}: stop it, or choose another --data") from None
        except OSError as error:
            raise FacetellError(f"cannot use {root} ({error.strerror}): choose another --data") from None
        self.close = self._lock.close

    def folder(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.jobs / job_id

    def report(self, job_id: str, language: str) -> Path:
        """The report of a job in a language; the English one where an earlier version made no other."""
        path = self.folder(job_id) / REPORTS[language]
        return path if path.exists() else path.with_name(REPORTS["en"])

    def remove(self, job_id: str) -> None:
        """Delete all files of a job."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sweep(self, states: Mapping[str, State]) -> None:
        """Delete what belongs to no job and the videos of ended jobs; only under names that are IDs of jobs."""
        for folder in list(self.jobs.iterdir()):
            if not ID.fullmatch(folder.name) or folder.is_symlink():
                continue
            if (state := states.get(folder.name)) is None:
                self.remove(folder.name)
            elif state in ENDED:
                (folder / VIDEO).unlink(missing_ok=True)


class Store:
    """The jobs on disk. Every method is one SQL statement, so one transaction, and may be called from any thread.

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
            self._db.executescript(SCHEMA.read_text(encoding="utf-8"))
            with contextlib.suppress(sqlite3.OperationalError):  # only stores that are older lack the column
                self._db.execute("ALTER TABLE jobs ADD COLUMN webhook TEXT")
            self._db.execute("CREATE INDEX IF NOT EXISTS by_webhook ON jobs (number) WHERE webhook IS NOT NULL")
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error as error:
            message = f"cannot open {path} ({error}): restore it from a backup, or choose another --data"
            raise FacetellError(message) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add(self, **columns: Any) -> Job:
        """Queue a job; returns the job with the same key instead where there is one."""
        query = (
            f"INSERT INTO jobs ({', '.join(columns)}, state, created)"
            f" VALUES ({len(columns) * '?, '}'queued', ?) ON CONFLICT (key) DO UPDATE SET key = key RETURNING *"
        )
        return self._jobs(query, *columns.values(), time.time())[0]

    def get(self, job_id: str) -> Job | None:
        """The job with an id."""
        return next(iter(self._jobs("SELECT * FROM jobs WHERE id = ?", job_id)), None)

    def newest(self, limit: int, before: int | None = None, state: State | None = None) -> list[Job]:
        """At most ``limit`` jobs, the newest first; only those with a smaller number, only those in a state."""
        query = "SELECT * FROM jobs WHERE number < ? AND state = coalesce(?, state) ORDER BY number DESC LIMIT ?"
        return self._jobs(query, before or 2**63 - 1, state, limit)

    def counts(self) -> dict[State, int]:
        """The number of jobs in each state."""
        found = dict(self._rows("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: found.get(state, 0) for state in State}

    def claim(self) -> Job | None:
        """Take the next job from the queue; those that have crashed come last.

        None also while a job that was running at many ends of the server runs, or waits for the others to end: it runs
        alone, so that the next end of the server is not counted against it because of another job.
        """
        query = (
            "UPDATE jobs SET state = 'running', started = ? WHERE number = (SELECT number FROM jobs"
            " WHERE state = 'queued' ORDER BY crashes, number LIMIT 1) AND NOT EXISTS (SELECT 1 FROM jobs AS other"
            " WHERE other.state = 'running' AND max(other.stops, jobs.stops) >= ?) RETURNING *"
        )
        return next(iter(self._jobs(query, time.time(), STOPS)), None)

    def end(
        self, job_id: str, state: State, summary: Summary | None = None, policy: str = "", message: str = ""
    ) -> bool:
        """Mark a job as done or failed; False if it was deleted."""
        sql = "UPDATE jobs SET state = ?, finished = ?, summary = ?, policy = ?, message = ? WHERE id = ? RETURNING id"
        text = summary and summary.model_dump_json()
        return bool(self._rows(sql, state, time.time(), text, policy, message, job_id))

    def release(self, job_id: str) -> None:
        """Put a running job back into the queue, because the server is being stopped."""
        self._rows("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'", job_id)

    def crashed(self, job_id: str) -> Job | None:
        """Count a crash of a job's process: the job is queued again, or fails at the third; None if deleted."""
        return next(iter(self._interrupted("crashes", CRASHES, _CRASHED, job_id)), None)

    def resume(self) -> list[Job]:
        """After a start, queue again what ran when the server was killed, at last alone. Returns it."""
        return self._interrupted("stops", STOPS + 1, _STOPPED)

    def delete(self, job_id: str) -> bool:
        """Delete a job; False if there is none."""
        return bool(self._rows("DELETE FROM jobs WHERE id = ? RETURNING id", job_id))

    def ended_before(self, when: float) -> list[str]:
        """Ids of the jobs that ended before a POSIX time."""
        return [job_id for (job_id,) in self._rows("SELECT id FROM jobs WHERE finished < ?", when)]

    def due_webhooks(self) -> list[tuple[str, str]]:
        """Id and address of each ended job whose webhook is due, in order of arrival."""
        # Not `->>`, which needs SQLite 3.38: the table needs 3.37.
        query = (
            "SELECT id, json_extract(webhook, '$.url') FROM jobs WHERE webhook IS NOT NULL AND finished"
            " AND json_extract(webhook, '$.due') <= ? ORDER BY number"
        )
        return [(job_id, url) for job_id, url in self._rows(query, time.time())]

    def set_webhook(self, job_id: str, webhook: str | None) -> None:
        """Store when a webhook is due again; None: never."""
        self._rows("UPDATE jobs SET webhook = ? WHERE id = ?", webhook, job_id)

    def states(self) -> dict[str, State]:
        """The state of every job, by id."""
        return {job_id: State(state) for job_id, state in self._rows("SELECT id, state FROM jobs")}

    def _interrupted(self, column: str, limit: int, message: str, job_id: str | None = None) -> list[Job]:
        """Count an interruption of one running job, or of all: it is queued again, or fails at the ``limit``."""
        query = (
            f"UPDATE jobs SET {column} = {column} + 1, state = iif({column} + 1 < ?, 'queued', 'failed'),"
            f" finished = iif({column} + 1 < ?, NULL, ?), message = iif({column} + 1 < ?, '', ?)"
            " WHERE state = 'running' AND id = coalesce(?, id) RETURNING *"
        )
        return self._jobs(query, limit, limit, time.time(), limit, message, job_id)

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        rows = map(dict, self._rows(query, *values))
        return [Job(**row | {"summary": json.loads(row["summary"] or "null")}) for row in rows]

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

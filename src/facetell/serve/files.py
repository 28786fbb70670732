"""The data folder: where a job's files lie. Every name in it is ours; no name of a client ever becomes a path.

DATA/lock            held by the one server that uses the folder
DATA/jobs.sqlite3    the jobs (with -wal and -shm beside it)
DATA/incoming/ID     uploads that are still being received
DATA/jobs/ID/        video (until it is scored), result.json, report.html
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from facetell.serve.jobs import State
from facetell.types import FacetellError

NAME_LENGTH = 200
# No more room, beyond one's quota, or beyond the largest file that is allowed.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def new_id() -> str:
    """128 bits of chance as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def shown_name(name: str) -> str:
    """What a client called a file, fit to be shown: no folders, no control characters, not too long.

    >>> shown_name("../../etc/pass\\x00wd"), shown_name("C:\\\\videos\\\\talk.mp4"), shown_name("  ")
    ('passwd', 'talk.mp4', 'video')
    """
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(sign for sign in last if sign.isprintable()).strip()
    return clean[:NAME_LENGTH].strip() or "video"


class Files:
    """The data folder, locked for this process.

    Args:
        root: made where it is missing; only its owner may look into it.

    Raises:
        FacetellError: it cannot be written, or another server uses it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            for folder in (self.root, self._incoming, self._jobs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self.root / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FacetellError(f"another server uses {root}: stop it, or choose another --data") from None
        except OSError as error:
            raise FacetellError(f"cannot use {root} ({error.strerror}): choose another --data") from None

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.close()

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "jobs.sqlite3"

    @property
    def free_bytes(self) -> int:
        """Room on the disk."""
        return shutil.disk_usage(self.root).free

    def incoming(self, job_id: str) -> Path:
        """Where an upload is received."""
        return self._incoming / job_id

    def folder(self, job_id: str) -> Path:
        """Where the files of a job lie."""
        return self._jobs / job_id

    def video(self, job_id: str) -> Path:
        """The uploaded video."""
        return self.folder(job_id) / "video"

    def result(self, job_id: str) -> Path:
        """The JSON result."""
        return self.folder(job_id) / "result.json"

    def report(self, job_id: str) -> Path:
        """The report."""
        return self.folder(job_id) / "report.html"

    def accept(self, job_id: str) -> None:
        """Move a received upload to its place; it is on disk when this returns."""
        source, target = self.incoming(job_id), self.video(job_id)
        target.parent.mkdir(mode=0o700)
        source.replace(target)
        for path in (target.parent, self._jobs, self._incoming):
            sync(path)

    def drop_video(self, job_id: str) -> None:
        """Delete the video of a job that has ended."""
        self.video(job_id).unlink(missing_ok=True)

    def remove(self, job_id: str) -> None:
        """Delete all files of a job."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sweep(self, known: Mapping[str, State]) -> None:
        """After a start: delete what belongs to no job, and videos that are no longer needed."""
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)
        for folder in self._jobs.iterdir():
            state = known.get(folder.name)
            if state is None:
                shutil.rmtree(folder, ignore_errors=True)
            elif state.ended:
                self.drop_video(folder.name)

    @property
    def _incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def _jobs(self) -> Path:
        return self.root / "jobs"


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

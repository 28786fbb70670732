"""The data folder: where a job's files lie. Every name in it is ours; no name of a client ever becomes a path.

DATA/lock            held by the one server that uses the folder
DATA/jobs.sqlite3    the jobs (with -wal and -shm beside it)
DATA/incoming/ID     uploads that are still being received
DATA/jobs/ID/        video (until it is scored), result.json, report.html
"""

from __future__ import annotations

import contextlib
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
ID = re.compile(r"[0-9a-f]{32}")  # see new_id
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
        FacetellError: it cannot be written, another server uses it, or it holds something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.database.exists() and any(self.root.iterdir()):
                raise FacetellError(f"{root} holds files that are not a server's: choose another --data, or a new one")
            self.database.touch(mode=0o600)  # before all else: it marks the folder as ours, whenever this is ended
            for path in (self._incoming, self._jobs, self.root / "lock"):
                if path.is_symlink():
                    raise FacetellError(f"{path} is a link: put the folder itself there, or choose another --data")
            for folder in (self._incoming, self._jobs):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = (self.root / "lock").open("a")
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
        """After a start: delete what belongs to no job, and videos that are no longer needed; of our names only."""
        for path in _ours(self._incoming):
            with contextlib.suppress(OSError):  # a folder, which no upload is
                path.unlink()
        for folder in _ours(self._jobs):
            state = known.get(folder.name)
            if state is None:
                self.remove(folder.name)
            elif state.ended:
                self.drop_video(folder.name)

    @property
    def _incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def _jobs(self) -> Path:
        return self.root / "jobs"


def _ours(folder: Path) -> list[Path]:
    """What lies in a folder under a name that we give, and is no link to elsewhere."""
    return [path for path in folder.iterdir() if ID.fullmatch(path.name) and not path.is_symlink()]


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

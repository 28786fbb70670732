"""A real server in a process of its own, or in this process, and what tests do with it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from facetell.cli.serve import listen
from facetell.serve.models import Job, Limits, ServeSettings
from facetell.serve.server import Server as HttpServer
from facetell.serve.server import create_app
from facetell.serve.service import Service
from facetell.serve.store import Store
from fixtures import FAST, SECONDS, sample_frames, wait_for, write_frames

TOKEN = "a-token-of-enough-characters"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="talk.mp4"\r\nContent-Type: video/mp4\r\n\r\n'


class Server(contextlib.AbstractContextManager):
    """`facetell serve` with some arguments on a data folder; stopped at the end of a `with`."""

    def __init__(self, data: Path, *words: str):
        self.data, self.words = data, words
        self.log = data.parent / f"{data.name}.log"
        self.start()

    def start(self) -> None:
        """Start it (again) and wait until it serves."""
        command = [sys.executable, "-m", "facetell", "serve", "--port", "0", "--data", str(self.data)]
        command += ["--model", FAST, *self.words]
        place = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            how = {"env": {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}, "cwd": self.data.parent}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **how)

        def address():
            assert self.process.poll() is None, self.log.read_text()
            return re.search(r"facetell serves (http://\S+),", self.log.read_text()[place:])

        self.url = wait_for(address)[1]
        self.client = httpx.Client(base_url=self.url, timeout=SECONDS)

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL, which acts as a power cut."""
        self.client.close()
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[psutil.Process]:
        """The child processes, the one that checks uploads first."""
        running = psutil.process_iter(["ppid", "cmdline"], ad_value="")  # without those that end meanwhile
        children = (child for child in running if child.info["ppid"] == self.process.pid)
        found = (child for child in children if "spawn_main" in " ".join(child.info["cmdline"]))
        return sorted(found, key=lambda process: process.create_time())

    @contextlib.contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Suspend the process that scores: jobs stay queued or running. Yields what lets it run for a moment."""
        scorer = self.workers()[1]

        def advance() -> None:
            scorer.resume()
            time.sleep(0.05)
            scorer.suspend()

        scorer.suspend()
        try:
            yield advance
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                scorer.resume()

    def upload(self, path: Path, name: str | None = None, **headers: str) -> httpx.Response:
        with path.open("rb") as stream:
            return self.client.post("/v1/jobs", files={"file": (name or path.name, stream)}, headers=headers)

    def jobs(self) -> list[dict]:
        return self.client.get("/v1/jobs", params={"limit": 200}).json()["jobs"]

    def job(self, job_id: str) -> dict:
        return self.client.get(f"/v1/jobs/{job_id}").json()

    def ended(self, job_id: str, *states: str) -> dict:
        """A job once it is in one of the states, by default those of its end."""
        return wait_for(lambda: (job := self.job(job_id))["state"] in (states or ("done", "failed")) and job)

    def metrics(self) -> str:
        return self.client.get("/metrics").text

    def files(self) -> set[str]:
        """All files in the data folder except database and lock."""
        found = (path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file())
        return {name for name in found if not name.startswith("jobs.sqlite3") and name != "lock"}


def short_video(folder: Path, name: str = "short.mp4", first: int = 0) -> Path:
    """Half a second of the man's face."""
    return write_frames(folder / name, np.roll(sample_frames("sample_man", 60), -first, axis=0)[:15], fps=30)


def add(store: Store, number: int, **columns: Any) -> Job:
    """A job in the queue, without a video."""
    about = {"name": f"{number}.mp4", "size": 10, "sha256": "5" * 64, "width": 64, "height": 48, "duration": 1.0}
    return store.add(id=f"{number:032x}", **about, **columns)


@contextlib.contextmanager
def connections(url: str, count: int) -> Iterator[list[socket.socket]]:
    host, port = url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), SECONDS)) for _ in range(count)]


def begin(connection: socket.socket, path: str, *headers: str, kind: str = FORM["Content-Type"]) -> None:
    """Send the head of a POST request, by default of a form with a file."""
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *headers, "\r\n")
    connection.sendall("\r\n".join(lines).encode())


def upload(url: str, path: Path, **parameters: str) -> httpx.Response:
    with path.open("rb") as stream:
        return httpx.post(f"{url}/v1/jobs", params=parameters, files={"file": stream}, timeout=SECONDS)


def events(response: httpx.Response) -> Iterator[tuple[str, str]]:
    """(event, data) of server-sent events as they arrive."""
    kind = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, line[6:]


@contextlib.contextmanager
def serving(folder: Path, limits: Limits, wrap=lambda app: app, **settings: Any) -> Iterator[tuple[str, Service]]:
    """A server in this process, without workers; ``wrap`` puts something before the app, such as a reverse proxy."""
    service = Service(ServeSettings(folder, limits=limits, model=FAST, **settings))
    listening = listen("127.0.0.1", 0)
    server = HttpServer(wrap(create_app(service)), service)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", service
    finally:
        server.stop()
        thread.join()
        service.stop()
        listening.close()

"""How long an upload takes beside slow clients, open event streams and idle connections.

    python benchmarks/serve_load.py                  # all of them; wanted is a ratio below 2
    python benchmarks/serve_load.py --uploads 3 slow50 idle

A server in a process of its own, on loopback. Uploads of a video of 10 MB to an undisturbed and to a disturbed server
alternate; the ratio is that of the medians. A slow client begins an upload again when it is ended or refused; all
clients have one address, as behind a proxy that does not send it. The exit code is 1 if a ratio is 2 or more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from facetell.assets import locate
from facetell.engine import FAST_MODEL
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

SIZE = 10_000_000  # bytes of an upload
SETTLE = 8.0  # seconds from the start of the disturbance to the first upload
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
REQUEST = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
CASES = {  # what a client does, how many of them, and bytes per second
    "slow8": ("8 clients that upload at 1 B/s", "slow", 8, 1),
    "slow50": ("50 clients that upload at 1 B/s", "slow", 50, 1),
    "trickle8": ("8 clients that upload at 9.5 kB/s", "slow", 8, 9500),
    "trickle50": ("50 clients that upload at 9.5 kB/s", "slow", 50, 9500),
    "streams": ("200 open event streams", "stream", 200, 0),
    "scoring": ("200 open event streams while a video is scored", "stream", 200, 0),
    "idle": ("1,000 idle connections", "idle", 1000, 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--uploads", type=int, default=9, metavar="N", help="of each kind (default: 9)")
    args = parser.parse_args()
    if unknown := {*args.cases} - {*CASES}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url:
        content = make_video(Path(name) / "video.mp4")
        print(f"uploads of {SIZE / 1e6:.0f} MB, median of {args.uploads}; load before: {os.getloadavg()[0]:.1f}")
        for case in args.cases or CASES:
            label, kind, count, rate = CASES[case]
            alone, beside = [], []
            with scoring(url) if case == "scoring" else contextlib.nullcontext():
                for _ in range(args.uploads):
                    alone.append(upload(url, content))
                    with Disturbance(url, kind, count, rate):
                        time.sleep(SETTLE if kind == "slow" else 1.0)
                        beside.append(upload(url, content))
            first, second = statistics.median(alone), statistics.median(beside)
            print(f"{label:48}{first:7.2f} s alone{second:7.2f} s beside{second / first:7.2f} x", flush=True)


def make_video(path: Path) -> bytes:
    """A third of a second of a face, and a box of nothing up to the size of an upload."""
    with VideoReader(locate("sample_man")) as reader:
        frames = [raw.rgb() for raw in itertools.islice(reader, 10)]
    height, width = frames[0].shape[:2]
    with VideoWriter(path, fps=30, width=width, height=height, crf=18, options={"preset": "ultrafast"}) as out:
        for frame in frames:
            out.write(frame)
    video = path.read_bytes()
    return video + struct.pack(">I4s", SIZE - len(video), b"free") + bytes(SIZE - len(video) - 8)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server."""
    words = ["serve", "--port", "0", "--data", str(folder / "data"), "--model", FAST_MODEL]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "facetell", *words], stdout=log, stderr=log)
    try:
        while not (found := re.search(r"facetell serves (http://\S+),", (folder / "log").read_text())):
            if process.poll() is not None:
                sys.exit((folder / "log").read_text())
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        process.wait()


def upload(url: str, content: bytes) -> float:
    """Seconds from the first byte to the answer, waits for a free place included; the job is deleted afterwards."""
    start = time.perf_counter()
    while (answer := httpx.post(f"{url}/v1/jobs", files={"file": content}, timeout=None)).status_code != 201:
        if answer.status_code != 429:
            sys.exit(answer.text)
        time.sleep(int(answer.headers["Retry-After"]))
    seconds = time.perf_counter() - start
    httpx.delete(f"{url}/v1/jobs/{answer.json()['id']}", timeout=None)
    return seconds


@contextlib.contextmanager
def scoring(url: str) -> Iterator[None]:
    """Within ``with``, a worker is busy."""
    stop = threading.Event()

    def work() -> None:
        with httpx.Client(base_url=url, timeout=None) as client:
            while not stop.is_set():
                job = client.post("/v1/jobs", files={"file": locate("sample_woman").read_bytes()}).json()
                while not stop.wait(0.2) and client.get(f"/v1/jobs/{job['id']}").json().get("state") != "done":
                    pass
                client.delete(f"/v1/jobs/{job['id']}")

    (thread := threading.Thread(target=work)).start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Disturbance(threading.Thread):
    """Clients of one kind, within ``with``."""

    def __init__(self, url: str, kind: str, count: int, rate: int) -> None:
        super().__init__()
        host, port = url.removeprefix("http://").split(":")
        self._address = (host, int(port))
        self._client = {"slow": self._slow, "stream": self._stream, "idle": self._idle}[kind]
        self._count, self._rate = count, rate
        self._begun, self._loop = threading.Semaphore(0), asyncio.new_event_loop()

    def __enter__(self) -> None:
        self.start()
        for _ in range(self._count):
            self._begun.acquire()

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()

    def run(self) -> None:
        for _ in range(self._count):
            self._loop.create_task(self._client())
        self._loop.run_forever()
        for task in (rest := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self._loop.close()

    async def _slow(self) -> None:
        self._begun.release()
        while True:
            with contextlib.suppress(ConnectionError):
                reader, writer = await asyncio.open_connection(*self._address)
                writer.write(REQUEST + b"Content-Length: 1000000\r\n\r\n" + HEAD)
                with contextlib.closing(writer):
                    while True:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(reader.read(), 1.0)
                            break
                        writer.write(b"x" * self._rate)

    async def _stream(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"retry")
        self._begun.release()
        await reader.read()
        writer.close()

    async def _idle(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        self._begun.release()
        await reader.read()
        writer.close()


if __name__ == "__main__":
    main()

"""What scanning costs: seconds and memory with one and two workers, and what a long journal costs at the end.

    python benchmarks/scan.py                    # 1 and 2 workers, the engine that `facetell scan` takes by default
    python benchmarks/scan.py --on ray           # the same on a Ray cluster of this machine
    python benchmarks/scan.py --rehearse 1000000 # all but the scoring of so many videos

The videos are made from the sample video of the woman: 720p, 30 fps, about 4 Mbit/s H.264, twenty seconds each, told
apart by a few bytes at their ends. Each measurement is a command of its own, with one core a worker: a worker alone
would use more than one. What it takes to start is counted apart.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from end_to_end import BASE_SECONDS, make_clip
from facetell.assets import locate
from facetell.batch.run import Job, Outcome, Work
from facetell.batch.scan import scan
from facetell.batch.scan_source import open_source
from facetell.batch.scan_work import make_detector, score
from facetell.engine import FAST_MODEL
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

VIDEOS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default="local", choices=["local", "ray"], help="as of `facetell scan`")
    parser.add_argument(
        "--videos", type=int, default=VIDEOS, metavar="N", help=f"of {BASE_SECONDS} seconds (default: {VIDEOS})"
    )
    parser.add_argument("--rehearse", type=int, metavar="N", help="measure all but the scoring, with N videos")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; load before: {load:.1f}")
    with tempfile.TemporaryDirectory() as name:
        if args.rehearse:
            rehearse(Path(name), args.rehearse)
        else:
            scale(Path(name), args.videos, args.on)


def scale(folder: Path, count: int, engine: str) -> None:
    """The same corpus with one and with two workers; the cost of starting is that of a corpus of one short video."""
    make_clip(folder / "one.mp4")
    content = (folder / "one.mp4").read_bytes()
    for number in range(count):
        target = folder / "corpus" / f"{number:03d}.mp4"
        target.parent.mkdir(exist_ok=True)
        # A box of nothing at the end belongs to no picture: another content and size, the same work.
        size = 8 + 8 * number
        target.write_bytes(content + struct.pack(">I4s", size, b"free") + bytes(size - 8))
    (folder / "little").mkdir()
    (folder / "little" / "broken.mp4").write_bytes(b"none")
    seconds, per_hour = count * BASE_SECONDS, {}
    print(f"{count} videos of {BASE_SECONDS} s, 720p30, {8 * len(content) / BASE_SECONDS / 1e6:.1f} Mbit/s; {engine}")
    print(f"{'workers':>8}{'start s':>9}{'scan s':>8}{'x real time':>13}{'CPU-s a video':>15}{'peak MB':>9}")
    for workers in (1, 2):
        start = run(folder / "little", folder / f"little{workers}", engine, workers)
        whole = run(folder / "corpus", folder / f"out{workers}", engine, workers)
        wall, cpu = whole[0] - start[0], (whole[1] - start[1]) / count
        per_hour[workers] = 3600 * count / wall
        print(f"{workers:8}{start[0]:9.1f}{wall:8.1f}{seconds / wall:13.1f}{cpu:15.2f}{whole[2]:9.0f}")
    print(f"two workers on two cores do {per_hour[2] / per_hour[1]:.2f} x what one does on one core")
    print(f"videos of {BASE_SECONDS} s an hour: {per_hour[1]:.0f} with one worker, {per_hour[2]:.0f} with two")
    print(f"100 000 of them: {100_000 / per_hour[1]:.0f} worker-hours with one, {2e5 / per_hour[2]:.0f} with two")


def run(source: Path, out: Path, engine: str, workers: int, *more: object) -> tuple[float, float, float]:
    """Wall and CPU seconds of a scan on as many cores, and the peak memory in MB of the largest of its processes."""
    words = [sys.executable, "-m", "facetell", "scan", source, "--out", out, "--on", engine, *more]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [str(word) for word in (*words, "--workers", workers)]
    pin = partial(os.sched_setaffinity, 0, sorted(os.sched_getaffinity(0))[:workers])
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if not (out / "summary.html").exists():
        raise SystemExit(f"the scan failed: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def rehearse(folder: Path, count: int) -> None:
    """Start, interrupt and finish a scan of ``count`` files of different sizes, of which one is a video.

    Between start and end, the journal gets a line for each of the others, as if it were a video like that one.
    """
    with VideoReader(locate("sample_woman")) as reader:
        frames = [raw.rgb() for raw in itertools.islice(reader, 10)]
    with VideoWriter(folder / "one.mp4", fps=30, width=frames[0].shape[1], height=frames[0].shape[0], crf=18) as out:
        for frame in frames:
            out.write(frame)
    phase(folder, ["one.mp4"], stop=False)
    names = [f"{number // 1000}/{number}.mp4" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("wb") as stream:
            stream.truncate(number + 1)
    print(f"{count:,} names")
    print(f"{'':36}{'CPU-s':>8}{'us a name':>11}{'s':>8}{'peak MB':>9}")
    report("started, to the first score", phase(folder, names, stop=True), count)
    with (folder / "out" / "work" / "journal.jsonl").open("r+") as journal:
        verdict = next(line for line in map(json.loads, journal) if "verdict" in line)
        for number, name in enumerate(names[:-1]):
            stat, content = (folder / name).stat(), f"{number:064x}"
            stamp = f"{stat.st_size}.{stat.st_mtime_ns}.{stat.st_ino}"
            found = verdict | {"content": content, "size": stat.st_size}
            found["verdict"]["probability"] = (number * 0.6180339887) % 1
            journal.seek(0, os.SEEK_END)
            for line in ({"file": name, "stamp": stamp, "content": content}, found):
                journal.write(json.dumps(line) + "\n")
    report("resumed, to the first score", phase(folder, names, stop=True), count)
    report("resumed, to the end", phase(folder, names, stop=False), count)


def report(label: str, found: tuple[float, float, float], count: int) -> None:
    cpu, wall, peak = found
    print(f"{label:36}{cpu:8.1f}{1e6 * cpu / count:11.1f}{wall:8.1f}{peak:9.0f}", flush=True)


def phase(folder: Path, names: list[str], stop: bool) -> tuple[float, float, float]:
    """Scan in a process of its own: CPU and wall seconds, and peak memory in MB; ``stop`` before the first video."""
    listed = folder / "list"
    listed.write_text("\n".join(names))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_phase, folder, listed, stop).result()


class _Stop(Exception):
    pass


def _phase(folder: Path, listed: Path, stop: bool) -> tuple[float, float, float]:
    os.chdir(folder)
    detector = make_detector(FAST_MODEL)
    cpu, wall = time.process_time(), time.perf_counter()

    def engine(work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            if stop:
                raise _Stop
            yield score(detector, job)

    with contextlib.suppress(_Stop):
        scan(open_source(str(listed)), folder / "out", detector, engine=engine)
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return time.process_time() - cpu, time.perf_counter() - wall, int(peak[1]) / 1024


if __name__ == "__main__":
    main()

"""What scanning costs: seconds and memory with one and two workers, and what a long journal costs at the end.

    python benchmarks/scan.py                    # 1 and 2 workers, the engine that `facetell scan` takes by default
    python benchmarks/scan.py --engine ray       # the same on a Ray cluster of this machine
    python benchmarks/scan.py --rehearse 1000000 # all but the scoring of so many names of a few videos
    python benchmarks/scan.py --rehearse 100000 --different  # the same of as many videos

The videos are made from the sample video of the woman: 720p, 30 fps, about 4 Mbit/s H.264, twenty seconds each, told
apart by a few bytes at their ends. Each measurement is a command of its own; what it takes to start is counted apart.
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
from multiprocessing import get_context
from pathlib import Path

from end_to_end import BASE_SECONDS, make_clip
from facetell.assets import locate
from facetell.batch.run import Job, Outcome, Work
from facetell.batch.scan import scan
from facetell.batch.scan_source import open_source
from facetell.batch.scan_work import SILENT, make_detector, make_scorer, score
from facetell.engine import FAST_MODEL
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

VIDEOS, SHORT = 12, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="local", choices=["local", "ray"], help="as of `facetell scan`")
    parser.add_argument(
        "--videos", type=int, default=VIDEOS, metavar="N", help=f"of {BASE_SECONDS} seconds (default: {VIDEOS})"
    )
    parser.add_argument("--rehearse", type=int, metavar="N", help="measure all but the scoring, with N videos")
    parser.add_argument("--different", action="store_true", help="with --rehearse: each video has its own content")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; load before: {load:.1f}")
    with tempfile.TemporaryDirectory() as name:
        if args.rehearse:
            rehearse(Path(name), args.rehearse, args.different)
        else:
            scale(Path(name), args.videos, args.engine)


def scale(folder: Path, count: int, engine: str) -> None:
    """The same corpus with one and with two workers; the cost of starting is that of a corpus of one short video."""
    make_clip(folder / "one.mp4", BASE_SECONDS)
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
    print(f"two workers do {per_hour[2] / per_hour[1]:.2f} x what one does")
    print(f"videos of {BASE_SECONDS} s an hour: {per_hour[1]:.0f} with one worker, {per_hour[2]:.0f} with two")
    print(f"100 000 of them: {100_000 / per_hour[1]:.0f} worker-hours with one, {2e5 / per_hour[2]:.0f} with two")


def run(source: Path, out: Path, engine: str, workers: int, *more: object) -> tuple[float, float, float]:
    """Wall and CPU seconds of a scan, and the peak memory in MB of the largest of its processes."""
    words = [sys.executable, "-m", "facetell", "scan", source, "--out", out, "--engine", engine, *more]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([str(word) for word in (*words, "--workers", workers)], capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if not (out / "summary.html").exists():
        raise SystemExit(f"the scan failed: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def rehearse(folder: Path, count: int, different: bool) -> None:
    """Start, interrupt and finish a scan of ``count`` names, with almost nothing to score.

    The names are those of a few short videos in folders that are links to one, or, where ``different``, of empty files
    of which the journal states that each has a content of its own, except one that is not scored yet.
    """
    (folder / "videos").mkdir()
    make_short_videos(folder / "videos")
    names = [f"{number}/{video}.mp4" for number in range(count // SHORT) for video in range(SHORT)]
    if different:
        phase(folder, list_of(folder, ["videos/0.mp4"]), stop=False)
        make_empty_files(folder, count)
        names = [f"empty/{number // 1000}/{number}.mp4" for number in range(count - 1)] + ["videos/1.mp4"]
    else:
        for number in range(count // SHORT):
            (folder / str(number)).symlink_to(folder / "videos")
    listed = list_of(folder, names)
    print(f"{len(names):,} names of {'different' if different else SHORT} videos")
    print(f"{'':36}{'CPU-s':>8}{'us a name':>11}{'s':>8}{'peak MB':>9}")
    runs = [("resumed, to the first score", True), ("resumed, to the end", False)]
    for label, stop in runs if different else [("started, to the first score", True), *runs]:
        cpu, wall, peak = phase(folder, listed, stop)
        print(f"{label:36}{cpu:8.1f}{1e6 * cpu / len(names):11.1f}{wall:8.1f}{peak:9.0f}", flush=True)


def make_short_videos(folder: Path) -> None:
    """A third of a second of a face each, with different frames."""
    with VideoReader(locate("sample_woman")) as reader:
        frames = [raw.rgb() for raw in itertools.islice(reader, 10 + SHORT)]
    height, width = frames[0].shape[:2]
    for number in range(SHORT):
        with VideoWriter(folder / f"{number}.mp4", fps=30, width=width, height=height, crf=18) as out:
            for frame in frames[number : number + 10]:
                out.write(frame)


def make_empty_files(folder: Path, count: int) -> None:
    """Empty files, and in the journal of the scan lines that say that each is a video like the one scored."""
    journal = folder / "out" / "work" / "journal.jsonl"
    verdict = next(line for line in map(json.loads, journal.open()) if "verdict" in line)
    with journal.open("a") as stream:
        for number in range(count - 1):
            name = f"empty/{number // 1000}/{number}.mp4"
            path = folder / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.touch()
            stat, content = path.stat(), f"{number:064x}"
            stamp = f"{stat.st_size}.{stat.st_mtime_ns}.{stat.st_ino}"
            verdict["verdict"]["probability"] = (number * 0.6180339887) % 1
            for line in ({"file": name, "stamp": stamp, "content": content}, verdict | {"content": content, "size": 0}):
                stream.write(json.dumps(line) + "\n")


def list_of(folder: Path, names: list[str]) -> Path:
    (folder / "list").write_text("\n".join(names))
    return folder / "list"


def phase(folder: Path, listed: Path, stop: bool) -> tuple[float, float, float]:
    """Scan in a process of its own: CPU and wall seconds, and peak memory in MB; ``stop`` before the first video."""
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
            if work.make is not make_scorer:
                yield work.make(*work.arguments)(job)
            elif stop:
                raise _Stop
            else:
                yield score(detector, SILENT, job)

    with contextlib.suppress(_Stop):
        scan(open_source(str(listed)), folder / "out", detector, engine=engine)
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return time.process_time() - cpu, time.perf_counter() - wall, int(peak[1]) / 1024


if __name__ == "__main__":
    main()

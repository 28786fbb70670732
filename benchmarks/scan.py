"""What scanning costs: seconds and memory with one and two workers, and what a long journal costs at the end.

    python benchmarks/scan.py                    # 1 and 2 workers, the engine that `facetell scan` takes by default
    python benchmarks/scan.py --engine ray       # the same on a Ray cluster of this machine
    python benchmarks/scan.py --rehearse 100000  # list, journal and results of so many videos, without scoring them

The videos are made from the sample video of the woman: 720p, 30 fps, about 4 Mbit/s H.264, twenty seconds each, told
apart by a few bytes at their ends. Each measurement is a command of its own; what it takes to start is counted apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from end_to_end import BASE_SECONDS, make_clip

VIDEOS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="local", choices=["local", "ray"], help="as of `facetell scan`")
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


def rehearse(folder: Path, count: int) -> None:
    """Make the journal that so many videos would leave, from that of one, and let a scan find everything done.

    The videos are empty files but for one; the journal is told that each has a content of its own.
    """
    make_clip(folder / "one.mp4", BASE_SECONDS)
    corpus, out = folder / "corpus", folder / "out"
    corpus.mkdir()
    (corpus / "0").mkdir()
    (folder / "one.mp4").rename(corpus / "0" / "one.mp4")
    run(corpus, out, "local", 1)
    journal = out / "work" / "journal.jsonl"
    verdict = next(line for line in map(json.loads, journal.open()) if "verdict" in line)
    with journal.open("a") as stream:
        for number in range(1, count):
            name = f"{number // 1000}/{number}.mp4"
            path = corpus / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
            stat, content = path.stat(), f"{number:064x}"
            stamp = f"{stat.st_size}.{stat.st_mtime_ns}.{stat.st_ino}"
            verdict["verdict"]["probability"] = (number * 0.6180339887) % 1
            for line in ({"file": name, "stamp": stamp, "content": content}, verdict | {"content": content, "size": 0}):
                stream.write(json.dumps(line) + "\n")
    wall, cpu, peak = run(corpus, out, "local", 1)
    sizes = {p.name: p.stat().st_size / 1e6 for p in (*out.iterdir(), journal) if p.is_file()}
    print(f"{count} videos, nothing left to score: {wall:.0f} s ({cpu:.0f} CPU-s), {peak:.0f} MB at most")
    print(", ".join(f"{name} {size:.1f} MB" for name, size in sorted(sizes.items())))


if __name__ == "__main__":
    main()

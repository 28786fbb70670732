"""What preparing costs: speed of `facetell prepare` on two processes beside that of decoding alone, in one run.

    python benchmarks/prepare.py

The clips are made from the sample video of the woman: scaled to 720p, 30 fps, about 4 Mbit/s H.264, looped to a minute,
one for each process. Each measurement is a command of its own, with all it takes to start.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from end_to_end import BASE_SECONDS, loop, make_clip

WORKERS = 2
MINUTE = 60


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds of a command, and of the largest of its processes the peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def cost(*commands: list[object]) -> Cost:
    """Run commands side by side."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    running = [subprocess.Popen([str(word) for word in c], stdout=subprocess.DEVNULL) for c in commands]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("a command failed")
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, after.ru_maxrss / 1024)


def decode(path: Path) -> list[object]:
    """Reads all frames without looking at them, on one thread as `prepare` does."""
    code = f"from facetell.video.reader import VideoReader\nfor _ in VideoReader({str(path)!r}, threads=1): pass"
    return [sys.executable, "-c", code]


def prepare(manifest: Path) -> list[object]:
    words = ["--out", manifest.with_suffix(""), "--workers", WORKERS]
    return [sys.executable, "-m", "facetell", "prepare", manifest, *words]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "short.mp4")
        reals, fakes = ([folder / f"{kind}{i}.mp4" for i in range(WORKERS)] for kind in ("real", "fake"))
        loop(folder / "short.mp4", reals[0], MINUTE // BASE_SECONDS)
        for copy in (*reals[1:], *fakes):
            shutil.copyfile(reals[0], copy)
        rows = "".join(f"{real.name},0,train,\n" for real in reals)
        more = "".join(f"{fake.name},1,train,{real.name}\n" for real, fake in zip(reals, fakes, strict=True))
        alone, paired = folder / "alone.csv", folder / "paired.csv"
        alone.write_text(f"path,label,split,source\n{rows}")
        paired.write_text(f"path,label,split,source\n{rows}{more}")
        decoded = cost(*(decode(real) for real in reals))
        located = cost(prepare(alone))
        both = cost(prepare(paired))
        size = sum(file.stat().st_size for file in (alone.with_suffix("") / "clips").iterdir())
    seconds = WORKERS * MINUTE
    # A forgery costs what it adds to its real.
    beside = Cost(both.wall - located.wall, both.cpu - located.cpu, both.peak)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; {WORKERS} processes, a minute of 720p30 H.264 of about 4 Mbit/s for each")
    print(f"{'':29}{'x real time':>12}{'CPU-ms a second':>17}{'peak MB':>9}")
    for what, spent in (
        ("decode alone", decoded),
        ("prepare a real", located),
        ("prepare a forgery beside it", beside),
    ):
        print(f"{what:29}{seconds / spent.wall:12.1f}{1000 * spent.cpu / seconds:17.0f}{spent.peak:9.0f}")
    share, once = decoded.cpu / located.cpu, decoded.cpu / beside.cpu
    print(f"decoding is {share:.0%} of the work on a real, {once:.0%} of that on a forgery")
    print(f"load average at the end {os.getloadavg()[0]:.1f}")
    print(f"clips take {8 * size / seconds / 1e6:.2f} Mbit/s, landmarks included")


if __name__ == "__main__":
    main()

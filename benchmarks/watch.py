"""What watching costs: delay from picture to score in real time, and memory over a long video.

    python benchmarks/watch.py [--minutes 5]

The video is the sample woman at 720p, 30 fps, about 4 Mbit/s H.264, looped. Memory is read as the video goes by, fast.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from end_to_end import BASE_SECONDS, loop, make_clip
from facetell.detector import Detector
from facetell.engine import FAST_MODEL
from facetell.video.live import source_of
from facetell.watch.pump import Pump
from facetell.watch.run import Watcher


def megabytes() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch(detector: Detector, path: Path, fast: bool) -> tuple[Watcher, list[float], list[tuple[float, float]]]:
    """The state at the end, the delay of each score, and the memory at each moment of the video."""
    delays: list[float] = []
    memory: list[tuple[float, float]] = []

    def tell(event: dict[str, object]) -> None:
        if event["event"] == "clip":
            delays.append(float(str(event["delay"])))

    watcher = Watcher(detector, Pump(source_of(str(path)), fast=fast), 30.0, tell)
    try:
        watcher.run(lambda state: memory.append((state.at, megabytes())), fast)
    finally:
        watcher.close()
    return watcher, delays, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=5, help="of video for memory (default: 5)")
    args = parser.parse_args()
    detector = Detector(FAST_MODEL)
    with tempfile.TemporaryDirectory() as name:
        short, long = Path(name) / "short.mp4", Path(name) / "long.mp4"
        make_clip(short)
        loop(short, long, args.minutes * 60 // BASE_SECONDS)
        watcher, delays, _ = watch(detector, short, fast=False)
        dropped, share = watcher.dropped
        print(f"real time, {BASE_SECONDS} s: {len(delays)} scores, {dropped} frames dropped ({share:.1%})")
        print(f"score after the picture: median {statistics.median(delays):.2f} s, most {max(delays):.2f} s")
        _, _, memory = watch(detector, long, fast=True)
    for part in range(5):
        low, high = (args.minutes * 60 * edge / 5 for edge in (part, part + 1))
        most = max(m for at, m in memory if low <= at < high)
        print(f"memory in minute {low / 60:.1f} to {high / 60:.1f}: {most:.0f} MB")


if __name__ == "__main__":
    main()

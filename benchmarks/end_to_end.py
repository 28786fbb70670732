"""What detection costs, end to end, in one run: speed, CPU time by stage, memory, and time to the first score.

    python benchmarks/end_to_end.py [--model NAME|FILE]

The clip is made from the sample video of the woman: scaled to 720p, 30 fps, about 4 Mbit/s H.264, looped to one and to
ten minutes. Each measurement runs in a process of its own, so that peak memory is that of one video.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from facetell.assets import locate
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

BASE_SECONDS = 20


def make_clip(path: Path, seconds: int) -> None:
    """720p30 footage of ``seconds``; the sample is played over and over."""
    with VideoWriter(
        path, fps=30, width=1280, height=720, options={"b": "4000000", "preset": "veryfast", "threads": "2"}
    ) as out:
        written = 0
        while written < seconds * 30:
            with VideoReader(locate("sample_woman")) as reader:
                for raw in reader:
                    if written >= seconds * 30:
                        break
                    out.write(cv2.resize(raw.rgb(), (1280, 720), interpolation=cv2.INTER_LINEAR))
                    written += 1


def loop(source: Path, target: Path, times: int) -> None:
    """Join ``times`` copies of a video by copying its packets: long footage without long encoding."""
    import av

    with av.open(str(source)) as probe:
        stream = probe.streams.video[0]
        length = int(stream.duration or 0)
    with av.open(str(target), "w") as out:
        written = None
        for turn in range(times):
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                if written is None:
                    written = out.add_stream_from_template(stream)
                for packet in container.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts += turn * length
                    packet.dts += turn * length
                    packet.stream = written
                    out.mux(packet)


def measure(path: Path, model: str | None) -> dict[str, float]:
    """Score one video in this process; figures in seconds and MB."""
    born = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + _start_ticks() / os.sysconf("SC_CLK_TCK")
    from facetell.detector import Detector
    from facetell.faces.clips import ClipAssembler
    from facetell.faces.tracker import FaceTracker

    detector = Detector(model)
    loaded = time.time()
    first: list[float] = []
    spent = {"cpu_faces": 0.0, "cpu_crop": 0.0, "wall_model": 0.0}

    def timed(owner: Any, method: str, name: str, clock: Callable[[], float]) -> None:
        call = getattr(owner, method)

        def wrapped(*args: Any) -> Any:
            started = clock()
            result = call(*args)
            spent[name] += clock() - started
            if name == "wall_model":
                first.append(time.time())
            return result

        setattr(owner, method, wrapped)

    timed(FaceTracker, "update", "cpu_faces", time.thread_time)
    timed(ClipAssembler, "push", "cpu_crop", time.thread_time)
    timed(detector.engine, "score", "wall_model", time.perf_counter)
    cpu, wall = time.process_time(), time.perf_counter()
    verdict = detector(path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    duration = verdict.duration or 0.0
    return {
        "duration": duration,
        "clips": float(sum(len(track.clips) for track in verdict.tracks)),
        "start_to_loaded": loaded - born,
        "start_to_first_score": first[0] - born,
        "wall": wall,
        "speed": duration / wall,
        "cpu_total": cpu,
        **spent,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _start_ticks() -> int:
    """When this process was started, in clock ticks since boot."""
    return int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])


def decode_only(path: Path) -> float:
    """CPU seconds of reading all frames without looking at them."""
    cpu = time.process_time()
    with VideoReader(path) as reader:
        for _ in reader:
            pass
    return time.process_time() - cpu


def in_process(what: str, path: Path, model: str | None) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, str(path), *(["--model", model] if model else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "VIDEO"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        what, video = args.measure
        result = measure(Path(video), args.model) if what == "detect" else {"cpu": decode_only(Path(video))}
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "20s.mp4"
        make_clip(short, BASE_SECONDS)
        videos = {1: Path(folder) / "1min.mp4", 10: Path(folder) / "10min.mp4"}
        for minutes, path in videos.items():
            loop(short, path, minutes * 60 // BASE_SECONDS)
        decode = in_process("decode", videos[1], args.model)["cpu"]
        runs = {minutes: in_process("detect", path, args.model) for minutes, path in videos.items()}
    one = runs[1]
    per = 1000 / one["duration"]
    rest = one["cpu_total"] - decode - one["cpu_faces"] - one["cpu_crop"]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; 720p30 H.264 of about 4 Mbit/s, one clip a second")
    print(f"speed                  {one['speed']:.1f} x real time (1 min), {runs[10]['speed']:.1f} x (10 min)")
    print(
        f"CPU-ms a second of video  decode {decode * per:.0f}, faces {one['cpu_faces'] * per:.0f}, "
        f"crop {one['cpu_crop'] * per:.0f}, model, RGB and the rest {rest * per:.0f}"
    )
    print(f"model, wall            {1000 * one['wall_model'] / one['clips']:.1f} ms a clip")
    print(f"peak memory            {one['peak_mb']:.0f} MB (1 min), {runs[10]['peak_mb']:.0f} MB (10 min)")
    print(
        f"process start to       loaded {one['start_to_loaded']:.2f} s, first score {one['start_to_first_score']:.2f} s"
    )


if __name__ == "__main__":
    main()

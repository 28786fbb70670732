"""What detection costs, end to end, in one run: speed, CPU time by stage, memory, and time to the first score.

    python benchmarks/end_to_end.py [--quick] [--model NAME|FILE] [--bitrate MBIT]

Videos of one face (the sample woman) and of four (two of the woman, two of the man) in 720p, and of one in 1080p:
H.264, 30 fps, by default 4 and 9 Mbit/s; ten minutes long (with --quick, one), of one face also 20 s and one minute.
Decoding alone reads all frames of the same file with the same threads. Each measurement runs in a process of its own,
so that peak memory is that of one video. Speeds are those of an idle machine; CPU times also hold beside other load.
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
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from facetell.assets import locate
from facetell.types import UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

BASE_SECONDS, RATE = 20, 30
VIDEOS = {"one face, 720p": (1, 720), "four faces, 720p": (4, 720), "one face, 1080p": (1, 1080)}
ROWS = {
    "speed, x real time": ("speed", ".1f"),
    "decoding alone, x real time": ("decode_speed", ".1f"),
    "ratio of the two": ("ratio", ".2f"),
    "CPU-ms per second of video": ("cpu", ".0f"),
    "- decoding": ("cpu_decode", ".0f"),
    "- finding and following faces": ("cpu_faces", ".0f"),
    "- cropping": ("cpu_crop", ".0f"),
    "- model": ("cpu_model", ".0f"),
    "- RGB, checks of clips and the rest": ("cpu_rest", ".0f"),
    "- decoding alone": ("cpu_decode_only", ".0f"),
    "clips scored": ("clips", ".0f"),
    "model, CPU-ms per clip": ("clip_ms", ".0f"),
    "peak memory, MB": ("peak_mb", ".0f"),
    "- of the second half over the first": ("growth", ".1%"),
    "process start to loaded, s": ("loaded", ".2f"),
    "process start to first score, s": ("first_score", ".2f"),
}


def played(name: str) -> Iterator[UInt8Array]:
    """The frames of a sample, over and over."""
    while True:
        with VideoReader(locate(name)) as reader:
            yield from (raw.rgb() for raw in reader)


def make_clip(path: Path, faces: int = 1, height: int = 720, mbit: float = 4) -> None:
    """20 seconds of footage, ``mbit`` million bits per second of 720p; four faces are a mosaic of two by two."""
    width = height * 16 // 9
    count = {1: 1, 4: 2}[faces]
    part = width // count, height // count
    options = {"b": str(round(mbit * 1e6 * height**2 / 720**2)), "preset": "veryfast", "threads": "2"}
    people = [played(name) for name in ("sample_woman", "sample_man", "sample_man", "sample_woman")[:faces]]
    with VideoWriter(path, fps=RATE, width=width, height=height, options=options) as out:
        for images in islice(zip(*people, strict=True), BASE_SECONDS * RATE):
            scaled = [cv2.resize(image, part, interpolation=cv2.INTER_LINEAR) for image in images]
            rows = [np.hstack(scaled[row * count : (row + 1) * count]) for row in range(count)]
            out.write(np.vstack(rows).astype(np.uint8, copy=False))


def loop(source: Path, target: Path, times: int) -> None:
    """Join ``times`` copies of a video by copying its packets: long footage without long encoding."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream: Any = container.streams.video[0]
        written: Any = out.add_stream_from_template(stream)
        for turn in range(times):
            container.seek(0)
            for packet in container.demux(stream):
                if packet.dts is not None and packet.pts is not None:
                    packet.pts += turn * stream.duration
                    packet.dts += turn * stream.duration
                    packet.stream = written
                    out.mux(packet)


def measure(path: Path, model: str | None) -> dict[str, float]:
    """Score one video in this process; CPU times in milliseconds per second of video."""
    born = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + _start_ticks() / os.sysconf("SC_CLK_TCK")
    from facetell.detector import Detector
    from facetell.faces.clips import ClipAssembler
    from facetell.faces.tracker import FaceTracker

    detector = Detector(model)
    loaded = time.time()
    first: list[float] = []
    spent = {"cpu_faces": 0.0, "cpu_crop": 0.0, "model": 0.0}

    def timed(owner: Any, method: str, name: str) -> None:
        call: Callable[..., Any] = getattr(owner, method)

        def wrapped(*args: Any) -> Any:
            started = time.thread_time()
            result = call(*args)
            spent[name] += time.thread_time() - started
            if name == "model":
                first.append(time.time())
            return result

        setattr(owner, method, wrapped)

    timed(FaceTracker, "glance", "cpu_faces")
    timed(FaceTracker, "update", "cpu_faces")
    timed(ClipAssembler, "push", "cpu_crop")
    timed(detector.engine, "score", "model")
    peaks = [0, 0]  # pages of memory in use, by half of the video

    def progress(seconds: float, length: float | None) -> None:
        half = int(seconds > (length or 0.0) / 2)
        peaks[half] = max(peaks[half], int(Path("/proc/self/statm").read_text().split()[1]))

    cpu, main, wall = time.process_time(), time.thread_time(), time.perf_counter()
    verdict = detector(path, progress)
    cpu, main, wall = time.process_time() - cpu, time.thread_time() - main, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    duration, clips = verdict.duration or 0.0, sum(len(track.clips) for track in verdict.tracks)
    clip_ms = _clip_ms(detector) if clips else 0.0
    per = 1000 / duration
    model_ms = clip_ms * clips / duration
    return {
        "speed": duration / wall,
        "cpu": cpu * per,
        "cpu_decode": (cpu - main) * per - model_ms,
        "cpu_faces": spent["cpu_faces"] * per,
        "cpu_crop": spent["cpu_crop"] * per,
        "cpu_model": model_ms,
        "cpu_rest": (main - spent["cpu_faces"] - spent["cpu_crop"]) * per,
        "clips": float(clips),
        "clip_ms": clip_ms,
        "peak_mb": peak,
        "growth": peaks[1] / peaks[0] - 1,
        "loaded": loaded - born,
        "first_score": first[0] - born if first else float("nan"),
    }


def _clip_ms(detector: Any) -> float:
    """CPU time of all threads for one clip, alone: within a run it cannot be told from that of the decoder."""
    info = detector.engine.info
    clip = np.random.default_rng(0).integers(0, 255, (1, info.clip_frames, info.size, info.size, 3), np.uint8)
    started = time.process_time()
    for _ in range(5):
        detector.engine.score(clip)
    return (time.process_time() - started) * 200


def _start_ticks() -> int:
    """When this process was started, in clock ticks since boot."""
    return int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])


def decode_only(path: Path) -> dict[str, float]:
    """Read all frames without looking at them."""
    cpu, wall = time.process_time(), time.perf_counter()
    with VideoReader(path) as reader:
        for _ in reader:
            pass
        duration = reader.duration or 0.0
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"decode_speed": duration / wall, "cpu_decode_only": 1000 * cpu / duration}


def in_process(what: str, path: Path, model: str | None) -> dict[str, float]:
    """The figures of :func:`measure` or :func:`decode_only` in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, str(path), *(["--model", model] if model else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make the videos, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--quick", action="store_true", help="videos of at most one minute")
    parser.add_argument("--bitrate", type=float, default=4, help="million bits per second of 720p")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "VIDEO"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        what, video = args.measure
        print(json.dumps(measure(Path(video), args.model) if what == "detect" else decode_only(Path(video))))
        return
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        short, path = Path(folder) / "20s.mp4", Path(folder) / "looped.mp4"
        for name, (faces, height) in VIDEOS.items():
            make_clip(short, faces, height, args.bitrate)
            lengths = (60,) if args.quick else (600,)
            for seconds in (BASE_SECONDS, *sorted({60, *lengths})) if name == "one face, 720p" else lengths:
                loop(short, path, seconds // BASE_SECONDS)
                figures = in_process("decode", path, args.model) | in_process("detect", path, args.model)
                figures["ratio"] = figures["speed"] / figures["decode_speed"]
                columns[f"{name}, {seconds // 60} min" if seconds >= 60 else f"{name}, {seconds} s"] = figures
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; 30 fps H.264, "
        f"{args.bitrate:g} Mbit/s at 720p"
    )
    print(" " * 36 + "".join(f"{name:>26}" for name in columns))
    for row, (key, form) in ROWS.items():
        print(f"{row:<36}" + "".join(f"{figures[key]:>26{form}}" for figures in columns.values()))


if __name__ == "__main__":
    main()

"""Score seeded damaged files in a child process, and print what damage costs.

    python benchmarks/damage.py --count 2000 --log damage.jsonl

A sample clip is encoded as eight pairs of container and codec and damaged in eight ways. The table has, by pair:
tracebacks (exceptions that the detector raised, and crashes of its process), hangs, files that were scored, files with
destroyed frames among those of scored clips, and of these the silent ones, whose result has no warning. A frame is
destroyed if it differs from each one of the undamaged file by more than 20 grey levels in a sixth of the head. It ends
with an error after a traceback or hang, with more than one silent file (in a thousand), or less than half scored.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil

from facetell.assets import locate
from facetell.detector import Detector
from facetell.types import FloatArray
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

FORMATS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp4": ("mp4", "libx264", {"preset": "veryfast"}),
    "ts": ("ts", "libx264", {"preset": "veryfast", "g": "12"}),
    "flv": ("flv", "flv1", {"q": "4"}),
    "webm": ("webm", "libvpx", {"deadline": "realtime", "cpu-used": "8", "b": "400k"}),
    "mkv": ("mkv", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "avi": ("avi", "mpeg4", {"b": "600k"}),
    "mpg": ("mpg", "mpeg2video", {"b": "800k"}),
    "mov": ("mov", "mjpeg", {"b": "3M"}),
}
SIZE, FRAMES, RATE = (320, 180), 60, 25
HANG = 300.0  # seconds without an answer
HEAD = slice(15, 165), slice(85, 235)  # of the man in the sample: rows and columns
GREY, AREA, SIDE = 20.0, 1 / 6, 32

Damage = Callable[[bytearray, np.random.Generator], bytes]


def _truncated(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: int(len(data) * rng.uniform(0.1, 0.95))])


def _flipped(data: bytearray, rng: np.random.Generator) -> bytes:
    for at in rng.integers(0, len(data), rng.integers(1, 30)):
        data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _payload(data: bytearray, rng: np.random.Generator) -> bytes:
    """Random bytes in 1 to 8 places behind the headers."""
    for at in rng.integers(len(data) // 8, len(data) - 64, rng.integers(1, 9)):
        data[at : at + 64] = rng.bytes(64)
    return bytes(data)


def _zeroed(data: bytearray, rng: np.random.Generator) -> bytes:
    length = len(data)
    for at in rng.integers(length // 20, length - length // 50, rng.integers(1, 5)):
        part = int(rng.integers(16, length // 50))
        data[at : at + part] = bytes(part)
    return bytes(data)


def _swapped(data: bytearray, rng: np.random.Generator) -> bytes:
    part = max(16, len(data) // 100)
    one, two = (int(at) for at in rng.integers(0, len(data) - part, 2))
    data[one : one + part], data[two : two + part] = data[two : two + part], data[one : one + part]
    return bytes(data)


def _header(data: bytearray, rng: np.random.Generator) -> bytes:
    for at in rng.integers(0, 512, 2):
        data[at] = int(rng.integers(256))
    return bytes(data)


def _tail(data: bytearray, rng: np.random.Generator) -> bytes:
    data[-int(rng.integers(64, 4096)) :] = rng.bytes(64)
    return bytes(data)


def _wrong_suffix(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data)


KINDS: dict[str, Damage] = {
    "truncated": _truncated,
    "flipped": _flipped,
    "payload": _payload,
    "zeroed": _zeroed,
    "swapped": _swapped,
    "header": _header,
    "tail": _tail,
    "suffix": _wrong_suffix,
}


class Case(NamedTuple):
    """A damaged file, the pair that it was made from, and how it was damaged."""

    path: Path
    pair: str
    kind: str


def encoded(folder: Path) -> dict[str, Path]:
    """The undamaged file of each pair."""
    images = []
    with VideoReader(locate("sample_man")) as reader:
        images = [cv2.resize(frame.rgb(), SIZE, interpolation=cv2.INTER_AREA) for frame in reader][:FRAMES]
    paths = {}
    for pair, (suffix, codec, options) in FORMATS.items():
        paths[pair] = folder / f"whole-{pair}.{suffix}"
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        with VideoWriter(
            paths[pair], fps=RATE, width=SIZE[0], height=SIZE[1], codec=codec, pix_fmt=pixels, options=options
        ) as writer:
            for image in images:
                writer.write(np.asarray(image, np.uint8))
    return paths


def damaged(sources: dict[str, Path], folder: Path, count: int, seed: int = 0) -> Iterator[Case]:
    """``count`` damaged files in turn of pair and kind; each depends on the seed and its number alone."""
    pairs, kinds = list(FORMATS), list(KINDS)
    for number in range(count):
        pair, kind = pairs[number % len(pairs)], kinds[number // len(pairs) % len(kinds)]
        suffix = pairs[(number + 1) % len(pairs)] if kind == "suffix" else FORMATS[pair][0]
        path = folder / f"{number:04d}-{kind}-{pair}.{suffix}"
        data = bytearray(sources[pair].read_bytes())
        path.write_bytes(KINDS[kind](data, np.random.default_rng([seed, number])))
        yield Case(path, pair, kind)


def heads(path: Path) -> dict[float, FloatArray]:
    """The luma of the head in each frame by time, as it is stored: whatever size and orientation the header states."""
    found = {}
    with VideoReader(path, threads=1) as reader:
        for frame in reader:
            image = frame.decoded.reformat(*SIZE, format="gray").to_ndarray()[HEAD]
            found[frame.time] = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    return found


def destroyed(path: Path, whole: Path, clips: list[tuple[float, float]]) -> int:
    """Number of frames in scored clips, by their first and last times, that differ grossly from all undamaged ones."""
    known = np.stack(list(heads(whole).values()))
    images = heads(path).items() if clips else ()
    scored = [image for time, image in images if any(t0 - 1e-3 <= time <= t1 + 1e-3 for t0, t1 in clips)]
    return sum((np.abs(known - image) > GREY).mean(axis=(1, 2)).min() > AREA for image in scored)


def child() -> None:
    """Score the files that are named on standard input, one JSON line for each."""
    detector = Detector("facetell-fast")
    for line in sys.stdin:
        verdict = detector(Path(line.rstrip("\n")))
        clips = [(clip.t0, clip.t1) for track in verdict.tracks for clip in track.clips]
        answer = {"status": str(verdict.status), "warnings": verdict.warnings, "clips": clips}
        print(json.dumps(answer | {"rss": psutil.Process().memory_info().rss}), flush=True)


class Child:
    """A process that scores; a new one after a crash or a hang."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, path: Path) -> dict[str, Any] | str:
        """The answer for a file, "traceback" or "hang"."""
        if self._process is None:
            command = [sys.executable, __file__, "--child"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        with Alarm(self._process) as alarm:
            line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.close()
        return "hang" if alarm.rang else "traceback"

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None


class Alarm:
    """Kills a process after :data:`HANG` seconds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        import threading

        self.rang = False

        def ring() -> None:
            self.rang = True
            process.kill()

        self._timer = threading.Timer(HANG, ring)

    def __enter__(self) -> Alarm:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()


def run(count: int, seed: int, log: Path) -> list[dict[str, Any]]:
    """Score the files that ``log`` has no line of; the lines of all."""
    known = {line["number"]: line for line in map(json.loads, log.read_text().splitlines())} if log.exists() else {}
    score = Child()
    with tempfile.TemporaryDirectory() as name, log.open("a") as lines:
        sources = encoded(Path(name))
        for number, case in enumerate(damaged(sources, Path(name), count, seed)):
            if number not in known:
                known[number] = {"number": number, "pair": case.pair, "kind": case.kind} | _result(score, case, sources)
                print(json.dumps(known[number]), file=lines, flush=True)
            case.path.unlink()
    score.close()
    return [known[number] for number in sorted(known)]


def _result(score: Child, case: Case, sources: dict[str, Path]) -> dict[str, Any]:
    answer = score(case.path)
    if isinstance(answer, str):
        return {"status": answer, "destroyed": 0, "warned": True, "rss": 0}
    count = int(destroyed(case.path, sources[case.pair], answer["clips"]))
    warned = bool(answer["warnings"])
    return {"status": answer["status"], "destroyed": count, "warned": warned, "rss": answer["rss"]}


def growth(sizes: Sequence[int]) -> float:
    """Megabytes per 100 files by which the resident memory grows: the slope of a line, without the first tenth."""
    later = np.array(sizes[len(sizes) // 10 :]) / 1e6
    return float(np.polyfit(np.arange(len(later)), later, 1)[0]) * 100 if len(later) > 1 else 0.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="one JSON line per file; a run continues behind the last one")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child()
        return
    with tempfile.TemporaryDirectory() as folder:
        results = run(args.count, args.seed, args.log or Path(folder) / "log.jsonl")
    columns = ("traceback", "hang", "scored", "damaged", "unreadable")
    print(f"{'':12}" + "".join(f"{column:>11}" for column in ("files", *columns, "destroyed", "silent")))
    for pair in (*FORMATS, "all"):
        rows = [row for row in results if pair in (row["pair"], "all")]
        states = Counter(row["status"] for row in rows)
        bad = [row for row in rows if row["destroyed"]]
        counts = [len(rows), *(states[column] for column in columns), len(bad), sum(not row["warned"] for row in bad)]
        print(f"{pair:12}" + "".join(f"{number:11}" for number in counts))
    states = Counter(row["status"] for row in results)
    silent = sum(row["destroyed"] > 0 and not row["warned"] for row in results)
    print(f"memory grows by {growth([row['rss'] for row in results]):.2f} MB per 100 files")
    if (
        states["traceback"]
        or states["hang"]
        or silent > max(1, args.count // 1000)
        or 2 * states["scored"] < args.count
    ):
        raise SystemExit("a promise of docs/reliability.md is broken")


if __name__ == "__main__":
    main()

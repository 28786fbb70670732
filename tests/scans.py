"""A small corpus, and short ways to scan it, for the tests of ``scan``."""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil

from facetell.batch.run import Job, Outcome, Work
from facetell.batch.scan import scan
from facetell.batch.scan_results import FILES
from facetell.batch.scan_source import open_source
from facetell.batch.scan_work import score
from facetell.detector import Detector
from fixtures import BROKEN, sample_frames, write_frames

SCORED, NOISE = 8, 4
CONTENTS = SCORED + NOISE + 2
"""Eight faces, four without, two broken ones; two more videos are copies."""


def make_corpus(folder: Path) -> Path:
    """Videos of a third of a second in folders, some without a face, some broken, some the same as others."""
    face, rng = sample_frames("sample_man", 9)[:, :, 100:540], np.random.default_rng(0)
    (folder / "a" / "deep").mkdir(parents=True)
    (folder / "b").mkdir()
    for number in range(SCORED):
        write_frames(folder / "ab"[number % 2] / f"{number}.mp4", face[:, :, 4 * number : 360 + 4 * number])
    for number in range(NOISE):
        write_frames(folder / f"noise{number}.mp4", rng.integers(0, 255, (9, 64, 64, 3), np.uint8))
    BROKEN["text"](folder / "b")
    BROKEN["zero_bytes"](folder)
    shutil.copy(folder / "a" / "0.mp4", folder / "a" / "deep" / "copy of 0.mov")
    shutil.copy(folder / "b" / "text.mp4", folder / "text again.mkv")
    return folder


class Here:
    """An engine that works in this process with a loaded detector, and records which videos it scored."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.scored: list[str] = []

    def __call__(self, work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            self.scored.append(job.name)
            yield score(self.detector, job)

    def scan(self, source, out, **how):
        """Scan; the record begins empty."""
        self.scored = []
        return scan(open_source(str(source)), out, self.detector, engine=self, **how)


def results(out: Path) -> dict[str, bytes]:
    """The result files: all but the folder of work."""
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert sorted(files) == sorted(FILES)
    return files


def lines(path: Path) -> list[dict]:
    """The complete lines of a file of JSON; none if there is no file."""
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


def kill_reader(processes: Iterable[psutil.Process], path: Path) -> int:
    """Kill the first of the processes that has a file open; the number of killed ones."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if str(path) in [file.path for file in process.open_files()]:
                process.kill()
                process.wait(10)
                return 1
    return 0


def verdicts(out: Path) -> list[str]:
    """The contents of which the journal has a verdict, as often as it has one."""
    return [line["content"] for line in lines(out / "work" / "journal.jsonl") if "verdict" in line]

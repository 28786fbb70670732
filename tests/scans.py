"""A small corpus, and short ways to scan it, for the tests of ``scan``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from facetell.detector import Detector
from facetell.scan.results import FILES
from facetell.scan.run import scan
from facetell.scan.source import Item, open_source
from facetell.scan.work import Outcome, read_item, score
from fixtures import BROKEN, FAST, sample_frames, write_frames

SCORED, NOISE = 8, 4
VIDEOS = SCORED + NOISE + 4
"""Eight faces, four without, two broken ones, two copies."""
CONTENTS = VIDEOS - 2


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
    """Scores in this very process, which is quicker for a few videos than to start others; notes what it scored."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.read: list[str] = []
        self.scored: list[str] = []

    def contents(self, items: Iterable[Item]) -> Iterator[Outcome]:
        for item in items:
            self.read.append(item.name)
            yield read_item(item)

    def verdicts(self, items: Iterable[Item]) -> Iterator[Outcome]:
        for item in items:
            self.scored.append(item.name)
            yield score(self.detector, item)

    def scan(self, source, out, **how):
        """Scan anew: what was noted before is forgotten."""
        self.read, self.scored = [], []
        return scan(open_source(str(source)), out, self.detector, make_engine=lambda *about: self, **how)


def results(out: Path) -> dict[str, bytes]:
    """The result files: all but the log of runs and the folder of work."""
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file() and path.name != "runs.jsonl"}
    assert sorted(files) == sorted(FILES)
    return files


def lines(path: Path) -> list[dict]:
    """The whole lines of a file of JSON."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def verdicts(out: Path) -> list[str]:
    """The contents on which the journal says something, as often as it does."""
    return [line["content"] for line in lines(out / "work" / "journal.jsonl") if "verdict" in line]


def start(source, out, *more, **how) -> subprocess.Popen:
    """A scan in a process of its own."""
    words = [sys.executable, "-m", "facetell", "scan", source, "--model", FAST, "--out", out, *more]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([str(word) for word in words], start_new_session=True, **quiet | how)

"""Killed at any moment and resumed, a run ends in the same bytes; what ends a process costs one video."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil
import pytest

from facetell.batch.run import LOST
from facetell.batch.scan import JOURNAL, WORK
from facetell.cli import main
from fixtures import FAST, SECONDS, chance, content, wait_for
from scans import kill_reader, lines

KILLS, MORE_KILLS = 2, 30


@dataclass(frozen=True)
class Verb:
    """How a command is run and where its results and its journal are; ``last`` is the file that is written last."""

    name: str
    out: str
    journal: str
    last: str
    options: tuple = ()

    def words(self, folder, source, workers):
        source = source.with_suffix(".txt") if self.name == "scan" else source
        return [self.name, source, "--out", folder / self.out, "--workers", workers, *self.options]

    def run(self, folder, source, workers=1):
        return main([str(word) for word in self.words(folder, source, workers)])

    def start(self, folder, source, workers, errors=subprocess.DEVNULL, **how):
        words = [sys.executable, "-m", "facetell", *self.words(folder, source, workers)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": errors}
        return subprocess.Popen([str(word) for word in words], start_new_session=True, **pipes, **how)

    def lines(self, folder):
        return lines(folder / self.journal)

    def content(self, folder):
        return {name: text for name, text in content(folder).items() if f"{WORK}/" not in name}


VERBS = {
    "scan": Verb("scan", "out", f"out/{WORK}/{JOURNAL}", "out/about.json", ("--model", FAST)),
    "score": Verb("score", "s.parquet", "s.parquet.partial/journal.jsonl", "s.parquet", ("--model", FAST)),
    "prepare": Verb("prepare", "out", "out/ledger.jsonl", "out/manifest.csv"),
}


@pytest.fixture(params=VERBS.values(), ids=VERBS)
def verb(request):
    return request.param


@pytest.fixture(scope="session")
def manifest(corpus, tmp_path_factory):
    """Ten videos of a third of a second: faces (two forgeries of the first), noise, a broken file; also as a list."""
    names = [f"{'ab'[n % 2]}/{n}.mp4" for n in range(6)] + ["noise0.mp4", "noise1.mp4", "b/text.mp4", "a/6.mp4"]
    videos, path = [str(corpus / name) for name in names], tmp_path_factory.mktemp("manifest") / "m.csv"
    path.with_suffix(".txt").write_text("\n".join(videos))
    rows = [f"{video},{int(n in (1, 2))},test,{videos[0] if n in (1, 2) else ''}" for n, video in enumerate(videos)]
    path.write_text("\n".join(["path,label,split,source", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def expected(manifest, tmp_path_factory):
    found = {}
    for name, verb in VERBS.items():
        folder = tmp_path_factory.mktemp(name)
        assert verb.run(folder, manifest) == 2, "one video cannot be read"
        found[name] = verb.content(folder)
    return found


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("kills", [KILLS, pytest.param(MORE_KILLS, marks=pytest.mark.slow)])
def test_killed_at_random_moments_a_run_ends_in_the_same_files(kills, verb, manifest, expected, tmp_path):
    rng, kept = chance(), []
    for kill in range(kills):
        process = verb.start(tmp_path, manifest, 2 if kill % 3 == 1 else 1)
        # Most kills fall while videos are processed, one in five while the run is being set up.
        more = int(rng.integers(1, 3)) if kill % 5 else 0
        wait_for(lambda: process.poll() is not None or len(verb.lines(tmp_path)) >= len(kept) + more)  # noqa: B023
        time.sleep(rng.uniform(0, 0.1 if more else 1.0))
        end(process)
        if (tmp_path / verb.last).exists():  # complete before it was killed: once more from the start
            assert verb.run(tmp_path, manifest) == 2 and verb.content(tmp_path) == expected[verb.name]
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
            kept = []
            continue
        found = [json.dumps(line) for line in verb.lines(tmp_path)]
        assert {*kept} <= {*found} and len(found) == len({*found}), "a result was lost, or is there twice"
        kept = found
    assert verb.run(tmp_path, manifest) == 2
    assert verb.content(tmp_path) == expected[verb.name]


def test_a_video_that_ends_every_process_costs_no_other_video(manifest, expected, woman, tmp_path):
    """As a crash of a decoder or too little memory: whichever process has the video open is killed."""
    verb, deadly, source = VERBS["scan"], tmp_path / "deadly.mp4", tmp_path / "list.txt"
    shutil.copy(woman, deadly)
    source.write_text(f"{manifest.with_suffix('.txt').read_text()}\n{deadly}")
    killed, process = 0, verb.start(tmp_path, source, 2)
    try:
        while process.poll() is None:
            killed += kill_reader(psutil.Process(process.pid).children(), deadly)
            time.sleep(0.05)  # far less than reading the video takes; looking at open files is slow
    finally:
        end(process)
    assert process.returncode == 2 and killed == 2, "once beside others, once alone"
    *others, last = lines(tmp_path / "out" / "results.jsonl")
    assert LOST in last["message"]
    assert others == [json.loads(line) for line in expected["scan"]["out/results.jsonl"].splitlines()]


@pytest.mark.parametrize(("name", "limit"), [("scan", 2_000), ("score", 1_000), ("prepare", 30_000)])
def test_a_full_disk_ends_the_run_with_a_message_and_no_video_is_faulty(name, limit, manifest, expected, tmp_path):
    verb = VERBS[name]
    with (tmp_path / "errors").open("w") as errors:
        full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}
        assert verb.start(tmp_path, manifest, 1, errors, **full).wait(timeout=SECONDS) == 1
    (message,) = (tmp_path / "errors").read_text().splitlines()
    (tmp_path / "errors").unlink()
    assert "cannot be written (File too large)" in message and str(tmp_path / verb.out) in message
    assert "run the same command again" in message and not (tmp_path / verb.last).exists()
    assert verb.run(tmp_path, manifest) == 2 and verb.content(tmp_path) == expected[name]


def test_an_output_folder_that_goes_away_ends_the_run_with_a_message(verb, manifest, expected, tmp_path):
    """A drive that is unplugged, or a lost permission, and later is there again: what was finished stays valid."""
    (disk := tmp_path / "disk").mkdir()
    process = verb.start(disk, manifest, 1, subprocess.PIPE, text=True)
    wait_for(lambda: verb.lines(disk) or process.poll() is not None)
    disk.rename(tmp_path / "away")
    disk.touch()
    *_, message = process.communicate(timeout=SECONDS)[1].splitlines()  # the others are about videos
    assert process.returncode == 1 and message.startswith("facetell") and "cannot" in message and str(disk) in message
    disk.unlink()
    (tmp_path / "away").rename(disk)
    assert verb.lines(disk), "no result was lost"
    assert verb.run(disk, manifest) == 2 and verb.content(disk) == expected[verb.name]

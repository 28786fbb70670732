"""Killed at any moment and taken up again, a run ends in the same file, and nothing is scored twice."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from facetell.cli import main
from fixtures import FAST, sample_frames, write_frames

VIDEOS, KILLS, MORE_KILLS = 12, 2, 40
SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Twelve videos of a third of a second, a face and noise by turns."""
    folder = tmp_path_factory.mktemp("tiny")
    face, rng = sample_frames("sample_man", 9)[:, :, 100:540], np.random.default_rng(0)
    rows = ["path,label,split"]
    for number in range(VIDEOS):
        frames = (
            rng.integers(0, 255, (9, 64, 64, 3), np.uint8) if number % 3 == 2 else face[:, :, number : 360 + number]
        )
        write_frames(folder / f"{number}.mp4", frames)
        rows.append(f"{number}.mp4,{number % 2},test")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def unfinished(manifest, woman):
    """A video of a third of a second, then some that take far longer than a test needs to see the first result."""
    path = manifest.with_name("unfinished.csv")
    for number in range(3):
        (path.parent / f"long{number}.mp4").symlink_to(woman)
    path.write_text("path,label,split\n0.mp4,0,test\n" + "".join(f"long{number}.mp4,1,test\n" for number in range(3)))
    return path


def start(manifest, out, workers, errors=subprocess.DEVNULL):
    command = [
        sys.executable,
        "-m",
        "facetell",
        "score",
        manifest,
        "--out",
        out,
        "--model",
        FAST,
        "--workers",
        workers,
    ]
    return subprocess.Popen([str(word) for word in command], start_new_session=True, stderr=errors)


def results(out):
    """The results that a run has put down so far: name, content, time of writing."""
    found = {}
    for path in Path(f"{out}.partial").glob("0*.json"):
        with contextlib.suppress(FileNotFoundError):  # a run that ends meanwhile takes them away
            found[path.name] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def kill_many_times(manifest, tmp_path, kills):
    assert (
        main(["score", str(manifest), "--model", FAST, "--out", str(tmp_path / "whole.parquet"), "--workers", "1"]) == 0
    )
    out, rng = tmp_path / "killed.parquet", np.random.default_rng()
    whole, kept = (tmp_path / "whole.parquet").read_bytes(), {}
    for kill in range(kills):
        process = start(manifest, out, 2 if kill % 3 == 1 else 1)
        # Most kills fall while videos are scored, one in five while the run is being set up.
        more = rng.integers(1, 3) if kill % 5 else 0
        wait_until(lambda: process.poll() is not None or len(results(out)) >= len(kept) + more)  # noqa: B023
        time.sleep(rng.uniform(0, 0.1 if more else 0.8))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if out.exists():  # done before it could be killed: once more from the start
            assert out.read_bytes() == whole
            shutil.rmtree(f"{out}.partial", ignore_errors=True)
            out.unlink()
            kept = {}
            continue
        now = results(out)
        assert all(now[name] == content for name, content in kept.items()), "a result was lost or made again"
        kept = now
    assert main(["score", str(manifest), "--model", FAST, "--out", str(out), "--workers", "1"]) == 0
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["killed.parquet", "whole.parquet"]


def test_killed_at_random_moments_a_run_ends_in_the_same_file(manifest, tmp_path):
    kill_many_times(manifest, tmp_path, KILLS)


@pytest.mark.slow
def test_killed_many_times_a_run_ends_in_the_same_file(manifest, tmp_path):
    kill_many_times(manifest, tmp_path, MORE_KILLS)


def test_processes_end_with_the_one_that_started_them(unfinished, tmp_path):
    out = tmp_path / "s.parquet"
    process = start(unfinished, out, 2)
    try:
        wait_until(lambda: results(out))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        process.kill()
        process.wait()
        psutil.wait_procs(workers, timeout=SECONDS)
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_interrupted_by_the_keyboard_it_ends_and_keeps_its_results(unfinished, tmp_path):
    out = tmp_path / "s.parquet"
    process = start(unfinished, out, 2)
    wait_until(lambda: results(out))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=SECONDS) == 130
    assert not out.exists() and 1 <= len(results(out)) < 4


def test_a_process_that_is_ended_from_outside_ends_the_run_with_a_sentence(unfinished, tmp_path):
    out = tmp_path / "s.parquet"
    with (tmp_path / "stderr").open("w") as errors:
        process = start(unfinished, out, 2, errors)
        wait_until(lambda: results(out))
        worker = next(
            child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())
        )
        worker.kill()
        assert process.wait(timeout=SECONDS) == 2
    (sentence,) = (tmp_path / "stderr").read_text().splitlines()
    assert "run the same command again" in sentence and ".mp4" in sentence
    assert results(out) and not out.exists()

"""Killed at any moment and taken up again, a run ends in the same folder; a process that dies takes nobody along."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import psutil
import pytest

from facetell.assets import locate
from facetell.datasets.manifest import Entry, Manifest
from facetell.datasets.prepare import prepare
from prepare_videos import content, man, manifest_of, noise, recoloured, write_frames

GROUPS, KILLS, MORE_KILLS = 8, 2, 100
SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Eight pairs of a third of a second; every fourth shows nobody, one file is broken."""
    root = tmp_path_factory.mktemp("tiny")
    face = man(10)
    entries = []
    for number in range(GROUPS):
        frames = noise() if number % 4 == 3 else np.stack([cv2.resize(f[:, number:], (160, 160)) for f in face])
        write_frames(root / f"{number}.mp4", frames)
        write_frames(root / f"{number}-forged.mp4", recoloured(frames))
        entries.append(Entry(f"{number}.mp4", 0, "test"))
        entries.append(Entry(f"{number}-forged.mp4", 1, "test", source=f"{number}.mp4"))
    (root / "5-forged.mp4").write_text("broken")
    return manifest_of(root, *entries)


@pytest.fixture(scope="module")
def whole(videos, tmp_path_factory):
    """What an uninterrupted run leaves."""
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare(videos, out)
    return content(out)


@pytest.fixture
def with_long(videos, tmp_path):
    """The same videos, but for the fifth pair, which takes far longer than the others."""
    root = tmp_path / "videos"
    root.mkdir()
    for path in videos.root.iterdir():
        (root / path.name).symlink_to(locate("sample_woman") if path.name.startswith("4") else path)
    return Manifest(root, videos.entries)


def start(videos, out, workers=1, errors=subprocess.DEVNULL):
    command = [sys.executable, "-m", "facetell", "prepare", videos.root / "manifest.csv", "--out", out]
    words = [str(word) for word in (*command, "--workers", workers)]
    return subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=errors)


def finished(videos, out):
    """Let a run go on to its end."""
    return start(videos, out).wait(timeout=SECONDS)


def lines_of(out):
    """The whole lines of the ledger so far."""
    with contextlib.suppress(FileNotFoundError):
        return (out / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    return []


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.003)


def kill_many_times(videos, out, whole, kills):
    rng = np.random.default_rng()
    kept = []
    for kill in range(kills):
        process = start(videos, out, 2 if kill % 3 == 1 else 1)
        # Most kills fall while videos are cut, one in five while the run is being set up.
        more = int(rng.integers(1, 3)) if kill % 5 else 0
        wait_until(lambda: process.poll() is not None or len(lines_of(out)) >= len(kept) + more)  # noqa: B023
        time.sleep(rng.uniform(0, 0.15 if more else 1.0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if (out / "manifest.csv").exists():  # done before it could be killed: once more from the start
            assert finished(videos, out) == 2 and content(out) == whole
            shutil.rmtree(out)
            kept = []
            continue
        lines = lines_of(out)
        rows = [json.loads(line)["row"] for line in lines if line.endswith(b"\n")]
        # The order is that of the work until all is done, then that of the manifest.
        assert set(kept) <= set(lines) and len(rows) == len(set(rows)), "a line was lost or written again"
        for line in (json.loads(line) for line in lines if line.endswith(b"\n")):
            for clip in line["clips"]:  # what is said to be done lies there whole
                for name in (clip["path"], clip["path"].replace(".mp4", ".npz")):
                    assert (out / name).read_bytes() == whole[name]
        kept = [line for line in lines if line.endswith(b"\n")]
    assert finished(videos, out) == 2  # some videos give no clip
    assert content(out) == whole


def test_killed_at_random_moments_a_run_ends_in_the_same_folder(videos, whole, tmp_path):
    kill_many_times(videos, tmp_path / "out", whole, KILLS)


@pytest.mark.slow
def test_killed_a_hundred_times_a_run_ends_in_the_same_folder(videos, whole, tmp_path):
    kill_many_times(videos, tmp_path / "out", whole, MORE_KILLS)


def test_a_video_that_ends_every_process_is_told_of_and_the_rest_is_done(videos, with_long, whole, tmp_path):
    """As a decoder's fault or want of memory would: whichever process takes up the fifth pair is killed."""
    out, marked = tmp_path / "out", tmp_path / "out" / ".work" / "0000008"
    process = start(with_long, out, 2)
    try:
        while process.poll() is None:
            if marked.exists():
                for child in psutil.Process(process.pid).children():
                    with contextlib.suppress(psutil.Error):
                        if "spawn_main" in " ".join(child.cmdline()):
                            child.kill()
                            child.wait(10)
                shutil.rmtree(marked, ignore_errors=True)
            time.sleep(0.01)
        assert process.returncode == 2
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    moved = str(with_long.root).encode(), str(videos.root).encode()
    ledger = [json.loads(line.replace(*moved)) for line in lines_of(out)]
    assert [line["row"] for line in ledger] == list(range(2 * GROUPS))
    assert all("its process was ended from outside" in ledger[row]["reason"] for row in (8, 9))
    expected = [json.loads(line) for line in whole["ledger.jsonl"].splitlines()]
    assert [line for line in ledger if line["row"] not in (8, 9)] == [
        line for line in expected if line["row"] not in (8, 9)
    ]


@pytest.mark.slow
def test_a_process_that_is_killed_once_costs_nothing(videos, whole, tmp_path):
    out = tmp_path / "out"
    process = start(videos, out, 2)
    wait_until(lambda: len(lines_of(out)) >= 2)
    children = psutil.Process(process.pid).children()
    next(child for child in children if "spawn_main" in " ".join(child.cmdline())).kill()
    assert process.wait(timeout=SECONDS) == 2
    assert content(out) == whole


def test_interrupted_by_the_keyboard_it_ends_and_keeps_what_is_done(with_long, tmp_path):
    out = tmp_path / "out"
    with (tmp_path / "stderr").open("w") as errors:
        process = start(with_long, out, 2, errors)
        wait_until(lambda: lines_of(out))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=SECONDS) == 130
    assert (tmp_path / "stderr").read_text() == "facetell prepare: interrupted\n"
    assert 1 <= len(lines_of(out)) < 2 * GROUPS and not (out / "manifest.csv").exists()

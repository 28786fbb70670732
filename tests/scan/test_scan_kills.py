"""Killed at any moment and taken up again, a scan ends in the same bytes; what dies takes nobody along."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from facetell.scan.local import Local
from facetell.scan.results import FILES
from facetell.scan.run import scan
from facetell.scan.source import open_source
from fixtures import FAST
from scans import CONTENTS, lines, results, start, verdicts

KILLS, MORE_KILLS = 2, 25
SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long


def journal_of(out):
    path = out / "work" / "journal.jsonl"
    return path.read_bytes() if path.exists() else b""


def whole_lines(content):
    return content[: content.rfind(b"\n") + 1]


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.003)


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_many_times(corpus, out, whole, kills):
    rng = np.random.default_rng()
    kept, expected = b"", results(whole)
    for kill in range(kills):
        process = start(corpus, out, "--workers", 2 if kill % 3 == 1 else 1)
        # Most kills fall while videos are scored, one in five while the run is being set up.
        more = 0 if kill % 5 == 0 else int(rng.integers(1, 4))
        wait_until(lambda: process.poll() is not None or journal_of(out).count(b"\n") >= kept.count(b"\n") + more)  # noqa: B023
        time.sleep(rng.uniform(0, 0.1 if more else 1.5))
        end(process)
        now = whole_lines(journal_of(out))
        assert now.startswith(kept), "a line was lost or changed"
        kept = now
        if all((out / name).exists() for name in FILES):  # done before it could be killed: once more from the start
            assert results(out) == expected and len(verdicts(out)) == CONTENTS
            shutil.rmtree(out)
            kept = b""
            continue
        found = verdicts(out) if kept else []
        assert len(found) == len({*found}), "something was scored twice"
    assert start(corpus, out, "--workers", 1).wait(timeout=SECONDS) == 2  # some videos cannot be read
    assert results(out) == expected and journal_of(out).startswith(kept)
    assert len(verdicts(out)) == CONTENTS == len({*verdicts(out)})


def test_killed_at_random_moments_a_scan_ends_in_the_same_files(corpus, whole, tmp_path):
    kill_many_times(corpus, tmp_path / "out", whole, KILLS)


@pytest.mark.slow
def test_killed_many_times_a_scan_ends_in_the_same_files(corpus, whole, tmp_path):
    kill_many_times(corpus, tmp_path / "out", whole, MORE_KILLS)


def test_a_video_that_ends_every_process_is_told_of_and_the_rest_is_done(corpus, whole, woman, tmp_path):
    """As a decoder's fault or want of memory would: whichever process has the video open is killed."""
    videos, out = shutil.copytree(corpus, tmp_path / "videos"), tmp_path / "out"
    deadly = videos / "b" / "deadly.mp4"
    shutil.copy(woman, deadly)
    process = start(videos, out, "--workers", 2)
    killed = 0
    try:
        while process.poll() is None:
            for child in psutil.Process(process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if "spawn_main" in " ".join(child.cmdline()) and str(deadly) in [
                        f.path for f in child.open_files()
                    ]:
                        child.kill()
                        child.wait(10)
                        killed += 1
            time.sleep(0.05)  # far less than reading the video takes; looking at open files is slow
        assert process.returncode == 2 and killed == 2, "once in company, once alone"
    finally:
        end(process)
    found = {line["path"]: line for line in lines(out / "results.jsonl")}
    assert "every process that read it was ended from outside" in found.pop("b/deadly.mp4")["message"]
    assert [*found.values()] == lines(whole / "results.jsonl")
    assert len(verdicts(out)) == CONTENTS + 1, "it is in the journal as well, and not tried again unasked"


def test_a_video_that_is_never_read_to_its_end_is_told_of_and_the_rest_is_done(corpus, whole, single, tmp_path):
    """A picture that never comes, as where a decoder hangs: nobody writes to the pipe."""
    still = tmp_path / "still"
    still.mkdir()
    os.mkfifo(still / "0.png")
    names = sorted(str(path) for path in corpus.rglob("*.mp4") if path.stat().st_size)
    (tmp_path / "list").write_text("\n".join([*names[:2], str(still), *names[2:]]))

    def engine(model, settings, provenance):
        return Local(model, settings, 2, silent=8.0)

    scan(open_source(str(tmp_path / "list")), tmp_path / "out", single, make_engine=engine)
    found = {line["path"]: line for line in lines(tmp_path / "out" / "results.jsonl")}
    assert "every process that read it was ended from outside or stood still" in found.pop(str(still))["message"]
    scored = {line["sha256"]: line["tracks"] for line in lines(whole / "results.jsonl")}
    assert len(found) == len(names) and all(line["tracks"] == scored[line["sha256"]] for line in found.values())


@pytest.mark.slow
def test_where_every_process_dies_the_scan_ends_with_a_sentence(corpus, tmp_path):
    with (tmp_path / "errors").open("w") as errors:
        process = start(corpus, tmp_path / "out", "--workers", 2, stderr=errors)
        try:
            while process.poll() is None:
                for child in psutil.Process(process.pid).children():
                    with contextlib.suppress(psutil.Error):
                        if "spawn_main" in " ".join(child.cmdline()):
                            child.kill()
                time.sleep(0.02)
        finally:
            end(process)
    assert process.returncode == 2
    (sentence,) = (tmp_path / "errors").read_text().splitlines()
    assert "at 4 videos in a row" in sentence and "run the same command again" in sentence


def test_interrupted_by_the_keyboard_it_ends_and_leaves_no_process(corpus, woman, tmp_path):
    """The list begins with a short video; the others take far longer than the test needs to look at its verdict."""
    out, videos = tmp_path / "out", tmp_path / "list"
    long = [shutil.copyfile(woman, tmp_path / f"{number}.mp4") for number in range(3)]
    for number, path in enumerate(long):  # contents that differ
        with path.open("ab") as stream:
            stream.write(bytes(8 * (number + 1)))
    videos.write_text("\n".join(map(str, [corpus / "a" / "0.mp4", *long])))
    with (tmp_path / "errors").open("w") as errors:
        process = start(videos, out, "--workers", 2, stderr=errors)
        wait_until(lambda: verdicts(out) if journal_of(out) else process.poll() is not None)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=SECONDS) == 130
    assert (tmp_path / "errors").read_text() == "facetell scan: interrupted\n"
    psutil.wait_procs(children, timeout=SECONDS)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not (out / "results.jsonl").exists() and 1 <= len(verdicts(out)) < 4


@pytest.mark.parametrize("room", [2_000, 9_000])
def test_a_full_disk_ends_the_scan_with_a_sentence_and_blames_no_video(corpus, whole, here, tmp_path, room):
    """With room for some verdicts only; with room for all of them, but not for the results."""
    out = tmp_path / "out"
    if room > 5_000:
        shutil.copytree(whole / "work", out / "work")
    done = subprocess.run(
        [sys.executable, "-m", "facetell", "scan", corpus, "--model", FAST, "--out", out, "--workers", "1"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    (sentence,) = done.stderr.splitlines()
    assert str(out) in sentence and "cannot be written (File too large)" in sentence
    assert "run the same command again" in sentence
    assert sorted(path.name for path in out.iterdir()) == ["work"], "no half a result"
    here.scan(corpus, out)
    assert results(out) == results(whole) and len(verdicts(out)) == CONTENTS

"""Server or worker killed at any moment: no job is lost, none is done twice, and the others go on."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from serving import SECONDS, Server, short_video, wait_for

from facetell.serve import process
from facetell.serve.models import Limits, Refused
from facetell.serve.process import Inspector
from facetell.serve.store import REPORTS
from fixtures import chance


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_random_moments_no_job_is_lost_or_done_twice(tmp_path, kills):
    """Uploads go on all the while; each client repeats its upload until it has an answer."""
    rng = chance()
    videos = [short_video(tmp_path, f"{first}.mp4", first=7 * first) for first in range(4)]
    server, stop, answered = Server(tmp_path / "data"), threading.Event(), {}

    def client(name):
        number = 0
        while not stop.is_set():
            key, content = f"{name}-{number}", videos[number % len(videos)].read_bytes()
            try:
                form = {"files": {"file": (key, content)}, "headers": {"Idempotency-Key": key}}
                answer = httpx.post(f"{server.url}/v1/jobs", timeout=SECONDS, **form)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code in (200, 201, 429), answer.text
            if answer.status_code != 429:
                answered[key] = answer.json()["id"]
                number += 1
            time.sleep(rng.uniform(0.2, 0.6))

    with server, ThreadPoolExecutor(2) as pool:
        clients = pool.map(client, ("a", "b"))
        try:
            for _ in range(kills):
                before = len(answered)
                wait_for(lambda: len(answered) > before)  # noqa: B023
                time.sleep(rng.uniform(0, 1))
                server.kill()
                server.start()
        finally:
            stop.set()
        assert list(clients) == [None, None]
        wait_for(lambda: all(f'facetell_jobs{{state="{s}"}} 0.0' in server.metrics() for s in ("queued", "running")))
        jobs = server.jobs()
        names = {job["name"]: job["id"] for job in jobs}
        assert len(answered) >= kills and names | answered == names, "a job was lost"
        assert len(names) == len(jobs), "a video was accepted twice"
        assert [job["state"] for job in jobs] == ["done"] * len(jobs)
        expected = {f"jobs/{job['id']}/{name}" for job in jobs for name in ("result.json", *REPORTS.values())}
        wait_for(lambda: server.files() == expected)


def test_a_video_that_kills_its_worker_three_times_fails_alone(tmp_path, woman, short):
    with Server(tmp_path / "data") as server:
        job, other = server.upload(woman).json(), server.upload(short).json()
        for _ in range(3):  # crashed jobs come last, so that the others do not wait for them
            server.ended(job["id"], "running")
            for process in server.workers():
                process.kill()
            server.ended(job["id"], "queued", "failed")
        ended = server.job(job["id"])
        assert ended["state"] == "failed" and ended["message"].startswith("its process ended 3 times")
        assert server.ended(other["id"])["state"] == "done"
        assert server.ended(server.upload(short).json()["id"])["state"] == "done"
        assert "facetell_worker_crashes_total 3.0" in server.metrics()
        assert not any(name.endswith("video") for name in server.files())


def test_stopped_by_a_signal_to_all_its_processes_it_resumes_the_job(tmp_path, woman):
    server = Server(tmp_path / "data")
    job = server.upload(woman).json()
    server.ended(job["id"], "running")
    for worker in server.workers():
        worker.terminate()  # as a service manager does
    with httpx.stream("GET", f"{server.url}/v1/events"):  # an open stream does not delay the stop
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    server.start()
    with server:
        assert server.ended(job["id"])["state"] == "done"
        assert "the server was killed" not in server.log.read_text() and "its worker" not in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_its_processes_end_with_it_and_ctrl_c_prints_no_traceback(tmp_path, number):
    server = Server(tmp_path / "data")
    workers = server.workers()
    assert len(workers) == 2  # one scores, one checks uploads
    if number == signal.SIGINT:
        os.killpg(server.process.pid, number)
        assert server.process.wait(SECONDS) == 0
        assert "Traceback" not in server.log.read_text()
    server.kill()
    _, alive = psutil.wait_procs(workers, timeout=SECONDS)
    assert alive == []


def test_a_file_that_makes_the_inspector_hang_or_crash_is_refused(man, monkeypatch):
    inspector = Inspector(Limits())
    try:
        assert (inspector(man).width, inspector(man).height) == (640, 360)
        os.kill(inspector.start().process.pid, signal.SIGSTOP)
        with monkeypatch.context() as patch, pytest.raises(Refused, match="takes over 1 s"):
            patch.setattr(process, "SECONDS", 1.0)
            inspector(man)
        pid = inspector.start().process.pid
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
        with monkeypatch.context() as patch, pytest.raises(Refused, match="crashed the decoder"):
            patch.setattr(process, "SECONDS", SECONDS)
            inspector(man)
        assert inspector(man).duration == 2.4
    finally:
        inspector.close()

"""Killed at any moment, server or worker: nothing is lost, nothing is done twice, nobody else is taken along."""

import json
import os
import signal
import threading
import time

import httpx
import numpy as np
import psutil
import pytest
from serving import SECONDS, Server, short_video, wait_for

from facetell.serve import inspect
from facetell.serve.faults import Refused
from facetell.serve.inspect import Inspector
from facetell.serve.settings import Limits

KILLS, MORE_KILLS = 2, 25


def kill_many_times(tmp_path, kills):
    """Uploads go on all the while; each client repeats its upload until it has an answer."""
    rng = np.random.default_rng()
    videos = [short_video(tmp_path, f"{first}.mp4", first=7 * first) for first in range(4)]
    server, stop, answered = Server(tmp_path / "data"), threading.Event(), {}

    def client(name):
        number = 0
        while not stop.is_set():
            key, video = f"{name}-{number}", videos[number % len(videos)]
            try:
                url, content = server.url, video.read_bytes()
                answer = httpx.post(
                    f"{url}/v1/jobs", files={"file": (key, content)}, headers={"Idempotency-Key": key}, timeout=SECONDS
                )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code in (200, 201, 429), answer.text
            if answer.status_code != 429:
                answered[key] = answer.json()["id"]
                number += 1
            time.sleep(rng.uniform(0.2, 0.6))

    clients = [threading.Thread(target=client, args=(name,)) for name in ("a", "b")]
    for thread in clients:
        thread.start()
    try:
        for _ in range(kills):
            before = len(answered)
            wait_for(lambda: len(answered) > before)  # noqa: B023
            time.sleep(rng.uniform(0, 1))
            server.kill()
            server.start()
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    with server:
        wait_for(lambda: not busy(server))
        jobs = all_jobs(server)
        assert len(answered) >= kills and {job["id"] for job in jobs} >= set(answered.values())
        assert {job["name"]: job["id"] for job in jobs} | answered == {job["name"]: job["id"] for job in jobs}
        assert len({job["name"] for job in jobs}) == len(jobs), "a video was taken twice"
        assert [job["state"] for job in jobs] == ["done"] * len(jobs), "a job was lost"
        expected = {f"jobs/{job['id']}/{name}" for job in jobs for name in ("result.json", "report.html")}
        wait_for(lambda: server.files() == expected)
        by_hash = {}
        for job in jobs:
            result = server.client.get(job["links"]["result"]).json()["videos"][0]
            by_hash.setdefault(result["sha256"], set()).add(json.dumps(result["tracks"]))
        assert len(by_hash) <= len(videos) and all(len(found) == 1 for found in by_hash.values())


def busy(server):
    text = server.client.get("/metrics").text
    return not ('facetell_jobs{state="queued"} 0.0' in text and 'facetell_jobs{state="running"} 0.0' in text)


def all_jobs(server):
    jobs, before = [], None
    while True:
        page = server.client.get("/v1/jobs", params={"limit": 200} | ({"before": before} if before else {})).json()
        jobs += page["jobs"]
        if (before := page["next"]) is None:
            return jobs


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path):
    kill_many_times(tmp_path, KILLS)


@pytest.mark.slow
def test_killed_twenty_five_times_nothing_is_lost_or_doubled(tmp_path):
    kill_many_times(tmp_path, MORE_KILLS)


def test_a_video_that_kills_its_worker_fails_after_three_times_and_nobody_else(tmp_path, woman, short):
    with Server(tmp_path / "data") as server:
        job, other = server.upload(woman).json(), server.upload(short).json()
        for _ in range(3):
            # Those that have crashed come last, so that the others need not wait for them.
            wait_for(lambda: server.job(job["id"])["state"] == "running")
            for process in server.workers():
                process.kill()
            wait_for(lambda: server.job(job["id"])["state"] != "running")
        ended = server.job(job["id"])
        assert ended["state"] == "failed" and ended["message"].startswith("its process was ended 3 times")
        assert server.ended(other["id"])["state"] == "done"
        assert server.ended(server.upload(short).json()["id"])["state"] == "done"
        assert "facetell_worker_crashes_total 3.0" in server.client.get("/metrics").text
        assert not any(name.endswith("video") for name in server.files())


def test_stopped_in_good_order_it_goes_on_where_it_was(tmp_path, woman):
    server = Server(tmp_path / "data")
    job = server.upload(woman).json()
    wait_for(lambda: server.job(job["id"])["state"] == "running")
    with httpx.stream("GET", f"{server.url}/v1/events"):  # an open stream does not hold it up
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    server.start()
    with server:
        assert server.ended(job["id"])["state"] == "done"
        assert "the server was killed" not in server.log.read_text()


def test_its_processes_end_with_it(tmp_path, short):
    server = Server(tmp_path / "data")
    server.upload(short)
    workers = server.workers()
    assert len(workers) == 2  # one scores, one looks at uploads
    server.kill()
    _, alive = psutil.wait_procs(workers, timeout=SECONDS)
    assert alive == []


def test_ctrl_c_ends_it_quietly(tmp_path, short):
    server = Server(tmp_path / "data")
    server.upload(short)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(SECONDS) == 0
    assert "Traceback" not in server.log.read_text()
    server.client.close()


def test_a_file_that_stops_or_kills_the_first_look_is_refused(man, monkeypatch):
    monkeypatch.setattr(inspect, "SECONDS", SECONDS)
    inspector = Inspector(Limits())
    try:
        assert (inspector(man).width, inspector(man).height) == (640, 360)
        monkeypatch.setattr(inspect, "SECONDS", 1.0)
        os.kill(inspector._process._process.pid, signal.SIGSTOP)
        with pytest.raises(Refused, match="takes over 1 s to read"):
            inspector(man)
        monkeypatch.setattr(inspect, "SECONDS", SECONDS)
        inspector(man)
        pid = inspector._process._process.pid
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(Refused, match="made the decoder crash"):
            inspector(man)
        assert inspector(man).duration == 2.4
    finally:
        inspector.close()

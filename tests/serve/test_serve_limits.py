"""Limits that only a caller of the library can set: slow uploads and many listeners."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from serving import wait_for

from facetell.commands.serve import listen
from facetell.serve import pages
from facetell.serve.app import create_app
from facetell.serve.faults import Refused
from facetell.serve.inspect import Inspector
from facetell.serve.server import Server
from facetell.serve.service import Service
from facetell.serve.settings import Limits, ServeSettings

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'


@contextmanager
def serving(folder, limits):
    """A server in this process, without workers: what is tested here comes before them."""
    service = Service(ServeSettings(folder, limits=limits))
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(service), http="h11", ws="none", log_level="warning")
    server = Server(config, service)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", service
    finally:
        server.handle_exit(15, None)
        thread.join()
        service.stop()
        listening.close()


@pytest.mark.parametrize("limits", [Limits(idle_seconds=0.3), Limits(upload_seconds=0.6)], ids=["silent", "trickling"])
def test_an_upload_that_does_not_get_on_is_given_up(tmp_path, limits):
    def trickle():
        yield HEAD
        for _ in range(100):
            time.sleep(2.0 if limits.idle_seconds < 1 else 0.1)
            yield b"x"

    with serving(tmp_path, limits) as (url, service):
        started = time.monotonic()
        try:
            answer = httpx.post(f"{url}/v1/jobs", content=trickle(), headers=FORM, timeout=60)
            assert answer.status_code == 408 and "came too slowly" in answer.json()["message"]
        except httpx.TransportError:  # the client sent on after the server had closed
            assert time.monotonic() - started < 30
        assert 'facetell_uploads_refused_total{code="too_slow"} 1.0' in service.figures()
        assert not list((tmp_path / "incoming").iterdir())


def test_a_login_that_does_not_get_on_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FORM_SECONDS", 0.3)
    with serving(tmp_path, Limits()) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(f"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99\r\n\r\ntoken=".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_file_that_holds_up_the_first_look_holds_up_nothing_else(tmp_path, monkeypatch):
    """More uploads wait for it than the server has threads; who follows a job is answered all the same."""
    begun, gate = threading.Semaphore(0), threading.Event()

    def held(inspector, path):
        begun.release()
        gate.wait(60)
        raise Refused(422, "unreadable", "no")

    def upload():
        return httpx.post(f"{url}/v1/jobs", content=HEAD + b"x\r\n--b--\r\n", headers=FORM, timeout=60).status_code

    monkeypatch.setattr(Inspector, "__call__", held)
    with serving(tmp_path, Limits(uploads=50)) as (url, _), ThreadPoolExecutor(50) as clients:
        uploads = [clients.submit(upload) for _ in range(50)]
        try:
            assert begun.acquire(timeout=60)
            wait_for(lambda: len(list((tmp_path / "incoming").iterdir())) == 50)
            assert httpx.get(f"{url}/v1/jobs/{'0' * 32}/events", timeout=20).status_code == 404
            assert not begun.acquire(blocking=False), "they are looked at one after the other"
        finally:
            gate.set()
        assert {answer.result() for answer in uploads} == {422}


def test_listeners_are_counted_and_given_back(tmp_path):
    with serving(tmp_path, Limits(listeners=1)) as (url, service):
        with httpx.stream("GET", f"{url}/v1/events", timeout=60) as first:
            lines = first.iter_lines()  # kept: when it goes, the stream is closed
            assert next(lines).startswith("retry")
            assert len(service.hub) == 1
            second = httpx.get(f"{url}/v1/events", timeout=60)
            assert second.status_code == 429 and second.json()["error"] == "too_many_listeners"
        end = time.monotonic() + 30
        while len(service.hub):
            assert time.monotonic() < end
            time.sleep(0.02)

"""Limits that only a caller of the library can set: slow uploads and many listeners."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from facetell.commands.serve import listen
from facetell.serve.app import create_app
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

"""Limits that only a caller of the library can set: slow uploads, many listeners and connections without a request."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from serving import SECONDS, serving, wait_for

from facetell.serve import pages
from facetell.serve import server as network
from facetell.serve.faults import Refused
from facetell.serve.inspect import Inspector
from facetell.serve.settings import Limits

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'


@pytest.mark.parametrize(
    "limits",
    [Limits(idle_seconds=0.3), Limits(upload_seconds=0.6), Limits(idle_seconds=1.0)],
    ids=["silent", "too_long", "trickling"],
)
def test_an_upload_that_does_not_get_on_is_given_up(tmp_path, limits):
    def trickle():
        yield HEAD
        for _ in range(100):
            time.sleep(2.0 if limits.idle_seconds < 1 else 0.1)
            yield b"x"

    with serving(tmp_path, limits) as (url, service):
        with contextlib.suppress(httpx.TransportError):  # the client sent on after the server had closed
            answer = httpx.post(f"{url}/v1/jobs", content=trickle(), headers=FORM, timeout=SECONDS)
            assert answer.status_code == 408 and "came too slowly" in answer.json()["message"]
        assert 'facetell_uploads_refused_total{code="too_slow"} 1.0' in service.figures()
        assert not list((tmp_path / "incoming").iterdir())


def test_a_login_that_does_not_get_on_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FORM_SECONDS", 0.3)
    with serving(tmp_path, Limits()) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(f"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99\r\n\r\ntoken=".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_file_that_holds_up_the_first_look_holds_up_nothing_else(tmp_path, monkeypatch):
    """More uploads wait for it than the server has threads; who follows a job is answered all the same."""
    begun, gate = threading.Semaphore(0), threading.Event()

    def held(inspector, path):
        begun.release()
        gate.wait(SECONDS)
        raise Refused(422, "unreadable", "no")

    def upload():
        return httpx.post(f"{url}/v1/jobs", content=HEAD + b"x\r\n--b--\r\n", headers=FORM, timeout=SECONDS).status_code

    monkeypatch.setattr(Inspector, "__call__", held)
    with serving(tmp_path, Limits(uploads=50)) as (url, _), ThreadPoolExecutor(50) as clients:
        uploads = [clients.submit(upload) for _ in range(50)]
        try:
            assert begun.acquire(timeout=SECONDS)
            wait_for(lambda: len(list((tmp_path / "incoming").iterdir())) == 50)
            assert httpx.get(f"{url}/v1/jobs/{'0' * 32}/events", timeout=SECONDS).status_code == 404
            assert not begun.acquire(blocking=False), "they are looked at one after the other"
        finally:
            gate.set()
        assert {answer.result() for answer in uploads} == {422}


def test_listeners_are_counted_and_given_back(tmp_path):
    with serving(tmp_path, Limits(listeners=1)) as (url, service):
        with httpx.stream("GET", f"{url}/v1/events", timeout=SECONDS) as first:
            lines = first.iter_lines()  # kept: when it goes, the stream is closed
            assert next(lines).startswith("retry")
            assert len(service.hub) == 1
            second = httpx.get(f"{url}/v1/events", timeout=SECONDS)
            assert second.status_code == 429 and second.json()["error"] == "too_many_listeners"
        wait_for(lambda: not len(service.hub))


def address(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


@contextmanager
def connections(url, count):
    """So many clients that have said nothing yet."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(address(url), timeout=SECONDS)) for _ in range(count)]


def is_closed(connection):
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


HALF = b"GET / HTTP/1.1\r\nHost: "


@pytest.mark.parametrize(
    ("begun", "before"), [(b"", False), (HALF, False), (HALF, True)], ids=["silent", "half a head", "half a second"]
)
def test_a_connection_without_a_whole_request_is_closed(tmp_path, monkeypatch, begun, before):
    monkeypatch.setattr(network, "HEAD_SECONDS", 0.6)
    with serving(tmp_path, Limits()) as (url, _), connections(url, 1) as (connection,):
        if before:
            connection.sendall(b"HEAD /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(10000).startswith(b"HTTP/1.1 ")
        connection.sendall(begun)
        end = time.monotonic() + SECONDS
        connection.settimeout(0.1)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                assert is_closed(connection)
                break
            if begun:  # a sign now and then does not put it off
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"x")
        else:
            raise AssertionError("it was left open")


def test_a_request_that_is_answered_slowly_is_not_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "HEAD_SECONDS", 0.3)
    with (
        serving(tmp_path, Limits()) as (url, service),
        httpx.stream("GET", f"{url}/v1/events", timeout=SECONDS) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        time.sleep(1.0)
        assert len(service.hub) == 1


def test_no_site_can_make_itself_our_page_by_a_name_of_its_own(tmp_path):
    """The server is told of no name, as one that listens on all addresses is."""
    evil = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    with serving(tmp_path, Limits()) as (url, _):
        assert httpx.delete(f"{url}/v1/jobs/{'0' * 32}", headers=evil, timeout=SECONDS).json()["error"] == "wrong_host"
        assert httpx.get(f"{url}/v1/jobs", headers=evil, timeout=SECONDS).status_code == 421


def test_silent_connections_make_room_for_requests_the_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "CONNECTIONS", 20)
    with serving(tmp_path, Limits()) as (url, _), connections(url, 60) as silent:
        assert httpx.get(f"{url}/openapi.json", timeout=SECONDS).status_code == 200
        assert all(is_closed(connection) for connection in silent[:41])
        silent[-1].sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[-1].recv(1000).startswith(b"HTTP/1.1 200 ")


def test_where_all_connections_are_at_work_the_next_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "CONNECTIONS", 4)
    with serving(tmp_path, Limits()) as (url, _), connections(url, 3) as busy:
        for connection in busy:
            connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert httpx.get(f"{url}/openapi.json", timeout=SECONDS).status_code == 503

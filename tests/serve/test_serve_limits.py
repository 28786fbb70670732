"""Limits that only a caller of the library can set: slow uploads, event streams, connections without a request."""

import contextlib
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from serving import FORM, HEAD, SECONDS, add, begin, connections, serving, upload, wait_for

from facetell.report.result import write_result
from facetell.serve import admission, pages, pool
from facetell.serve import server as network
from facetell.serve.access import HEADERS
from facetell.serve.admission import Admission
from facetell.serve.batch import MOST
from facetell.serve.models import Limits, Refused, State, Summary
from facetell.serve.process import Inspector
from facetell.serve.store import RESULT
from facetell.types import Status, Verdict, VideoVerdict


@pytest.mark.parametrize(("seconds", "pause"), [(0.3, 2.0), (1.0, 0.1)], ids=["silent", "trickling"])
def test_a_slow_upload_is_cancelled(tmp_path, seconds, pause):
    def trickle():
        yield HEAD
        for _ in range(100):
            time.sleep(pause)
            yield b"x"

    with serving(tmp_path, Limits(rate_seconds=seconds)) as (url, service):
        with contextlib.suppress(httpx.TransportError):  # the client went on sending after the server had closed
            answer = httpx.post(f"{url}/v1/jobs", content=trickle(), headers=FORM, timeout=SECONDS)
            assert answer.status_code == 408 and "too slow" in answer.json()["message"]
        assert b'facetell_uploads_refused_total{code="too_slow"} 1.0' in service.figures()
        assert not list((tmp_path / "jobs").iterdir())


@pytest.mark.parametrize("most", [200, 8])
def test_clients_that_send_almost_nothing_block_no_upload(tmp_path, short, monkeypatch, most):
    """They do not count, and where there are too many, one of them ends for another client."""
    monkeypatch.setattr(admission, "OPEN", most)
    with serving(tmp_path, Limits(uploads=20)) as (url, service), connections(url, 8) as slow:
        for connection in slow:
            begin(connection, "/v1/jobs", "Content-Length: 1000000")
            connection.sendall(HEAD)
        wait_for(lambda: len(service.admission) == 8 and not service.admission.counting)
        assert upload(url, short).status_code == 201
        wait_for(lambda: len(service.admission) == min(8, most - 1))


def test_a_burst_of_uploads_is_limited():
    uploads = Admission(Limits(uploads=4))
    with contextlib.ExitStack() as stack:
        for admitted, refused in (("aa", "a"), ("bb", "c")):  # of one address half of the limit
            for address in admitted:
                stack.enter_context(uploads.admitted(address))
            with pytest.raises(Refused, match="try again soon"):
                stack.enter_context(uploads.admitted(refused))
    assert len(uploads) == 0


def test_a_slow_login_is_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FORM_SECONDS", 0.3)
    with serving(tmp_path, Limits()) as (url, _), connections(url, 1) as (connection,):
        begin(connection, "/login", "Content-Length: 99", kind="application/x-www-form-urlencoded")
        connection.sendall(b"token=")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_file_that_blocks_the_inspector_blocks_only_uploads(tmp_path, monkeypatch):
    """More uploads wait for it than the server has threads; other requests are answered."""
    begun, gate = threading.Semaphore(0), threading.Event()

    def held(inspector, path):
        begun.release()
        gate.wait(SECONDS)
        raise Refused(422, "unreadable", "no")

    def blocked():
        return httpx.post(f"{url}/v1/jobs", content=HEAD + b"x\r\n--b--\r\n", headers=FORM, timeout=SECONDS).status_code

    monkeypatch.setattr(Inspector, "__call__", held)
    with serving(tmp_path, Limits(uploads=100)) as (url, _), ThreadPoolExecutor(50) as clients:
        uploads = [clients.submit(blocked) for _ in range(50)]
        try:
            assert begun.acquire(timeout=SECONDS)
            wait_for(lambda: len(list((tmp_path / "jobs").iterdir())) == 50)
            assert httpx.get(f"{url}/v1/jobs/{'0' * 32}/events", timeout=SECONDS).status_code == 404
            assert not begun.acquire(blocking=False), "two were checked at the same time"
        finally:
            gate.set()
        assert {answer.result() for answer in uploads} == {422}


def test_event_streams_are_counted_and_released(tmp_path):
    with serving(tmp_path, Limits(streams=1)) as (url, service):
        with httpx.stream("GET", f"{url}/v1/events", timeout=SECONDS) as first:
            lines = first.iter_lines()  # kept: the stream closes with it
            assert next(lines).startswith("retry")
            second = httpx.get(f"{url}/v1/events", timeout=SECONDS)
            assert second.status_code == 429 and second.json()["error"] == "too_many_listeners"
        wait_for(lambda: not service.hub._streams)


def test_a_report_of_many_jobs_is_not_in_memory_as_a_whole(tmp_path):
    verdict = VideoVerdict("a.mp4", Status.NO_FACE, Verdict.NONE, None, None)
    with serving(tmp_path, Limits()) as (url, service):
        for number in range(MOST):
            job = add(service.store, number).id
            write_result([verdict], service.files.folder(job) / RESULT)
            service.files.report(job, "en").write_text(f"<article>{'x' * 500_000}</article>")
            service.store.end(job, State.DONE, summary=Summary.model_validate(verdict))
        tracemalloc.start()
        with httpx.stream("GET", f"{url}/v1/report", timeout=SECONDS) as answer:
            assert sum(map(len, answer.iter_raw())) > 500_000 * MOST
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20e6


def test_without_a_worker_the_health_check_fails(tmp_path, monkeypatch):
    with serving(tmp_path, Limits()) as (url, _):
        assert httpx.get(f"{url}/healthz", timeout=SECONDS).json() == {"status": "ok"}  # within a minute of the start
        monkeypatch.setattr(pool, "REPLACE_SECONDS", 0.0)
        answer = httpx.get(f"{url}/healthz", timeout=SECONDS)
    assert (answer.status_code, answer.json()["error"]) == (503, "no_worker")


def is_closed(connection):
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost: "], ids=["silent", "half a head"])
def test_a_connection_without_a_complete_request_is_closed_and_no_other(tmp_path, monkeypatch, begin):
    monkeypatch.setattr(network, "HEAD_SECONDS", 0.6)
    with serving(tmp_path, Limits()) as (url, service), httpx.stream("GET", f"{url}/v1/events", timeout=SECONDS) as one:
        lines = one.iter_lines()
        assert next(lines).startswith("retry")
        with connections(url, 1) as (connection,):
            connection.sendall(b"HEAD /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(10000).startswith(b"HTTP/1.1 ")
            connection.sendall(begin)
            connection.settimeout(0.1)

            def closed():
                with contextlib.suppress(TimeoutError):
                    return is_closed(connection)
                with contextlib.suppress(ConnectionError):  # more of the head, but not all of it, gives no more time
                    connection.sendall(b"x" if begin else b"")
                return False

            wait_for(closed)
        service.hub.publish("0" * 32)
        assert "event: deleted" in (next(lines), next(lines))


def test_silent_connections_are_closed_for_requests_the_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "CONNECTIONS", 20)
    with serving(tmp_path, Limits()) as (url, _), connections(url, 60) as silent:
        assert httpx.get(f"{url}/openapi.json", timeout=SECONDS).status_code == 200
        assert all(is_closed(connection) for connection in silent[:41])
        silent[-1].sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[-1].recv(1000).startswith(b"HTTP/1.1 200 ")


def test_what_is_not_http_gets_the_security_headers_too(tmp_path):
    with serving(tmp_path, Limits()) as (url, _), connections(url, 2) as (first, second):
        first.sendall(b"nonsense\r\n\r\n")
        begin(second, "/v1/jobs", "Content-Length: -5")
        for connection in (first, second):
            answer = b"".join(iter(lambda: connection.recv(10000), b"")).decode()  # noqa: B023
            assert answer.startswith("HTTP/1.1 400 ") and answer.endswith("Invalid HTTP request received.")
            assert all(f"{name}: {value}\r\n" in answer for name, value in HEADERS.items())

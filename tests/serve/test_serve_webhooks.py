"""Webhooks: signed, tried again, also after a restart, never redirected, and to allowed hosts only."""

import hashlib
import hmac
import socket
import threading
import time

import pytest
from serving import SECONDS, TOKEN, Server, add, serving, upload, wait_for
from starlette.requests import Request
from starlette.responses import Response

from facetell.serve import webhooks
from facetell.serve.models import Limits, State


def target(statuses, received):
    """Answers /hook, before an app, with the next status, then 204; keeps query and job of each valid request."""

    def wrap(app):
        async def call(scope, receive, send):
            if scope["path"] != "/hook":
                return await app(scope, receive, send)
            request = Request(scope, receive)
            signature = hmac.new(TOKEN.encode(), await request.body(), hashlib.sha256).hexdigest()
            if request.headers["Facetell-Signature"] == f"sha256={signature}":
                received.append((request.url.query, await request.json()))
            status = statuses.pop(0) if statuses else 204
            await Response(status_code=status, headers={"Location": "/hook?elsewhere"})(scope, receive, send)

        return call

    return wrap


def test_the_end_of_a_job_is_posted(tmp_path, short, monkeypatch):
    monkeypatch.setenv("FACETELL_WEBHOOK_SECRET", TOKEN)
    receiver = serving(tmp_path / "target", Limits(), wrap=target([], received := []))
    with receiver as (hook, _), Server(tmp_path / "data", "--webhook-host", hook.removeprefix("http://")) as server:
        job = upload(server.url, short, webhook=f"{hook}/hook?case=1").json()
        assert wait_for(lambda: received) == [("case=1", server.job(job["id"]))]


@pytest.mark.parametrize("statuses", [[302, 500], [500] * 9])
def test_it_is_tried_again_and_given_up_also_after_a_restart(tmp_path, short, monkeypatch, statuses):
    monkeypatch.setattr(webhooks, "DELAYS", (0.0, 0.0))
    with serving(tmp_path / "target", Limits(), wrap=target(statuses, received := [])) as (hook, _):
        settings = {"webhook_hosts": (hook.removeprefix("http://"),), "webhook_secret": TOKEN}
        with serving(tmp_path / "data", Limits(), **settings) as (url, service):
            job = upload(url, short, webhook=f"{hook}/hook").json()["id"]
            assert service.store.due_webhooks() == [], "it has not ended"
            service.store.end(job, State.FAILED, message="no")
        with serving(tmp_path / "data", Limits(), **settings) as (_, service):
            for operator in ("->", "->>"):  # which SQLite 3.37 lacks
                service.store._db.create_function(operator, 2, None)
            while service.store.due_webhooks():
                service.notify()
        assert [(query, body["id"], body["state"]) for query, body in received] == 3 * [("", job, "failed")]


def trickle(listening, ended):
    """Answer one request byte by byte, until the other side has had enough."""
    connection, _ = listening.accept()
    with connection, pytest.raises(ConnectionError):
        for _ in range(2000):
            connection.sendall(b"H")
            time.sleep(0.05)
    ended.set()


def test_a_slow_target_holds_up_the_others_for_one_attempt_of_limited_time(tmp_path, monkeypatch):
    monkeypatch.setattr(webhooks, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as slow:
        threading.Thread(target=trickle, args=(slow, ended := threading.Event())).start()
        hosts = f"127.0.0.1:{slow.getsockname()[1]}", "127.0.0.1:1"
        with serving(tmp_path, Limits(), webhook_hosts=hosts, webhook_secret=TOKEN) as (_, service):
            for number, host in enumerate((hosts[0], *hosts)):
                webhook = webhooks.check_target(service.settings, f"http://{host}/")
                service.store.end(add(service.store, number, webhook=webhook).id, State.FAILED, message="no")
            service.notify()
            assert [url for _, url in service.store.due_webhooks()] == [f"http://{hosts[0]}/"]  # not tried yet
        assert ended.wait(SECONDS)


@pytest.mark.parametrize("address", ["http://{}.evil/", "http://{}@a/", "ftp://{}/", "http://[", "//{}/", "http://a/"])
def test_another_target_is_refused_before_the_upload(tmp_path, short, address):
    with serving(tmp_path, Limits(), webhook_hosts=("hooks.example",), webhook_secret=TOKEN) as (url, service):
        answer = upload(url, short, webhook=address.format("hooks.example"))
        assert answer.status_code == 422 and answer.json()["error"] == "webhook_refused"
        assert "--webhook-host" in answer.json()["message"] and service.newest(1) == ([], None)
        assert b'facetell_uploads_refused_total{code="webhook_refused"} 1.0' in service.figures()

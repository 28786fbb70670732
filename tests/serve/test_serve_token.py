"""With a token: programs show it, browsers show it once, nobody else learns anything."""

import httpx
import pytest
from serving import SECONDS, Server

from facetell.serve.auth import Door, check_token
from facetell.types import FacetellError

TOKEN = "a-token-of-enough-signs"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("locked") / "data", environment={"FACETELL_TOKEN": TOKEN}) as server:
        yield server


def test_programs_show_it_in_a_header(locked, short):
    assert locked.client.get("/v1/jobs").status_code == 401
    assert locked.client.get("/v1/jobs", headers=BEARER).json()["jobs"] == []
    refused = locked.upload(short)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"] == "no_token" and TOKEN not in refused.text
    taken = locked.upload(short, **BEARER)
    assert taken.status_code == 201
    for path in ("", "/result", "/report", "/events"):
        assert locked.client.get(taken.json()["links"]["self"] + path).status_code == 401
    assert locked.client.delete(taken.json()["links"]["self"]).status_code == 401
    assert locked.client.delete(taken.json()["links"]["self"], headers=BEARER).status_code == 204


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
def test_nothing_else_will_do(locked, shown):
    assert locked.client.get("/v1/jobs", headers={"Authorization": shown}).status_code == 401


def test_what_is_open_says_nothing_of_the_jobs(locked):
    for path in ("/healthz", "/login", "/openapi.json", "/static/page.css"):
        assert locked.client.get(path).status_code == 200
    assert locked.client.get("/metrics").status_code == 401
    assert locked.client.get("/metrics", headers=BEARER).status_code == 200
    document = locked.client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["paths"]["/v1/jobs"]["post"]["security"] == [{"token": []}]


def test_browsers_log_in_once_and_out_again(locked):
    with httpx.Client(base_url=locked.url, timeout=SECONDS) as browser:
        page = browser.get("/jobs/" + "0" * 32)
        assert page.status_code == 303 and page.headers["location"].startswith("/login?next=")
        assert browser.get(page.headers["location"]).text.count("<form") == 1
        wrong = browser.post("/login", data={"token": "wrong"})
        assert wrong.status_code == 401 and "not the token" in wrong.text and not browser.cookies
        right = browser.post("/login", data={"token": TOKEN, "next": "/jobs/" + "0" * 32})
        assert right.status_code == 303 and right.headers["location"] == "/jobs/" + "0" * 32
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie and "Secure" not in cookie
        assert browser.get("/").status_code == 200 and browser.get("/v1/jobs").status_code == 200
        assert browser.post("/logout").status_code == 303
        assert browser.get("/").status_code == 303


@pytest.mark.parametrize("other", ['prefs={"dark":true,"n":1}', "user[id]=3", "novalue", "name=caf\xe9"])
def test_cookies_of_others_do_no_harm(locked, other):
    cookie = httpx.post(f"{locked.url}/login", data={"token": TOKEN}).headers["set-cookie"].partition(";")[0]
    for both in (f"{other}; {cookie}", f"{cookie}; {other}"):
        answer = httpx.get(f"{locked.url}/", headers={"Cookie": both.encode("latin-1")})
        assert answer.status_code == 200, both


def test_behind_tls_the_cookie_is_for_tls_only(locked):
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1"}
    answer = locked.client.post("/login", data={"token": TOKEN}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/jobs/../v1/jobs", "javascript:alert(1)"]
)
def test_logging_in_leads_nowhere_else(locked, target):
    answer = httpx.post(f"{locked.url}/login", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "/"


def test_cookies_cannot_be_made_or_kept_for_ever(monkeypatch):
    door, other = Door(TOKEN), Door(TOKEN + "!")
    cookie = door.cookie()
    until, _, seal = cookie.partition(".")
    assert door.opens(cookie) and not other.opens(cookie)
    for forged in ("", ".", seal, f"{int(until) + 1}.{seal}", f"{until}.{'0' * 64}", f"{until}.", "é.é"):
        assert not door.opens(forged)
    monkeypatch.setattr("time.time", lambda: int(until) + 1)
    assert not door.opens(cookie)


def test_a_large_login_form_is_refused(locked):
    assert locked.client.post("/login", content=b"x" * 100_000).status_code == 413


@pytest.mark.parametrize(
    "token", ["short", "with spaces in it, long", "with-a-sign-é-in-it-", "line\nbreak-in-the-token"]
)
def test_unfit_tokens_are_one_sentence(token):
    with pytest.raises(FacetellError, match="at least 16 ASCII characters"):
        check_token(token)

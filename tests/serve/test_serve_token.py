"""With a token: programs send it, browsers log in with it, everybody else is refused."""

import httpx
import pytest
from serving import BEARER, SECONDS, TOKEN, Server, serving

from facetell.serve import access
from facetell.serve.access import Authenticator, client_address
from facetell.serve.models import Limits, Refused


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("locked") / "data", "--token", TOKEN) as server:
        yield server


def test_programs_send_it_in_a_header(locked, short):
    assert locked.client.get("/v1/jobs", headers=BEARER).json()["jobs"] == []
    refused = locked.upload(short)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"] == "no_token" and TOKEN not in refused.text
    assert "dieser Server verlangt ein Token" in locked.client.get("/v1/jobs?language=de").text
    job = f"/v1/jobs/{locked.upload(short, **BEARER).json()['id']}"
    for path in ("/v1/jobs", "/metrics", job, f"{job}/result", f"{job}/report", f"{job}/events"):
        assert locked.client.get(path).status_code == 401
    assert locked.client.delete(job).status_code == 401
    for header in ("Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
        assert locked.client.get("/v1/jobs", headers={"Authorization": header}).status_code == 401
    assert locked.client.get("/metrics", headers=BEARER).status_code == 200
    assert locked.client.delete(job, headers=BEARER).status_code == 204


def test_what_needs_no_token(locked):
    for path in ("/docs", "/healthz", "/login", "/openapi.json", "/static/page.css"):
        assert locked.client.get(path).status_code == 200
    paths = locked.client.get("/openapi.json").json()["paths"]
    assert paths["/v1/jobs"]["post"]["security"] == [{"token": []}] and "security" not in paths["/healthz"]["get"]


def test_browsers_log_in_and_out(locked):
    with httpx.Client(base_url=locked.url, timeout=SECONDS) as browser:
        page = browser.get("/jobs/" + "0" * 32)
        assert page.status_code == 303 and page.headers["location"].startswith("/login?next=")
        assert browser.get(page.headers["location"]).text.count("<form") == 1
        wrong = browser.post("/login", data={"token": "wrong"})
        assert wrong.status_code == 401 and "not the token" in wrong.text and not browser.cookies
        assert browser.post("/login", data={"token": "x" * 100_000}).status_code == 413
        right = browser.post("/login", data={"token": TOKEN, "next": "/jobs/" + "0" * 32})
        assert right.status_code == 303 and right.headers["location"] == "/jobs/" + "0" * 32
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie and "Secure" not in cookie
        assert browser.get("/").status_code == 200 and browser.get("/v1/jobs").status_code == 200
        assert browser.post("/logout").status_code == 303
        assert browser.get("/").status_code == 303


def test_cookies_of_other_applications_do_no_harm(locked):
    cookie = httpx.post(f"{locked.url}/login", data={"token": TOKEN}).headers["set-cookie"].partition(";")[0]
    both = f'prefs={{"dark":true,"n":1}}; user[id]=3; {cookie}; novalue; name=caf\xe9'
    assert httpx.get(f"{locked.url}/", headers={"Cookie": both.encode("latin-1")}).status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/jobs/../v1/jobs"])
def test_the_login_leads_to_no_other_site_and_under_tls_the_cookie_is_for_tls_only(locked, target):
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1"}
    answer = httpx.post(f"{locked.url}/login", data={"token": TOKEN, "next": target}, headers=headers)
    assert answer.headers["location"] == "/" and "Secure" in answer.headers["set-cookie"]


def test_cookies_cannot_be_forged_and_expire(monkeypatch):
    authenticator, other = Authenticator(TOKEN), Authenticator(TOKEN + "!")
    cookie = authenticator.cookie()
    until, _, signature = cookie.partition(".")
    assert authenticator.is_cookie("a", cookie) and not other.is_cookie("a", cookie)
    for forged in ("", ".", signature, f"{int(until) + 1}.{signature}", f"{until}.{'0' * 64}", f"{until}.", "é.é"):
        assert not authenticator.is_cookie("a", forged)
    monkeypatch.setattr("time.time", lambda: int(until) + 1)
    assert not authenticator.is_cookie("a", cookie)


def test_an_address_that_sends_wrong_tokens_is_refused_for_longer_each_time(monkeypatch, caplog):
    now, authenticator, waits = 1000.0, Authenticator(TOKEN), []
    monkeypatch.setattr("time.monotonic", lambda: now)
    expired = f"1.{authenticator._sign('1')}"
    for _ in range(8):
        for _ in range(access.FAILURES):
            assert not authenticator.is_cookie("a", expired)  # signed by the server: no attempt to guess
            assert not authenticator.allows("a", "Bearer wrong", "")
        for attempt in (lambda: authenticator.is_token("a", TOKEN), lambda: authenticator.allows("a", "", "x.y")):
            with pytest.raises(Refused) as refused:
                attempt()
        waits.append(int(refused.value.headers["Retry-After"]))
        assert authenticator.is_token("b", TOKEN) and not authenticator.allows("a", "", "")
        now += waits[-1]
        assert authenticator.is_token("a", TOKEN)
    assert waits == [61, 121, 241, 481, 961, 1921, 3601, 3601]
    assert len(caplog.messages) == 8 and caplog.messages[0] == "a sent 10 wrong tokens and is refused for 60 s"


def test_an_ipv6_network_and_an_ipv4_address_in_either_form_are_one_client():
    addresses = {"10.0.0.7": "10.0.0.7", "::ffff:10.0.0.7": "10.0.0.7", "2001:db8::1:2": "2001:db8::/64"}
    assert {host: client_address({"client": (host, 1)}) for host in addresses} == addresses


def test_wrong_tokens_are_429_in_programs_and_on_the_page(tmp_path):
    wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "10.0.0.7"}
    with serving(tmp_path, Limits(), token=TOKEN) as (url, _), httpx.Client(base_url=url, timeout=SECONDS) as client:
        for _ in range(access.FAILURES):
            assert client.post("/login", data={"token": "wrong"}, headers=wrong).status_code == 401
        page = client.post("/login", data={"token": TOKEN}, headers=wrong)
        for answer in (client.get("/v1/jobs", headers=wrong | BEARER), page):
            assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 61
            assert "wrong tokens came from this address" in answer.text
        assert client.get("/healthz", headers=wrong).status_code == 200

"""The API: jobs, events, results, errors, and the headers of every response."""

import csv
import io
import json
import re

import jsonschema
import pytest
from serving import Server, events, wait_for

from facetell.report.result import SCHEMA_PATH, to_result


@pytest.fixture(scope="module")
def done(server, man):
    """A job that is done."""
    answer = server.upload(man, "talk.mp4")
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return server.ended(answer.json()["id"])


def test_a_job_states_the_verdict_of_detect(server, done, detector, man):
    verdict = detector(man)
    assert (done["state"], done["name"], done["size"]) == ("done", "talk.mp4", man.stat().st_size)
    assert (done["width"], done["height"], done["duration"]) == (640, 360, 2.4)
    assert done["summary"]["verdict"] == verdict.verdict and done["summary"]["sha256"] == verdict.sha256
    assert done["summary"]["probability"] == pytest.approx(verdict.probability, abs=0.02)
    assert done["progress"] is None and done["expires"] > done["finished"]
    answer = server.client.get(f"/v1/jobs/{done['id']}/result")
    jsonschema.validate(answer.json(), json.loads(SCHEMA_PATH.read_text()))
    (video,), (expected,) = answer.json()["videos"], to_result([verdict])["videos"]
    assert video["path"] == "talk.mp4" and video["sha256"] == expected["sha256"]
    assert len(video["tracks"][0]["clips"]) == len(expected["tracks"][0]["clips"])
    assert str(server.data) not in answer.text


def test_the_report_has_its_own_policy_and_names_no_path_of_the_server(server, done):
    answer = server.client.get(f"/v1/jobs/{done['id']}/report")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html") and "talk.mp4" in answer.text
    assert str(server.data) not in answer.text
    for need in ("default-src 'none'", "script-src 'sha256-", "frame-ancestors 'none'", "sandbox allow-scripts"):
        assert need in policy
    assert "unsafe" not in policy and "allow-same-origin" not in policy
    meta = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', answer.text)[1].replace("&#39;", "'")
    assert policy.startswith(meta)
    kept = {name for name in server.files() if done["id"] in name}  # not the video
    assert kept == {f"jobs/{done['id']}/{name}" for name in ("result.json", "report.html", "report.de.html")}


def test_pages_and_reports_are_in_the_language_of_the_client_and_errors_in_one_that_is_asked_for(server, done):
    for path in ("/", "/login", f"/jobs/{done['id']}", f"/v1/jobs/{done['id']}/report", "/v1/report"):
        english, german = (server.client.get(path, headers={"Accept-Language": code}).text for code in ("en", "de-AT"))
        assert '<html lang="en">' in english and '<html lang="de">' in german
        assert server.client.get(path, headers={"Accept-Language": "fr"}).text == english
        assert not path.startswith("/v1") or server.client.get(path, params={"language": "de"}).text == german
    assert server.client.get("/v1/report", params={"language": "fr"}).status_code == 422
    answer = server.client.get("/v1/jobs/none", headers={"Accept-Language": "de"})
    assert answer.json()["message"].startswith("there is no such job")


def test_several_jobs_have_one_report_and_one_table(server, done, short):
    other = server.ended(server.upload(short, "=2+3.mp4").json()["id"])
    ids = [("job", done["id"]), ("job", other["id"])]
    answer = server.client.get("/v1/report", params=ids)
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
    names = re.findall(r' id="([^"]+)"', answer.text)
    assert answer.text.count("<article") == 2 and {"v1", "v2"} < set(names) and len(names) == len(set(names))
    table = csv.DictReader(io.StringIO(server.client.get("/v1/report.csv", params=ids).text))
    rows = {row["job"]: row for row in table}
    assert float(rows[done["id"]]["probability"]) == pytest.approx(done["summary"]["probability"], abs=1e-6)
    assert rows[other["id"]]["video"] == "'=2+3.mp4", "a spreadsheet must not compute it"
    assert done["id"] in server.client.get("/v1/report.csv").text
    assert server.client.get("/v1/report", params={"job": "0" * 32}).json()["error"] == "no_such_job"
    folder = server.data / "jobs" / other["id"]  # of which files are missing, as after a deletion or in a backup
    for path in folder.glob("*.html"):
        path.unlink()
    page = server.client.get("/v1/report", params=ids).text
    assert page.count("<article") == 1 and page.count("report is missing") == 1
    (folder / "result.json").unlink()
    assert "report is missing" not in server.client.get("/v1/report", params=ids).text
    assert other["id"] not in server.client.get("/v1/report.csv", params=ids).text
    for name in ("result", "report"):
        assert server.client.get(f"/v1/jobs/{other['id']}/{name}").json()["error"] == "file_missing"
    assert server.client.get("/v1/report", params=ids[1:]).json()["error"] == "not_done"
    server.client.delete(f"/v1/jobs/{other['id']}")


def test_events_follow_a_job_until_it_has_ended(server, woman):
    job = server.upload(woman).json()
    path = f"/v1/jobs/{job['id']}"
    assert server.client.get(f"{path}/result").json()["error"] == "not_done"
    with server.client.stream("GET", f"{path}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        views = [json.loads(data) for kind, data in events(stream) if kind == "job"]
    states = [view["state"] for view in views]
    assert states[-1] == "done" and states == sorted(states, key=["queued", "running", "done"].index)
    progress = [view["progress"] for view in views if view["progress"] is not None]
    assert progress == sorted(progress) and len(progress) >= 2
    with server.client.stream("GET", f"{path}/events") as stream:  # of an ended job: once
        assert [kind for kind, _ in events(stream)] == ["job"]


def test_a_running_job_is_deleted_with_everything(server, woman):
    job = server.upload(woman).json()
    path = f"/v1/jobs/{job['id']}"
    with server.client.stream("GET", f"{path}/events") as stream:
        received = events(stream)
        next(received)
        server.ended(job["id"], "running")
        assert server.client.delete(path).status_code == 204
        assert "deleted" in [kind for kind, _ in received]
    assert server.client.get(path).status_code == 404
    assert server.client.delete(path).json()["error"] == "no_such_job"
    wait_for(lambda: not any(job["id"] in name for name in server.files()))
    wait_for(lambda: "facetell_workers_ready 1.0" in server.metrics())


def test_a_key_makes_a_repeated_upload_the_first_job_and_refuses_another_video(server, short, tmp_path):
    first, second = (server.upload(short, **{"Idempotency-Key": "once"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200) and first.json()["id"] == second.json()["id"]
    assert server.upload(short, **{"Idempotency-Key": "x" * 101}).json()["error"] == "bad_value"
    other = tmp_path / short.name  # of the same name and size
    other.write_bytes(short.read_bytes().replace(b"isom", b"iso2"))
    answer = server.upload(other, **{"Idempotency-Key": "once"})
    assert answer.status_code == 422 and answer.json()["error"] == "key_reused"
    assert server.ended(server.upload(other).json()["id"])["state"] == "done"


def test_the_list_has_pages(server, done, short):
    for _ in range(2):
        server.upload(short)
    numbers, page = [], {"next": 2**62}
    while before := page["next"]:
        page = server.client.get("/v1/jobs", params={"limit": 2, "before": before}).json()
        numbers += [job["number"] for job in page["jobs"]]
    assert numbers == [job["number"] for job in server.jobs()] and done["number"] in numbers


@pytest.mark.parametrize(
    ("method", "path", "status", "german"),
    [
        ("GET", "/v1/jobs/..%2f..%2fjobs.sqlite3/result", 404, "unter dieser Adresse gibt es nichts"),
        ("GET", "/static/%2e%2e%2fapp.py", 404, "unter dieser Adresse gibt es nichts"),
        ("GET", "/v1/jobs/none", 404, "diesen Auftrag gibt es nicht"),
        ("PUT", "/v1/jobs", 405, "diese Adresse unterstützt die Methode nicht"),
        ("GET", "/v1/jobs?before=99999999999999999999", 422, "before: Input should"),
    ],
)
def test_every_error_is_json_with_one_message_in_a_language(server, method, path, status, german):
    answer = server.client.request(method, f"{path}{'&' if '?' in path else '?'}language=de")
    assert answer.status_code == status and answer.json()["message"].startswith(german)
    assert set(answer.json()) == {"error", "message"} and "\n" not in answer.json()["message"]


def test_head_is_answered_as_get_without_a_body(server, done):
    paths = ["/", f"/jobs/{done['id']}", "/jobs/none", "/login", "/static/page.js", "/openapi.json", "/healthz"]
    paths += ["/v1/jobs", *(f"/v1/jobs/{done['id']}{end}" for end in ("", "/events", "/result", "/report")), "/nowhere"]
    wait_for(lambda: {job["state"] for job in server.jobs()} <= {"done", "failed"})  # the list no longer changes
    for path in paths:
        get, head = server.client.get(path), server.client.head(path)
        assert head.status_code == get.status_code and head.content == b"", path
        get.headers.pop("date"), head.headers.pop("date")
        assert head.headers == get.headers, path
    head = server.client.head("/v1/events")  # which never ends for GET
    assert head.status_code == 200 and head.headers["content-type"].startswith("text/event-stream")


def test_every_response_carries_the_security_headers(server, done):
    for path in ("/", f"/jobs/{done['id']}", "/v1/jobs", "/healthz", "/nowhere", "/static/page.js", "/openapi.json"):
        answer = server.client.get(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"] and "unsafe" not in str(answer.headers)
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin" and "server" not in answer.headers
        if answer.headers["content-type"].startswith("text/html"):  # the policy would block these
            assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|javascript:", answer.text)


@pytest.mark.parametrize("headers", [{"Origin": "https://a.evil"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}])
def test_other_sites_can_neither_upload_nor_delete(server, done, short, headers):
    assert server.upload(short, **headers).json()["error"] == "other_site"
    assert server.client.delete(f"/v1/jobs/{done['id']}", headers=headers).status_code == 403
    assert server.job(done["id"])["state"] == "done"
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    job = server.upload(short, **own).json()
    assert server.client.delete(f"/v1/jobs/{job['id']}", headers=own).status_code == 204


def test_a_foreign_name_of_the_server_is_refused(server):
    """A site could point a name of its own at the machine, and so have the origin of the server's page."""
    evil = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert server.client.delete("/v1/jobs/none", headers=evil).json()["error"] == "wrong_host"
    assert "kann ihn mit --allow-host NAME" in server.client.get("/?language=de", headers=evil).json()["message"]
    for host, status in (("evil.example", 421), ("localhost:1", 200), ("10.0.0.7", 200), ("[fe80::1]:8000", 200)):
        assert server.client.get("/v1/jobs", headers={"Host": host}).status_code == status
    assert server.client.get("/healthz", headers={"Host": "box.example"}).status_code == 200


def test_jobs_expire(tmp_path, short):
    with Server(tmp_path / "data", "--keep-days", "0.00001") as server:  # just under a second
        job = server.upload(short).json()
        wait_for(lambda: server.client.get(f"/v1/jobs/{job['id']}").status_code == 404)
        wait_for(lambda: server.files() == set())

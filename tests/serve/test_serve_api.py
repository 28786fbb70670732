"""The API as a client meets it."""

import json
import re

import jsonschema
import pytest
from serving import Server, events, wait_for

from facetell.report.result import SCHEMA_PATH, to_result
from facetell.serve.pages import render
from facetell.serve.service import Service
from facetell.serve.settings import Limits, ServeSettings
from fixtures import FAST


@pytest.fixture(scope="module")
def done(server, man):
    """A job that is done."""
    answer = server.upload(man, "talk.mp4")
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return server.ended(answer.json()["id"])


def test_a_job_tells_what_became_of_a_video(done, detector, man):
    verdict = detector(man)
    assert (done["state"], done["name"], done["size"]) == ("done", "talk.mp4", man.stat().st_size)
    assert (done["width"], done["height"], done["duration"]) == (640, 360, 2.4)
    assert done["summary"]["verdict"] == verdict.verdict and done["summary"]["sha256"] == verdict.sha256
    assert done["summary"]["probability"] == pytest.approx(verdict.probability, abs=0.02)
    assert done["progress"] is None and done["position"] is None and done["expires"] > done["finished"]


def test_the_result_is_that_of_detect_under_the_clients_name(server, done, detector, man):
    answer = server.client.get(done["links"]["result"])
    result = answer.json()
    jsonschema.validate(result, json.loads(SCHEMA_PATH.read_text()))
    (video,), (expected,) = result["videos"], to_result([detector(man)])["videos"]
    assert video["path"] == "talk.mp4" and video["sha256"] == expected["sha256"]
    assert len(video["tracks"][0]["clips"]) == len(expected["tracks"][0]["clips"])
    assert str(server.data) not in answer.text


def test_the_report_brings_its_own_policy_and_no_path_of_ours(server, done):
    answer = server.client.get(done["links"]["report"])
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html") and "talk.mp4" in answer.text
    assert str(server.data) not in answer.text
    for need in ("default-src 'none'", "script-src 'sha256-", "frame-ancestors 'none'", "sandbox allow-scripts"):
        assert need in policy
    assert "unsafe" not in policy and "allow-same-origin" not in policy
    meta = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', answer.text)[1].replace("&#39;", "'")
    assert policy.startswith(meta)
    saved = server.client.get(done["links"]["report"], params={"download": True})
    assert saved.headers["content-disposition"] == f'attachment; filename="facetell-{done["id"][:8]}.html"'


def test_only_result_and_report_are_kept_of_a_video(server, done):
    mine = {name for name in server.files() if done["id"] in name}
    assert mine == {f"jobs/{done['id']}/result.json", f"jobs/{done['id']}/report.html"}


def test_events_tell_of_a_job_until_it_has_ended(server, woman):
    job = server.upload(woman).json()
    with server.client.stream("GET", job["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(data) for kind, data in events(stream) if kind == "job"]
    states = [view["state"] for view in told]
    assert states[-1] == "done" and states == sorted(states, key=["queued", "running", "done"].index)
    progress = [view["progress"] for view in told if view["progress"] is not None]
    assert progress == sorted(progress) and len(progress) >= 2
    with server.client.stream("GET", job["links"]["events"]) as stream:  # of an ended job: once
        assert [kind for kind, _ in events(stream)] == ["job"]


def test_a_running_job_is_deleted_with_everything(server, woman):
    job = server.upload(woman).json()
    with server.client.stream("GET", job["links"]["events"]) as stream:
        told = events(stream)
        next(told)
        wait_for(lambda: server.job(job["id"])["state"] == "running")
        assert server.client.delete(job["links"]["self"]).status_code == 204
        assert "deleted" in [kind for kind, _ in told]
    assert server.client.get(job["links"]["self"]).status_code == 404
    assert server.client.delete(job["links"]["self"]).json()["error"] == "no_such_job"
    wait_for(lambda: not any(job["id"] in name for name in server.files()))
    wait_for(lambda: server.client.get("/healthz").status_code == 200)  # the next worker is ready


def test_what_cannot_be_scored_is_done_without_a_figure(server):
    from facetell.assets import locate

    job = server.ended(server.upload(locate("sample_no_face")).json()["id"])
    assert job["state"] == "done" and job["summary"]["status"] == "no_face"
    assert job["summary"]["probability"] is None and job["summary"]["message"] == "no face was found in it"


def test_a_key_makes_a_second_upload_the_first_job(server, short):
    first, second = (server.upload(short, **{"Idempotency-Key": "once"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200) and first.json()["id"] == second.json()["id"]
    assert server.upload(short, **{"Idempotency-Key": "x" * 101}).json()["error"] == "bad_key"
    server.ended(first.json()["id"])


def test_a_key_with_another_video_is_refused(server, short, tmp_path):
    """As large as the first, and of the same name: only what is in it tells it apart."""
    first = server.upload(short, **{"Idempotency-Key": "reused"}).json()
    other = tmp_path / short.name
    content = short.read_bytes()
    other.write_bytes(content.replace(b"isom", b"iso2"))
    assert other.stat().st_size == len(content) and other.read_bytes() != content
    answer = server.upload(other, **{"Idempotency-Key": "reused"})
    assert answer.status_code == 422 and answer.json()["error"] == "key_reused"
    assert "another video" in answer.json()["message"]
    server.ended(first["id"])
    assert server.ended(server.upload(other).json()["id"])["state"] == "done"


def test_the_list_comes_page_by_page(server, done, short):
    for _ in range(2):
        server.upload(short)
    numbers, before = [], None
    while True:
        page = server.client.get("/v1/jobs", params={"limit": 2} | ({"before": before} if before else {})).json()
        numbers += [job["number"] for job in page["jobs"]]
        if (before := page["next"]) is None:
            break
    assert numbers == sorted(set(numbers), reverse=True) and done["number"] in numbers
    assert len(numbers) == len(server.client.get("/v1/jobs", params={"limit": 200}).json()["jobs"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/jobs/" + "0" * 32, 404),
        ("GET", "/v1/jobs/..%2f..%2fjobs.sqlite3/result", 404),
        ("GET", "/v1/jobs/%00/report", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e%2fapp.py", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/v1/jobs?before=99999999999999999999", 422),
        ("GET", "/v1/jobs?state=lost", 422),
    ],
)
def test_every_fault_is_one_sentence(server, method, path, status):
    answer = server.client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"} and "\n" not in answer.json()["message"]


def test_head_is_answered_as_get_is_without_a_body(server, done):
    paths = ["/", f"/jobs/{done['id']}", "/jobs/none", f"/parts/jobs/{done['id']}", "/login", "/static/page.js"]
    paths += ["/openapi.json", "/healthz", "/v1/jobs", *done["links"].values(), "/v1/jobs/none/result", "/nowhere"]

    def states():
        return {job["state"] for job in server.client.get("/v1/jobs").json()["jobs"]}

    wait_for(lambda: states() <= {"done", "failed"})  # nothing changes between the requests
    for path in paths:
        get, head = server.client.get(path), server.client.head(path)
        assert head.status_code == get.status_code and head.content == b"", path
        assert {k: v for k, v in head.headers.items() if k != "date"} == {
            k: v for k, v in get.headers.items() if k != "date"
        }, path
    head = server.client.head("/v1/events")  # which never ends for GET
    assert head.status_code == 200 and head.headers["content-type"].startswith("text/event-stream")
    assert server.client.head("/metrics").status_code == 200
    assert server.client.head("/v1/jobs/none/delete").status_code in (404, 405)
    assert all("head" not in methods for methods in server.client.get("/openapi.json").json()["paths"].values())


def test_an_address_in_place_of_a_file_is_told_of(server):
    fields = {"file": (None, "https://example.org/talk.mp4"), "other": (None, "https://a.b/c")}
    answer = server.client.post("/v1/jobs", files=fields)
    assert answer.status_code == 422 and answer.json()["error"] == "no_file"
    assert "holds a network address, and facetell does not use the network" in answer.json()["message"]


def test_no_result_before_the_end(server, woman):
    job = server.upload(woman).json()
    answer = server.client.get(job["links"]["result"])
    assert answer.status_code == 409 and answer.json()["error"] == "not_done"
    server.client.delete(job["links"]["self"])


def test_every_answer_carries_the_security_headers(server):
    for path in ("/", "/v1/jobs", "/healthz", "/nowhere", "/static/page.js", "/openapi.json"):
        headers = server.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"] and "unsafe" not in str(headers)
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin" and "server" not in headers


def test_the_pages_hold_no_inline_script_or_style(server, done):
    for path in ("/", f"/jobs/{done['id']}", "/jobs/none"):
        text = server.client.get(path).text
        assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|javascript:", text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_can_neither_upload_nor_delete(server, done, short, headers):
    assert server.upload(short, **headers).json()["error"] == "other_site"
    for method, path in (("DELETE", done["links"]["self"]), ("POST", f"/jobs/{done['id']}/delete"), ("POST", "/jobs")):
        assert server.client.request(method, path, headers=headers).status_code == 403
    assert server.job(done["id"])["state"] == "done"


def test_our_own_origin_may(server, short):
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    job = server.upload(short, **own).json()
    assert server.client.delete(job["links"]["self"], headers=own).status_code == 204


def test_a_name_that_someone_points_at_this_machine_is_refused(server):
    for host, status in (("evil.example", 421), ("localhost:1", 200), ("10.0.0.7", 200), ("[fe80::1]:8000", 200)):
        assert server.client.get("/v1/jobs", headers={"Host": host}).status_code == status
    assert server.client.get("/healthz", headers={"Host": "box.example"}).status_code == 200


def test_figures_for_a_monitor(server, done):
    from prometheus_client.parser import text_string_to_metric_families

    def read():
        families = text_string_to_metric_families(server.client.get("/metrics").text)
        return {sample.name: sample for family in families for sample in family.samples}

    wait_for(lambda: read()["facetell_workers_ready"].value == 1)  # another test may have ended the process
    figures = read()
    assert figures["facetell_free_bytes"].value > 0
    assert figures["facetell_job_seconds_count"].value >= 1
    assert figures["facetell_upload_bytes_total"].value >= done["size"]


def test_the_description_is_whole(server):
    document = server.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = [
        (path, method, work) for path, methods in document["paths"].items() for method, work in methods.items()
    ]
    assert len(described) == 10
    for path, _, work in described:
        assert work["summary"] and work["description"], path
        for status, answer in work["responses"].items():
            assert answer["description"], (path, status)
            if status >= "400" and path != "/healthz":
                (content,) = answer["content"].values()
                assert content["schema"]["$ref"].endswith("/Fault") and content["example"]["message"], (path, status)


def test_one_minute_and_one_day_are_not_plural(tmp_path):
    service = Service(ServeSettings(tmp_path / "data", Limits(duration=60), keep_seconds=86400, model=FAST))
    text = render("home.html", service, jobs=[], first=True, older=None).body.decode()
    service.stop()
    assert ", 1 minute and" in text and "after 1 day." in text


def test_jobs_expire(tmp_path, short):
    with Server(tmp_path / "data", "--keep-days", "0.00001") as server:  # just under a second
        job = server.upload(short).json()
        wait_for(lambda: server.client.get(job["links"]["self"]).status_code == 404)
        wait_for(lambda: server.files() == set())

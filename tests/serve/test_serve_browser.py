"""The page in headless Chromium, on a desk and on a phone."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from serving import SECONDS, Server, serving, wait_for

from chromium import DESK, PHONE
from facetell.assets import locate
from facetell.engine.card import read_card
from facetell.report.strings import MODEL_SAYS, READINGS
from facetell.report.words import percent
from facetell.serve import strings
from facetell.serve.settings import Limits
from fixtures import BROKEN, FAST_FILE

WAIT = 1000 * SECONDS


@pytest.fixture(scope="module")
def one_site(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("site") / "data", "--max-mb", "8") as server:
        yield server


@pytest.fixture
def site(one_site):
    """A server without jobs."""
    yield one_site
    for job in one_site.client.get("/v1/jobs").json()["jobs"]:
        one_site.client.delete(job["links"]["self"])


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request, browser):
    with browser.new_context(viewport=request.param, timezone_id="Europe/Berlin") as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        expect.set_options(timeout=WAIT)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda m: "Content Security Policy" in m.text and page.faults.append(m.text))
        yield page
        assert page.faults == []


@pytest.fixture
def desk(browser):
    with browser.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        expect.set_options(timeout=WAIT)
        yield page


def choose(page, *paths):
    page.set_input_files("#files", [str(path) for path in paths])


def rows(page, state=None):
    return page.locator(f'#jobs .job[data-state="{state}"]' if state else "#jobs .job")


def jobs(site):
    return site.client.get("/v1/jobs").json()["jobs"]


def no_sideways(page):
    page.wait_for_load_state()  # without its style a page has another width
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_upload_progress_result_report_delete(site, page, tmp_path):
    page.goto(site.url)
    expect(page.locator("#empty")).to_be_visible()
    assert page.locator("#files").get_attribute("multiple") is not None and page.locator("#send").is_hidden()
    with site.held() as advance:
        choose(page, locate("sample_man"), locate("sample_no_face"))
        wait_for(lambda: advance() or any(job["progress"] for job in jobs(site)))
        expect(page.locator("#jobs progress[value]").first).to_be_visible()  # two, until the row is refreshed
        states = page.locator("#jobs .job .state")
        expect(states.filter(has_text=re.compile(r"Scoring, \d+ % done")).first).to_be_visible()
    expect(rows(page, "done")).to_have_count(2)
    numbers = [int(row.get_attribute("data-number")) for row in rows(page).all()]
    assert numbers == sorted(numbers, reverse=True)
    expect(page.locator("#empty")).to_be_hidden()
    text = page.locator("#jobs").inner_text()
    results = {job["name"]: job["summary"] for job in jobs(site)}
    man = results[locate("sample_man").name]
    low, high = map(percent, man["interval"])
    assert f"Probability of forged: {percent(man['probability'])} ({low} to {high})" in text
    assert "no face was found in it" in text
    no_sideways(page)
    page.screenshot(path=tmp_path / "home.png", full_page=True)

    page.locator("#jobs .job", has_text=locate("sample_man").name).get_by_role("link").click()
    expect(page.locator(".verdict h2")).to_have_text(READINGS[man["verdict"]])
    expect(page.locator(".gauge")).to_be_visible()
    expect(page.locator(".verdict .model")).to_have_text(f"{MODEL_SAYS} {read_card(FAST_FILE).limits[0]}")
    no_sideways(page)
    page.screenshot(path=tmp_path / "job.png", full_page=True)
    page.get_by_role("link", name=strings.REPORT).click()
    expect(page.locator(".chart .slider")).to_be_visible()  # the report's own script runs under its own policy
    assert page.evaluate("window.origin") == "null"  # and in a sandbox: it can reach nothing of ours
    page.go_back()

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator(".delete button").click()
    expect(page.locator(".verdict h2")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator(".delete button").click()
    expect(rows(page)).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    rows(page).first.locator(".delete button").click()
    expect(rows(page)).to_have_count(0)
    assert jobs(site) == []


def test_wrong_and_too_large_files_are_told_of_and_the_next_is_sent(site, page, tmp_path, short):
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(9 * 2**20))
    page.goto(site.url)
    choose(page, large, BROKEN["text"](tmp_path), short)
    uploads = page.locator("#uploading")
    expect(uploads).to_contain_text("large.mp4 is larger than 8.0 MiB: cut out the part that matters.")
    expect(uploads).to_contain_text("text.mp4: the file is not a video that can be read")
    expect(rows(page, "done")).to_have_count(1)
    assert "large" not in site.client.get("/metrics").text.split("facetell_uploads_refused_total")[-1]  # never sent
    no_sideways(page)


def test_dropping_files_uploads_them(site, desk, short):
    desk.goto(site.url)
    content = list(short.read_bytes())
    desk.evaluate(
        """(content) => {
            const transfer = new DataTransfer();
            for (const name of ["a.mp4", "b.mp4"]) transfer.items.add(new File([new Uint8Array(content)], name));
            window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
        }""",
        content,
    )
    expect(rows(desk, "done")).to_have_count(2)


def test_dropping_a_folder_or_a_link_says_to_drop_files(site, desk, tmp_path):
    (tmp_path / "clips").mkdir()
    video = tmp_path / "text.mp4"
    video.write_text("no video")
    desk.goto(site.url)
    browser = desk.context.new_cdp_session(desk)

    def drop(**data):
        what = {"items": [], "dragOperationsMask": 1, **data}
        for kind in ("dragEnter", "dragOver", "drop"):
            browser.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": what})

    uploads = desk.locator("#uploading")
    drop(files=[str(tmp_path / "clips"), str(video)])
    expect(uploads).to_contain_text(strings.SCRIPT["folder"].format(name="clips"))
    expect(uploads).to_contain_text("text.mp4: the file is not a video that can be read")
    expect(uploads.locator("li")).to_have_count(2)
    drop(items=[{"mimeType": "text/uri-list", "data": "https://example.org/talk.mp4"}])
    expect(uploads).to_contain_text(strings.SCRIPT["notFile"])


def test_reload_in_the_middle_shows_where_it_stands(site, desk, short):
    desk.goto(site.url)
    with site.held():
        choose(desk, short)
        expect(rows(desk, "running")).to_have_count(1)
        desk.reload()
        expect(rows(desk, "running")).to_have_count(1)
    expect(rows(desk, "done")).to_have_count(1)
    assert len(jobs(site)) == 1


def test_a_server_that_goes_away_is_told_of_and_found_again(site, desk, short):
    desk.goto(site.url)
    with site.held():
        choose(desk, short)
        expect(rows(desk, "running")).to_have_count(1)
        port = site.url.rsplit(":", 1)[1]
        site.kill()
    expect(desk.locator("#lost")).to_be_visible()
    choose(desk, short)
    expect(desk.locator("#uploading")).to_contain_text("short.mp4: the server cannot be reached.")
    site.words = (*site.words, "--port", port)  # the last --port counts
    site.start()
    expect(desk.locator("#lost")).to_be_hidden()
    desk.get_by_role("button", name=strings.SCRIPT["again"]).click()
    expect(rows(desk, "done")).to_have_count(2)  # the new one, and the one that was cut short


def test_where_too_many_listen_the_page_asks_now_and_then(tmp_path, desk, short):
    with serving(tmp_path / "data", Limits(listeners=1)) as (url, _), httpx.stream("GET", f"{url}/v1/events") as other:
        lines = other.iter_lines()  # kept: when it goes, the stream is closed
        assert next(lines).startswith("retry")
        with desk.expect_response("**/v1/events") as refused:
            desk.goto(url)
        assert refused.value.status == 429
        httpx.post(
            f"{url}/v1/jobs", files={"file": (short.name, short.read_bytes())}, timeout=SECONDS
        ).raise_for_status()
        expect(rows(desk, "queued")).to_have_count(1)
        expect(desk.locator("#lost")).to_be_hidden()


def test_a_full_queue_is_waited_for(tmp_path, desk, short):
    with Server(tmp_path / "data", "--max-queue", "1") as site:
        with site.held():
            site.upload(short, "running.mp4")
            wait_for(lambda: jobs(site)[0]["state"] == "running")
            site.upload(short, "queued.mp4")
            desk.goto(site.url)
            choose(desk, short)
            expect(desk.locator("#uploading")).to_contain_text("the server is busy, trying again in 10 s")
        expect(rows(desk, "done").filter(has_text="short.mp4")).to_have_count(1)


def test_with_a_token_the_page_asks_for_it(tmp_path, desk, short):
    token = "a-token-of-enough-signs"
    with Server(tmp_path / "data", "--token", token) as site:
        desk.goto(site.url)
        desk.fill("#token", "wrong-wrong-wrong-wrong")
        desk.get_by_role("button").click()
        expect(desk.get_by_role("alert")).to_have_text(strings.WRONG_TOKEN)
        desk.fill("#token", token)
        desk.get_by_role("button").click()
        choose(desk, short)
        expect(rows(desk, "done")).to_have_count(1)
        assert desk.evaluate("document.cookie") == ""
        desk.get_by_role("button", name=strings.LOGOUT).click()
        expect(desk.locator("#token")).to_be_visible()
        desk.goto(f"{site.url}/")
        expect(desk.locator("#token")).to_be_visible()


def test_a_session_that_ended_leads_to_the_login(tmp_path, desk, short):
    token = "a-token-of-enough-signs"
    with Server(tmp_path / "data", "--token", token) as site:
        for ends_by in ("upload", "restart"):
            desk.goto(site.url)
            desk.fill("#token", token)
            with desk.expect_response("**/parts/jobs"):  # the script is at work, and has asked what there is
                desk.get_by_role("button").click()
            expect(desk.locator("#files[multiple]")).to_be_visible()
            asked = []
            desk.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))  # noqa: B023
            if ends_by == "upload":
                desk.context.clear_cookies()
                choose(desk, short, short)
            else:
                site.kill()
                site.words = (*site.words, "--token", "another-token-of-signs", "--port", site.url.rsplit(":", 1)[1])
                site.start()
            expect(desk.locator("#token")).to_be_visible()
            assert asked == []


def test_a_row_that_is_renewed_keeps_the_keyboard(site, desk, short):
    desk.goto(site.url)
    with site.held():
        choose(desk, short)
        expect(rows(desk, "running")).to_have_count(1)
        rows(desk).get_by_role("button").focus()
    expect(rows(desk, "done")).to_have_count(1)
    expect(rows(desk, "done").get_by_role("button")).to_be_focused()
    desk.get_by_role("link", name=short.name).click()
    expect(desk.locator(".detail")).to_be_visible()


def test_a_verdict_is_announced_where_the_page_was_open(site, desk, short):
    with site.held():
        job = site.upload(short).json()
        desk.goto(f"{site.url}/jobs/{job['id']}")
        expect(desk.locator(".detail")).to_be_visible()
    expect(desk.locator("#news")).to_have_text(re.compile("|".join(map(re.escape, READINGS.values()))))


def test_without_script_the_forms_do_the_same(site, browser, short):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.goto(site.url)
        choose(page, short)
        page.click("#send")
        assert re.fullmatch(rf"{site.url}/jobs/[0-9a-f]{{32}}", page.url)
        site.ended(page.url.rsplit("/", 1)[1])
        page.reload()
        assert page.locator(".verdict.genuine, .verdict.inconclusive, .verdict.forged").count() == 1
        page.click(".delete button")
        expect(page.locator("#empty")).to_be_visible()

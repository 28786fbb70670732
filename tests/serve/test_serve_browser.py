"""The page in headless Chromium, with the viewport of a desktop and of a phone."""

import re

import pytest
from playwright.sync_api import expect
from serving import TOKEN, Server, wait_for

from chromium import DESK, PHONE, check_accessible
from facetell.assets import locate
from facetell.engine.card import read_card
from facetell.report.words import READINGS, percent
from fixtures import BROKEN, FAST_FILE


@pytest.fixture(scope="module")
def one_site(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("site") / "data", "--max-mb", "8") as server:
        yield server


@pytest.fixture
def site(one_site):
    """A server without jobs."""
    yield one_site
    for job in one_site.jobs():
        one_site.client.delete(f"/v1/jobs/{job['id']}")


@pytest.fixture
def desk(open_page):
    return open_page(viewport=DESK)


def choose(page, *paths):
    expect(page.locator("#upload[data-ready]")).to_be_visible()
    page.set_input_files("#files", [str(path) for path in paths])


def rows(page, state=None):
    return page.locator(f'#jobs .job[data-state="{state}"]' if state else "#jobs .job")


def log_in(page, token):
    page.fill("#token", token)
    page.get_by_role("button").click()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_upload_progress_result_report_delete(site, open_page, viewport):
    page = open_page(viewport=viewport, timezone_id="Europe/Berlin")
    page.goto(site.url)
    expect(page.locator("#empty")).to_be_visible()
    with site.held() as advance:
        choose(page, locate("sample_man"), locate("sample_no_face"))
        wait_for(lambda: advance() or any(job["progress"] for job in site.jobs()))
        expect(page.locator("#jobs progress[value]").first).to_be_visible()
        states = page.locator("#jobs .job .state")
        expect(states.filter(has_text=re.compile(r"Scoring, \d+ % done")).first).to_be_visible()
    expect(rows(page, "done")).to_have_count(2)
    numbers = [int(row.get_attribute("data-number")) for row in rows(page).all()]
    assert numbers == sorted(numbers, reverse=True)
    expect(page.locator("#empty")).to_be_hidden()
    text = page.locator("#jobs").inner_text()
    man = next(job["summary"] for job in site.jobs() if job["name"] == locate("sample_man").name)
    low, high = map(percent, man["interval"])
    assert f"Probability of manipulation: {percent(man['probability'])} ({low} to {high})" in text
    assert "no face was found in it" in text
    check_accessible(page)

    for name, found in (("HTTP API", "POST /v1/jobs"), ("One report of the newest videos", "2 videos")):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=found, exact=True)).to_be_visible()
        check_accessible(page)
        page.go_back()

    page.locator("#jobs .job", has_text=locate("sample_man").name).get_by_role("link").click()
    expect(page.locator(".verdict h2")).to_have_text(READINGS[man["verdict"]])
    expect(page.locator(".gauge")).to_be_visible()
    _, forged, genuine = read_card(FAST_FILE).rates
    flagged = f"{100 * forged:.0f} of 100 forged and {100 * genuine:.0f} of 100 genuine videos"
    expect(page.locator(".verdict .model")).to_contain_text(flagged)
    expect(page.locator(".verdict img")).to_have_js_property("naturalWidth", 112)
    check_accessible(page)
    page.get_by_role("link", name="Open the report").click()
    expect(page.locator(".chart .slider")).to_be_visible()  # the report's own script runs under its own policy
    assert page.evaluate("window.origin") == "null"  # in a sandbox that hides cookies and pages
    page.go_back()

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator(".delete button").click()
    expect(page.locator(".verdict h2")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(".delete button").click()
    expect(rows(page)).to_have_count(1)
    rows(page).first.locator(".delete button").click()
    expect(rows(page)).to_have_count(0)
    assert site.jobs() == []


def test_wrong_and_too_large_files_are_reported_and_the_next_is_uploaded(site, desk, tmp_path, short):
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(9 * 2**20))
    desk.goto(site.url)
    choose(desk, large, BROKEN["text"](tmp_path), short)
    uploads = desk.locator("#uploading")
    expect(uploads).to_contain_text("large.mp4 is larger than 8.0 MiB: upload a shorter segment.")
    expect(uploads).to_contain_text("text.mp4: unsupported or corrupt video file")
    expect(rows(desk, "done")).to_have_count(1)
    assert "too_large" not in site.metrics()  # never sent
    for _ in range(2):
        desk.get_by_role("button", name="Dismiss").first.click()
    expect(desk.locator("#uploading li.problem")).to_have_count(0)


def test_the_page_is_in_the_language_of_the_browser(site, open_page, tmp_path, short):
    page = open_page(viewport=PHONE, locale="de-DE")
    page.goto(site.url)
    choose(page, BROKEN["text"](tmp_path), short)
    expect(page.locator("#uploading")).to_contain_text("text.mp4: nicht unterstützte oder beschädigte Videodatei")
    expect(rows(page, "done")).to_contain_text("gefälscht erkannt")
    expect(rows(page).get_by_role("button")).to_have_text("Löschen")
    check_accessible(page)
    rows(page).get_by_role("link").click()
    page.get_by_role("link", name="Bericht öffnen").click()
    expect(page.get_by_role("heading", name="Wie die Zahlen zu lesen sind")).to_be_visible()


def test_dropped_files_are_uploaded_folders_and_links_are_not(site, desk, tmp_path, short):
    (tmp_path / "clips").mkdir()
    desk.goto(site.url)
    browser = desk.context.new_cdp_session(desk)

    def drop(**data):
        what = {"items": [], "dragOperationsMask": 1, **data}
        for kind in ("dragEnter", "dragOver", "drop"):
            browser.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": what})

    drop(files=[str(tmp_path / "clips"), str(short)])
    uploads = desk.locator("#uploading")
    expect(uploads).to_contain_text("clips is a folder: drop the video files in it.")
    drop(items=[{"mimeType": "text/uri-list", "data": "https://example.org/talk.mp4"}])
    expect(uploads).to_contain_text("That is not a file: download the video, then drop the file here.")
    expect(rows(desk, "done")).to_have_count(1)


def test_a_reload_shows_the_current_state(site, desk, short):
    desk.goto(site.url)
    with site.held():
        choose(desk, short)
        expect(rows(desk, "running")).to_have_count(1)
        desk.reload()
        expect(rows(desk, "running")).to_have_count(1)
        rows(desk).get_by_role("button").focus()
    expect(rows(desk, "done")).to_have_count(1)
    expect(rows(desk, "done").get_by_role("button")).to_be_focused()  # of a row that was replaced
    assert len(site.jobs()) == 1


def test_a_server_that_stops_is_reported_and_found_again(site, desk, short):
    desk.goto(site.url)
    with site.held():
        choose(desk, short)
        expect(rows(desk, "running")).to_have_count(1)
        site.kill()
    expect(desk.locator("#lost")).to_be_visible()
    choose(desk, short)
    expect(desk.locator("#uploading")).to_contain_text("short.mp4: the server cannot be reached.")
    site.words = (*site.words, "--port", site.url.rsplit(":", 1)[1])  # the last --port counts
    site.start()
    expect(desk.locator("#lost")).to_be_hidden()
    desk.get_by_role("button", name="Try again").click()
    expect(rows(desk, "done")).to_have_count(2)  # the new one, and the one that was interrupted


def test_the_page_waits_while_the_queue_is_full(tmp_path, desk, short):
    with Server(tmp_path / "data", "--max-queue", "1") as site:
        with site.held():
            site.ended(site.upload(short, "running.mp4").json()["id"], "running")
            site.upload(short, "queued.mp4")
            desk.goto(site.url)
            choose(desk, short)
            expect(desk.locator("#uploading")).to_contain_text("the server is busy, trying again in 10 s")
        expect(rows(desk, "done").filter(has_text="short.mp4")).to_have_count(1)


def test_with_a_token_the_page_asks_for_it_also_after_the_session_has_ended(tmp_path, desk, short):
    dialogs = []
    with Server(tmp_path / "data", "--token", TOKEN) as site:
        desk.goto(site.url)
        log_in(desk, "wrong-wrong-wrong-wrong")
        expect(desk.get_by_role("alert")).to_have_text("That is not the token of this server: check it and try again.")
        log_in(desk, TOKEN)
        choose(desk, short)
        expect(rows(desk, "done")).to_have_count(1)
        assert desk.evaluate("document.cookie") == ""
        desk.get_by_role("button", name="Log out").click()
        expect(desk.locator("#token")).to_be_visible()
        desk.goto(f"{site.url}/")
        with desk.expect_response("**/v1/events"):
            log_in(desk, TOKEN)
        desk.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
        desk.context.clear_cookies()
        choose(desk, short, short)
        expect(desk.locator("#token")).to_be_visible()
    assert dialogs == []


def test_a_verdict_is_announced_on_the_page_of_its_video(site, desk, short):
    with site.held():
        desk.goto(f"{site.url}/jobs/{site.upload(short).json()['id']}")
    expect(desk.locator("#news")).to_have_text(re.compile("|".join(map(re.escape, READINGS.values()))))

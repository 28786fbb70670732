"""The report in headless Chromium: at the chart, by keyboard, on a phone and on paper."""

import re
import shutil
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from chromium import DESK, PHONE, check_accessible
from facetell.report.language import LANGUAGES
from facetell.report.page import Report


@pytest.fixture(scope="module")
def report(detector, woman, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    report = Report(detector)
    report.add(detector(woman))
    for language in LANGUAGES:
        path.with_stem(language).write_text(report.html(language), encoding="utf-8")
    return path.with_stem("en")


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request, open_page, report):
    page, asked = open_page(viewport=request.param), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    yield page
    assert {url.rpartition("/")[0] for url in asked} <= {report.parent.as_uri(), "data:image"}


def moments(page):
    """Of each clip: the text of the table, its image, and its place in the chart."""
    rows = page.locator(".values tbody tr").all()
    images = [row.locator("img").get_attribute("src") for row in rows]
    texts, places = ([row.get_attribute(name) for row in rows] for name in ("data-text", "data-x"))
    return [*zip(texts, images, map(float, places), strict=True)]


def shown(page):
    return page.locator(".when").inner_text(), page.locator(".moment img").get_attribute("src")


def test_pointing_at_the_chart_or_the_keyboard_shows_the_face_at_that_moment(page):
    chart, slider = page.locator(".plot svg"), page.get_by_role("slider")
    chart.scroll_into_view_if_needed()
    box, found = chart.bounding_box(), moments(page)
    assert len(found) > 3 and len({image for _, image, _ in found}) == len(found)
    for text, image, x in found:
        page.mouse.move(box["x"] + x / 640 * box["width"], box["y"] + box["height"] / 2)
        assert shown(page) == (text, image)
    slider.focus()
    page.keyboard.press("Home")
    for text, image, _ in found:
        assert shown(page) == (text, image) and slider.get_attribute("aria-valuetext") == text
        page.keyboard.press("ArrowRight")
    page.locator(".values summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".values table")).to_be_visible()


def printed(page):
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_accessible_and_on_two_pages_of_paper_is_all_that_was_found(page, report, language):
    page.goto(report.with_stem(language).as_uri())
    check_accessible(page)
    assert printed(page) <= 2
    page.emulate_media(media="print")
    hidden = ("nav", ".slider", ".hint", ".values", ".cursor", "summary", ".explained")
    for name in (*hidden, ".verdict", ".gauge", ".scene img", ".strip img", ".plot", ".cards", ".paper"):
        assert {element.is_visible() for element in page.locator(name).all()} == {name not in hidden}, name
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_many_faces_and_a_long_provenance_have_two_pages_as_well(open_page, detector, man, tmp_path):
    deep = tmp_path / ("d" * 250) / ("e" * 250) / "man.mp4"  # the page states the path
    deep.parent.mkdir(parents=True)
    verdict, report = detector(shutil.copy(man, deep)), Report(detector)
    manifest = {"signer": "A" * 400, "signed": None, "generator": "B" * 200, "actions": ["C" * 200] * 20}
    c2pa = {"state": "invalid", "message": "", "problems": ["D" * 200], "manifests": [manifest] * 8, "reader": None}
    tracks = tuple(replace(verdict.tracks[0], track_id=number) for number in range(60))
    file, warnings = verdict.file | {"c2pa": c2pa, "marks": ["E" * 80] * 4}, ("truncated file",) * 5
    report.add(replace(verdict, tracks=tracks, file=file, warnings=warnings))
    (tmp_path / "r.html").write_text(report.html(), encoding="utf-8")
    page = open_page()
    page.goto((tmp_path / "r.html").as_uri())
    assert printed(page) == 2


def test_a_link_of_the_table_opens_the_details_of_its_video(open_page, detector, man, woman, tmp_path):
    report = Report(detector, 2)
    for verdict in (detector(man), detector(woman)):
        report.add(replace(verdict, warnings=("truncated file",)))
    (tmp_path / "r.html").write_text(report.html(), encoding="utf-8")
    page = open_page(viewport=PHONE)
    page.goto((tmp_path / "r.html").as_uri())
    assert page.evaluate("document.documentElement.scrollHeight") < 3 * PHONE["height"]
    expect(page.locator(".badge:visible")).to_have_count(2)
    page.locator("#videos a").last.click()
    expect(page.locator("#v2")).to_be_visible()
    expect(page.locator("#v1")).not_to_be_visible()
    for viewport in (PHONE, DESK):
        page.set_viewport_size(viewport)
        check_accessible(page)

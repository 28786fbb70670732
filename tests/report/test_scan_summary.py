"""The summary shows the videos with the highest scores of any number, and sorts them in a real browser."""

import re

import numpy as np

from facetell.report.page import SHOWN, Summary
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict

ABOUT = {"facetell": "1", "settings": {"clips_per_second": 1.0, "max_faces": 8}}
ABOUT |= {"model": {"name": "net", "sha256": "0" * 64}, "engine": {"name": "e", "version": "1", "precision": "f32"}}


def scored(name, probability, faces=1):
    clip = ClipScore(1.0, 1.3, 0.0, probability, Crop(0.5, 0.5, 1))
    interval = (probability / 2, (1 + probability) / 2)
    tracks = tuple(
        TrackVerdict(n, Status.SCORED, probability, interval, 0.0, 0.0, 2.0, 99.0, (clip,)) for n in range(faces)
    )
    return VideoVerdict(name, Status.SCORED, Verdict.FORGED, probability, interval, tracks, duration=2.0)


def page_of(probabilities, errors=0):
    page = Summary(ABOUT, 0.5)
    for number, probability in enumerate(probabilities):
        page.add(scored(f"v{number:06d}.mp4", float(probability), 1 + number % 3), "")
    count = len(probabilities)
    counted = {"videos": count, "statuses": {"scored": count} if count else {}, "verdicts": {"forged": count}}
    return page.html({**counted, "duplicates": 0, "errors": errors})


def names(html):
    return re.findall(r'class="name" data-v="([^"]*)"', html)


def test_of_many_videos_those_with_the_highest_scores_are_shown_and_of_few_all():
    values = (np.random.default_rng(0).integers(0, 1000, 20_000) + 0.5) / 1000  # many are equal
    html = page_of(values)
    expected = sorted(range(len(values)), key=lambda number: (-values[number], number))[:SHOWN]
    assert names(html) == [f"v{number:06d}.mp4" for number in expected]
    assert f"The {SHOWN:,} videos with the highest scores".replace(",", "\u202f") in html and len(html) < 1_000_000
    counts = [int(text.replace("\u202f", "")) for text in re.findall(r'<td class="n">([\d\u202f]+)</td></tr>', html)]
    assert counts == np.histogram(values, np.linspace(0, 1, 21))[0].tolist() and sum(counts) == len(values)
    assert page_of(values) == html
    assert "All scored videos" in page_of([0.2, 0.9])
    empty = page_of([], errors=1)
    assert "No video was scored." in empty and "<table id" not in empty and 'href="errors.csv"' in empty


def test_a_browser_sorts_and_filters_it(open_page, tmp_path):
    from chromium import DESK, PHONE, check_accessible  # imports playwright

    (tmp_path / "page.html").write_text(page_of([0.2, 0.9, 0.5, 0.7]))
    page = open_page(viewport=PHONE)
    page.goto((tmp_path / "page.html").as_uri())

    def shown():
        return [name[:7] for name in page.locator("#videos tbody tr:visible .name").all_inner_texts()]

    def by(column):
        page.get_by_role("button", name=column, exact=True).click()
        return [int(name[-1]) for name in shown()]

    assert shown() == ["v000001", "v000003", "v000002", "v000000"], "by probability, as it comes"
    assert by("forged") == [0, 2, 3, 1], "one click turns it round"
    assert by("forged") == [1, 3, 2, 0]
    assert by("video") == [0, 1, 2, 3]
    assert by("result") == [1, 3, 2, 0], "the others as they were listed"
    page.fill("#filter", "V000002")
    assert shown() == ["v000002"] and page.locator("#shown").inner_text() == "1 of 4 shown"
    for viewport in (PHONE, DESK):
        page.set_viewport_size(viewport)
        check_accessible(page)

"""The report of real footage, of abstentions and of hostile names, read back by a parser."""

import base64
import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_reader import check_page, read

from facetell.assets import ASSETS, locate
from facetell.cli import main
from facetell.report import page as report_page
from facetell.report import strings
from facetell.report.page import TEMPLATES, Report
from facetell.report.pictures import Budget, collect_pictures
from facetell.report.result import to_result
from facetell.types import FacetellError, Status
from fixtures import BROKEN, FAST, ODD, sample_frames, write_frames


def report_of(detector, *verdicts):
    report = Report(detector, len(verdicts))
    for verdict in verdicts:
        report.add(verdict)
    return report.html()


@pytest.fixture(scope="module")
def of_man(detector, man):
    return detector(man)


@pytest.fixture(scope="module")
def html(detector, of_man):
    return report_of(detector, of_man)


@pytest.fixture(scope="module")
def of_two(detector, tmp_path_factory):
    """Two people side by side for two seconds."""
    pairs = zip(sample_frames("sample_woman", 50), sample_frames("sample_man", 50), strict=True)
    path = write_frames(tmp_path_factory.mktemp("two") / "two.mp4", (np.hstack(pair) for pair in pairs), fps=25)
    return detector(path)


@pytest.fixture(scope="module")
def abstained(detector, tmp_path_factory):
    """A verdict of each kind of abstention on a real file."""
    folder = tmp_path_factory.mktemp("abstained")
    small = write_frames(folder / "small.mp4", sample_frames("sample_man", 30)[:, ::6, ::6], fps=30)
    paths = [locate("sample_no_face"), ODD["one_frame"](folder), BROKEN["text"](folder), small]
    verdicts = [detector(path) for path in paths]
    expected = [Status.NO_FACE, Status.TOO_SHORT, Status.UNREADABLE]
    assert [v.status for v in verdicts[:3]] == expected and verdicts[3].status is not Status.SCORED
    return verdicts


@pytest.fixture(scope="module")
def several(detector, of_man, of_two, abstained):
    return report_of(detector, of_man, of_two, *abstained)


def test_a_page_is_whole_and_self_contained(html):
    check_page(html)
    assert len(html) < 3_000_000


def test_its_policy_lets_nothing_run_but_its_own(html):
    page = read(html)
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    (script,) = (e for e in page.all("script") if "type" not in e.attributes)
    for element, kind in ((script, "script-src"), (page.one("style"), "style-src")):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert not re.search(r"\beval\b|innerHTML|fetch\(|XMLHttp|import\(", script.text)


def test_the_embedded_result_is_the_result(html, several, of_man, of_two, abstained):
    for page, verdicts in ((html, [of_man]), (several, [of_man, of_two, *abstained])):
        embedded = json.loads(read(page).one("script", type="application/json").text)
        assert embedded == json.loads(json.dumps(to_result(verdicts)))


def test_it_says_what_was_found_and_what_is_needed_to_repeat_it(html, of_man, detector):
    text = read(html).text.replace("\N{NO-BREAK SPACE}", " ")
    low, high = of_man.interval
    assert f"{of_man.probability:.0%}".replace("%", " %") in text
    assert f"95 % interval: {100 * low:.0f} % to {100 * high:.0f} %" in text
    assert strings.READINGS[of_man.verdict] in text and strings.CAVEAT in text
    assert of_man.sha256 in text and detector.engine.sha256 in text
    assert "facetell detect" in text and f"--precision {detector.engine.precision}" in text


def test_a_name_that_looks_like_an_option_is_none_in_the_command(detector, of_man):
    text = read(report_of(detector, replace(of_man, path="-o man.mp4"))).text
    assert "facetell detect './-o man.mp4' --fps-scored" in text


def test_every_clip_stands_in_the_table_with_its_probability(html, of_man):
    page = read(html)
    rows = [e for e in page.all("tr") if "data-x" in e.attributes]
    (track,) = of_man.tracks
    assert len(rows) == len(track.clips) == len(page.all("polyline")[0].attributes["points"].split())
    for row, clip in zip(rows, track.clips, strict=True):
        assert f"{100 * clip.probability:.0f}\N{NO-BREAK SPACE}%" in row.text
        assert row.attributes["data-text"].endswith(f"{100 * clip.probability:.0f}\N{NO-BREAK SPACE}%")


def test_the_same_run_gives_the_same_bytes(html, detector, man):
    assert report_of(detector, replace(detector(man), seconds_spent=99.0)) == html


def test_its_command_gives_the_same_bytes(man, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--model", FAST, "--fps-scored", "1.7654321", "--max-clips", "3"]
    assert main(["detect", str(man), *words, "--report", "first.html"]) == 0
    html = Path("first.html").read_text("utf-8")
    assert "(evenly spaced)" in html and "At most 3 clips of a face are scored" in html
    (command,) = [e.text for e in read(html).all("code") if e.text.startswith("facetell detect ")]
    assert main(shlex.split(command)[1:]) == 0
    assert Path("report.html").read_text("utf-8") == html


def test_several_videos_have_a_summary_and_a_section_each(several, of_man, abstained):
    page = check_page(several)
    assert len(several) < 3_000_000
    links = [e for e in page.all("a") if "th" in e.parents]
    assert [e.text for e in links] == [Path(v.path).name for v in (of_man, replace(of_man, path="two.mp4"), *abstained)]
    assert len(page.all("article")) == len(links)


def test_each_of_two_people_is_shown_the_most_suspect_first(detector, of_two):
    page = check_page(report_of(detector, of_two))
    assert len(of_two.tracks) == 2
    worst = max(range(2), key=lambda index: of_two.tracks[index].probability)
    headings = [e.text for e in page.all("h3") if e.text.startswith("Face ")]
    assert headings == [f"Face {worst + 1}", f"Face {2 - worst}"]
    assert f"the most suspect of 2 scored faces, face {worst + 1}" in page.text
    assert "The threshold is corrected for 2 faces" in page.text


def test_an_abstention_is_explained_and_has_no_figure(detector, abstained):
    for verdict in abstained:
        page = check_page(report_of(detector, verdict))
        assert strings.ABSTAINED[verdict.status] in page.text and verdict.message in page.text
        assert strings.READINGS["none"] in page.text
        assert "Estimated probability" not in page.text and not page.all("img")


HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}<script>&lt;\udce9.mp4'


def test_a_hostile_name_is_only_text(detector, man, tmp_path):
    path = tmp_path / HOSTILE
    shutil.copy(man, path)
    html = report_of(detector, detector(path))
    page = check_page(html)
    html.encode("utf-8")
    name = HOSTILE.replace("\udce9", "\\udce9")
    assert page.all("h2")[0].text == name and "onerror=alert" not in html.replace("onerror=alert(1)&gt;", "").replace(
        "onerror=alert(1)\\u003e", ""
    )


def test_what_is_shown_is_what_the_model_saw(detector, of_man):
    worst = collect_pictures(of_man, detector.engine.info, Budget()).worst
    assert float(detector.engine.score(worst[None])[0]) == of_man.most_suspect.logit


def test_the_most_suspect_clip_is_shown_whoevers_it_is(detector, of_man):
    """Another face is more suspect on the whole, so that this one's is not among the faces shown."""
    (track,) = of_man.tracks
    calm = tuple(replace(clip, logit=-9.0, probability=0.01) for clip in track.clips)
    other = replace(track, track_id=99, probability=0.99, clips=calm)
    found = collect_pictures(replace(of_man, tracks=(track, other)), detector.engine.info, Budget(faces=1))
    assert float(detector.engine.score(found.worst[None])[0]) == of_man.most_suspect.logit


def test_no_video_is_its_own_reference(detector, of_man, monkeypatch):
    asked = []
    monkeypatch.setattr(report_page, "find_reference", lambda name, by: asked.append(name))
    references = report_page.References(detector)
    for name in ("sample_woman", "sample_man", "sample_woman"):
        references(replace(of_man, sha256=ASSETS[name].sha256))
    assert asked == ["sample_man", "sample_woman"], "each is scored once"


def test_a_file_that_changed_or_went_has_words_for_pictures(detector, of_man, man, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(man, path)
    path.write_bytes(path.read_bytes() + b"\0")
    page = check_page(report_of(detector, replace(of_man, path=str(path))))
    assert strings.FILE_CHANGED in page.text and not page.all("img")
    path.unlink()
    assert strings.FILE_GONE in check_page(report_of(detector, replace(of_man, path=str(path)))).text


def test_the_more_videos_the_fewer_pictures(detector, of_man):
    def images(videos):
        report = Report(detector, videos)
        report.add(of_man)
        return len(read(report.html()).all("img"))

    assert images(1) > images(10) > images(1000) > 0


def test_a_model_without_a_card_is_said_to_be_unknown(of_man, detector, tmp_path):
    from facetell.detector import Detector

    shutil.copy(detector.engine.path, tmp_path / "other.onnx")
    page = check_page(report_of(Detector(tmp_path / "other.onnx"), of_man))
    assert strings.NO_CARD in page.text and "--model" in page.text


def test_a_place_that_cannot_be_written_is_one_sentence_and_leaves_nothing(detector, of_man, tmp_path):
    (tmp_path / "file").write_text("")
    report = Report(detector)
    report.add(of_man)
    with pytest.raises(FacetellError, match=r"cannot write .*; choose another place"):
        report.write(tmp_path / "file" / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_all_words_stand_in_one_place():
    """No template holds a word of its own, and no string is left unused."""
    code = "".join(path.read_text() for path in TEMPLATES.parent.glob("*.py") if path.name != "strings.py")
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        code += text
        bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
        assert not re.search(r"[A-Za-z]", re.sub(r"<[^>]*>", "", bare)), template.name
    names = [name for name in vars(strings) if name.isupper()]
    assert len(names) > 50
    assert [name for name in names if not re.search(rf"\b(?:strings|t)\.{name}\b", code)] == []


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_colour_has_contrast(scheme):
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 on both grounds."""
    css = (TEMPLATES / "report.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", blocks[scheme]))
    for ground in ("paper", "tint"):
        for ink in ("ink", "soft", "accent", "forged", "genuine", "inconclusive", "none"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)

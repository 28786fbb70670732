"""The report of real footage, of abstentions and of hostile names, read back by a parser."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_reader import check_page, read

from facetell.assets import locate
from facetell.cli import main
from facetell.detector import Detector, Settings
from facetell.faces.regions import REGIONS, region_logits, region_map
from facetell.report import words
from facetell.report.images import FILE_CHANGED, FILE_GONE, Budget, collect_images, shown_crop
from facetell.report.page import Report
from facetell.report.result import to_result
from facetell.types import Crop, Status, Verdict
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
    pairs = zip(sample_frames("sample_woman", 50), sample_frames("sample_man", 50), strict=True)
    path = write_frames(tmp_path_factory.mktemp("two") / "two.mp4", (np.hstack(pair) for pair in pairs), fps=25)
    return detector(path)


@pytest.fixture(scope="module")
def abstained(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("abstained")
    small = write_frames(folder / "small.mp4", sample_frames("sample_man", 30)[:, ::6, ::6], fps=30)
    paths = [locate("sample_no_face"), ODD["one_frame"](folder), BROKEN["text"](folder), small]
    verdicts = [detector(path) for path in paths]
    expected = [Status.NO_FACE, Status.TOO_SHORT, Status.UNREADABLE]
    assert [v.status for v in verdicts[:3]] == expected and verdicts[3].status is not Status.SCORED
    return verdicts


def test_the_policy_allows_nothing_but_images_in_the_page_and_hashes(html):
    """That the hashes are those of its style and script is tested in a browser, which logs what it refuses."""
    policy = check_page(html).one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    kinds = dict(part.split(maxsplit=1) for part in policy.split("; "))
    assert kinds["default-src"] == "'none'" and kinds["img-src"] == "data:" and len(html) < 3_000_000
    assert all(kinds[name].startswith("'sha256-") and " " not in kinds[name] for name in ("style-src", "script-src"))


def test_a_page_has_the_result_and_what_is_needed_to_repeat_it(html, of_man, detector):
    page = read(html)
    text = page.text
    shown, low, high = (" ".join(words.percent(value).split()) for value in (of_man.probability, *of_man.interval))
    assert f"Estimated probability of manipulation: {shown} (95 % interval: {low} to {high})." in text
    assert words.READINGS[of_man.verdict] in text and "not a proof" in text
    assert of_man.sha256 in text and detector.engine.sha256 in text
    (track,) = of_man.tracks
    rows = [e for e in page.all("tr") if "data-x" in e.attributes]
    assert len(rows) == len(track.clips) == len(page.all("polyline")[0].attributes["points"].split())
    for row, clip in zip(rows, track.clips, strict=True):
        assert words.percent(clip.probability) in row.text


def test_the_same_call_gives_the_same_bytes(man, tmp_path):
    for name in ("a.html", "b.html"):
        words = ["--model", FAST, "--max-clips", "1", "--report", str(tmp_path / name)]
        assert main(["detect", str(man), *words]) == 0
    html = (tmp_path / "a.html").read_text("utf-8")
    assert "(evenly spaced)" in html and "At most 1 clips of a face are scored" in html
    assert (tmp_path / "b.html").read_text("utf-8") == html


def test_several_videos_are_a_table_with_the_rest_collapsed(detector, of_man, of_two, abstained):
    cut = replace(of_man, path="cut.mp4", warnings=("truncated file: 146 of 472 frames readable",))
    verdicts = [*abstained, of_man, of_two, cut]
    report = Report(detector, len(verdicts))
    shown = [report.add(verdict) for verdict in verdicts]
    page = check_page(html := report.html())
    assert len(html) < 3_000_000
    scored = sorted((of_man, of_two, cut), key=lambda verdict: -verdict.probability)
    links = [e for e in page.all("a") if "th" in e.parents]
    assert [e.text for e in links] == [Path(verdict.path).name for verdict in (*scored, *abstained)]
    assert len(page.all("article")) == len(links)
    assert all("details" in e.parents for e in page.all("article"))
    assert sum("th" in e.parents for e in page.all("img")) == 2, "in the rows of the files that can be read"
    (row,) = (e for e in page.all("tr") if e.text.startswith("cut.mp4"))
    assert "truncated file: 146 of 472" in row.text and "warning" in row.text
    embedded = json.loads(page.one("script", type="application/json").text)
    assert embedded == json.loads(json.dumps(to_result(shown)))


def test_the_face_that_decides_comes_first(detector, of_two):
    page = check_page(report_of(detector, of_two))
    assert len(of_two.tracks) == 2
    worst = max(range(2), key=lambda index: of_two.tracks[index].probability)
    headings = [e.text for e in page.all("h3") if e.text.startswith("Face ")]
    assert headings == [f"Face {worst + 1}", f"Face {2 - worst}"]
    assert f"the highest estimate of 2 scored faces: face {worst + 1}." in page.text
    assert "The threshold is corrected for 2 faces" in page.text
    lower = of_two.tracks[1 - worst]  # as where the other one is noisy
    page = check_page(report_of(detector, replace(of_two, probability=lower.probability, interval=lower.interval)))
    assert [e.text for e in page.all("h3") if e.text.startswith("Face ")] == headings[::-1]
    assert f"Face {2 - worst} decides (2 faces scored)" in page.text
    assert f"estimate of face {2 - worst}: faces with higher ones are noisy" in page.text
    page = check_page(report_of(detector, replace(of_two, verdict=Verdict.FORGED, threshold=0.01)))
    assert "Likely manipulated" in page.text and "resembles forged faces" not in page.text  # at a given threshold


def test_an_abstention_is_explained_and_has_no_figure(detector, abstained):
    for verdict in abstained:
        page = check_page(report_of(detector, verdict))
        assert words.READINGS["none"] in page.text and f"Message of the detector: {verdict.message}" in page.text
        assert "Estimated probability" not in page.text and not page.all("img")


def test_a_hostile_name_is_only_text(detector, man, tmp_path):
    path = tmp_path / '"><img src=x onerror=alert(1)>{{7*7}}<script>&lt;\x1b\udce9.mp4'
    shutil.copy(man, path)
    html = report_of(detector, detector(path))
    html.encode("utf-8")
    assert check_page(html).all("h2")[0].text == path.name.replace("\udce9", "\\udce9").replace("\x1b", "\\x1b")


def test_the_highest_scoring_clip_is_shown_as_the_model_was_given_it(detector, of_man):
    images, note = collect_images(of_man, detector.engine.info, Budget(faces=1))
    (clips,) = images.values()
    (worst,) = (clip for clip in clips.values() if clip.scene)
    assert note == "" and worst.clip == of_man.most_suspect
    assert float(detector.engine.score(np.stack(worst.frames)[None])[0]) == of_man.most_suspect.logit


def test_the_regions_of_a_model_that_scores_patches_are_in_its_highest_clip(detector, of_man, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(detector.engine, "outputs", None)  # not called: the fast model scores no patches
        (track,) = Report(detector).add(of_man).tracks
    assert track.regions == ()
    report = Report(scoring := Detector(settings=Settings(max_clips=1)))
    (track,) = report.add(verdict := scoring(of_man.path)).tracks
    frame, *parts = track.regions
    assert [frame.region, *(part.region for part in parts)] == ["frame", *REGIONS]
    assert verdict.most_suspect.logit > frame.logit >= max(part.logit for part in parts)
    assert all(part.probability == scoring.engine.info.calibration.probability(part.logit) for part in parts)
    assert "What the score of face 1 rests on" in report.html()


def test_patches_are_of_the_region_that_most_of_their_pixels_are_of(face_networks):
    find, mesh = face_networks
    (image,) = sample_frames("sample_man", 1)
    points = mesh.from_detection(image, find.detect(image)[0]).landmarks
    points = (points - points.min(axis=0) + 20) * 224 / (np.ptp(points, axis=0).max() + 40)
    regions = region_map(points, 224)
    for name, landmark in {"eyes": 159, "mouth": 13, "nose": 4, "skin": 205}.items():
        x, y = points[landmark].astype(int)
        assert list(REGIONS)[regions[y, x]] == name
        patches = np.full((14, 14), -9.0, np.float32)
        patches[y // 16, x // 16] = 11.0
        found = region_logits(regions, patches.ravel())
        assert found["frame"] == pytest.approx(-5) and max([*REGIONS], key=found.get) == name


def test_images_do_not_repeat_the_edge_of_the_frame():
    image = np.full((100, 100, 3), (255, 0, 0), np.uint8)
    inside, half = (shown_crop(image, Crop(x, 50.0, 80.0), 160) for x in (50.0, 100.0))
    assert (inside == (255, 0, 0)).all()
    assert (half[:, :80] == (255, 0, 0)).all()
    grey = half[:, 80:]
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 0] == grey[..., 2]).all() and np.ptp(grey) > 20


def test_a_high_clip_of_a_low_result_is_explained(detector, of_man):
    (track,) = of_man.tracks
    highest = of_man.most_suspect.probability
    low = replace(of_man, verdict=Verdict.GENUINE, threshold=highest)
    words = f"threshold alone: 1 of {len(track.clips)}, the highest at"
    assert words in check_page(report_of(detector, low)).text
    for other in (replace(low, threshold=highest + 0.01), replace(low, verdict=Verdict.FORGED)):
        assert "threshold alone" not in check_page(report_of(detector, other)).text


def test_a_file_that_changed_or_is_gone_has_no_images(detector, of_man, man, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(man.read_bytes() + b"\0")
    page = check_page(report_of(detector, replace(of_man, path=str(path))))
    assert FILE_CHANGED in page.text and not page.all("img")
    path.unlink()
    assert FILE_GONE in check_page(report_of(detector, replace(of_man, path=str(path)))).text


def test_without_a_model_card_the_accuracy_is_unknown(of_man, detector, tmp_path):
    shutil.copy(detector.engine.path, tmp_path / "other.onnx")
    assert "There is no model card" in check_page(report_of(Detector(tmp_path / "other.onnx"), of_man)).text

"""The parts of what a run writes: charts, quality, plots and the table in the terminal, with figures by hand."""

import io
import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import jsonschema
import pytest
from report_reader import read
from rich.console import Console

from facetell.engine.card import Card
from facetell.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, make_chart
from facetell.report.page import FaceView, environment, write_plot
from facetell.report.result import SCHEMA_PATH, to_result, write_result
from facetell.report.table import print_table
from facetell.types import ClipScore, Crop, RegionScore, Status, TrackVerdict, Verdict, VideoVerdict


def track_of(times, probabilities):
    clips = tuple(ClipScore(t, t + 0.28, p, p, Crop(100, 100, 200)) for t, p in zip(times, probabilities, strict=True))
    return TrackVerdict(0, Status.SCORED, 0.5, (0.4, 0.6), 0.0, times[0], times[-1] + 0.28, 150.0, clips)


def test_a_chart_places_time_and_probability():
    chart = make_chart(track_of([0.0, 1.0, 2.0], [0.0, 1.0, 0.5]), 0.5)
    assert [p.y for p in chart.points] == [HEIGHT - BOTTOM, TOP, (HEIGHT - BOTTOM + TOP) / 2]
    assert LEFT < chart.points[0].x < chart.points[2].x < WIDTH - RIGHT
    assert chart.points[1].x - chart.points[0].x == pytest.approx((WIDTH - LEFT - RIGHT) / 2.28, abs=0.2)
    assert chart.threshold == chart.points[2].y and [time for _, time in chart.ticks][:2] == [0.0, 0.5]


SHORT = TrackVerdict(0, Status.TOO_SHORT, None, None, None, 0.0, 0.1, 88.0)
FORGED = replace(track_of([75.0], [0.75]), track_id=7, probability=0.75)


@pytest.mark.parametrize(
    ("frame", "mouth", "eyes", "found"), [(0.5, 0.4, 0, "mouth"), (0.5, 0, 0.3, "eyes"), (0, 0, -1, "")]
)
def test_a_score_rests_on_a_part_if_half_of_it_or_more_is_of_its_patches(frame, mouth, eyes, found):
    regions = tuple(RegionScore(*row, 0.25) for row in (("frame", frame), ("mouth", mouth), ("eyes", eyes)))
    face = FaceView(2, replace(FORGED, regions=regions), make_chart(FORGED, 0.5))
    template = "{% from 'regions.html' import regions with context %}{{ regions(f) }}"
    text = environment("en").from_string(template).render(f=face)
    assert (f"blended or changed: strongest in the {found}." if found else "rests on the frame as a whole") in text
    assert "the mouth 25\xa0%, the eyes 25\xa0%." in text


def verdict_of(name, *tracks, **values):
    return VideoVerdict(
        name, Status.SCORED, Verdict.FORGED, 0.75, (0.5, 0.9), tracks, threshold=0.5, duration=99.0, **values
    )


def quality_of(detector, card, fps, **tracks):
    faces = [FaceView(int(name[1:]), track, make_chart(track, 0.5)) for name, track in tracks.items()]
    result = verdict_of("a.mp4", fps=fps, file={"codec": "h264", "size": 99_000})
    text = "{% from 'quality.html' import quality with context %}{{ quality(result, faces, [], info, card) }}"
    page = environment("en").from_string(text).render(result=result, faces=faces, info=detector.engine.info, card=card)
    return [row.text for row in read(page).all("tr")]


def test_quality_is_what_was_measured_and_its_effect_on_the_accuracy_that_of_the_card(detector):
    track = track_of([0.0, 1.0], [0.5, 0.5])  # 150 pixels wide
    _, width, rate, compression, decoding = quality_of(detector, Card(), 10.0, n3=track)
    assert width.startswith("Width of face 3150 pixels (median)Face crop 200 px") and "test videos" not in width
    assert rate.startswith("Frame rate10 frames per second") and "coarser" in rate
    assert compression.startswith("Compressionh264, 8 kbit/s") and "no errors" in decoding
    card = Card(aucs=(("as it is", 0.9), ("faces 160 pixels wide", 0.7), ("faces 64 pixels wide", 0.5)))
    _, first, second, rate, *_ = quality_of(detector, card, 30.0, n1=track, n2=replace(track, face_width=161.0))
    assert "AUC was 0.700 with faces 160 pixels wide, 0.900 unchanged" in first
    assert "test videos" not in second and "coarser" not in rate


CHECKED = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
ROLLED = replace(FORGED, clips=(replace(FORGED.clips[0], crop=Crop(51.5, 52.0, 100.0, math.radians(-30))),))
PROVENANCE = {key: {} for key in ("facetell", "python", "model", "engine", "assets", "settings")}
SCORED = verdict_of("a.mp4", ROLLED, sha256="0" * 64, width=64, height=36, fps=25.0, provenance=PROVENANCE)
NOTHING = {"probability": None, "interval": None, "tracks": (), "sha256": None}
ABSTAINED = replace(SCORED, status=Status.NO_FACE, verdict=Verdict.NONE, **NOTHING)


def test_scored_and_abstained_are_valid_and_survive_json():
    result = to_result([SCORED, ABSTAINED])
    CHECKED.check_schema(CHECKED.schema)
    CHECKED.validate(json.loads(json.dumps(result)))
    (clip,) = result["videos"][0]["tracks"][0]["clips"]
    assert clip["square"] == [1.5, 2.0, 101.5, 102.0] and clip["roll"] == -30
    assert result["videos"][1]["probability"] is None


def test_the_schema_refuses_a_status_and_number_that_disagree():
    wrong = [replace(SCORED, **{name: value}) for name, value in (("probability", None), ("probability", 1.5))]
    for verdict in (*wrong, replace(ABSTAINED, probability=0.5), replace(SCORED, provenance={})):
        with pytest.raises(jsonschema.ValidationError):
            CHECKED.validate(to_result([verdict]))


def test_a_result_has_no_times_and_any_name(tmp_path):
    for name, seconds in (("a.json", 0.5), ("b.json", 99.0)):
        write_result([replace(SCORED, path="caf\udce9.mp4", seconds_spent=seconds)], tmp_path / "deep" / name)
    first, second = (json.loads(path.read_text()) for path in sorted((tmp_path / "deep").iterdir()))
    assert first == second and first["videos"][0]["path"] == "caf\\udce9.mp4"


def plotted(verdict, folder):
    write_plot(verdict, folder / "plot.svg")
    tree = ElementTree.parse(folder / "plot.svg")
    return [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_a_plot_has_the_faces_with_the_highest_estimates_by_their_numbers(tmp_path):
    assert any("Face 2: 75" in text for text in plotted(verdict_of("a.mp4", SHORT, FORGED), tmp_path))
    many = [replace(FORGED, track_id=number, probability=number / 100) for number in range(60)]
    texts = plotted(verdict_of("a.mp4", *many), tmp_path)
    assert [text.split(":")[0] for text in texts if text.startswith("Face")] == [f"Face {n}" for n in range(60, 53, -1)]
    assert "53 more faces are in the JSON." in texts


@pytest.mark.parametrize("name", ["t\x1b]0;p\x07.mp4", "a\nb", "caf\udce9", ":smile:[red]<b>.mp4", "\u65e5\u672c.mp4"])
def test_any_name_is_on_one_line_of_the_table_and_the_plot(name, tmp_path):
    shown = name if name.isprintable() else name.encode("unicode_escape").decode()
    assert lines(name, 120)[1].startswith(shown)
    unread = VideoVerdict(name, Status.UNREADABLE, Verdict.NONE, None, None, (), message=f"{name} cannot be read")
    assert plotted(unread, tmp_path) == [f"{shown}: not scored", f"{shown} cannot be read"]


def lines(name, width, **values):
    console = Console(file=io.StringIO(), width=width)
    scored = verdict_of(name, FORGED, seconds_spent=9.9, **values)
    print_table([scored, VideoVerdict("b.mp4", Status.FACE_TOO_SMALL, Verdict.NONE, None, None, ())], console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [55, 64, 80])
def test_a_narrow_terminal_folds_the_names_and_the_figures_and_cuts_nothing_off(width):
    name = "a_rather_long_name_of_a_video.mp4"
    found = lines(name, width)
    assert "".join(line[: line.find(" ")] for line in found if not line.startswith(" ")) == f"file{name}b.mp4"
    assert {"forged", "75%", "1:15.0", "(75%)", "10.0"} <= set(" ".join(found).split())


def test_a_verdict_on_a_part_of_a_file_is_marked():
    (_, row, _), (_, marked, _) = (lines("a.mp4", 120, warnings=warnings) for warnings in ((), ("truncated file",)))
    assert "(!)" not in row and "forged (!)" in marked

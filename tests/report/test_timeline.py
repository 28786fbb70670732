"""The plot of the scores over time."""

import warnings
from dataclasses import replace

import pytest

from facetell.report.timeline import draw_timeline, make_timeline
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict

SHORT = TrackVerdict(0, Status.TOO_SHORT, None, None, None, 0.0, 0.1, 88.0)
CLIP = ClipScore(0.0, 0.28, 1.25, 0.75, Crop(50, 50, 100))
SCORED = TrackVerdict(7, Status.SCORED, 0.75, (0.5, 0.9), 1.25, 0.0, 2.0, 88.0, (CLIP,))


def test_a_face_has_the_number_of_its_place_in_the_result():
    verdict = VideoVerdict("a.mp4", Status.SCORED, Verdict.FORGED, 0.75, (0.5, 0.9), (SHORT, SCORED), duration=2.0)
    (legend,) = make_timeline(verdict, 0.5).legends
    assert [text.get_text() for text in legend.get_texts()] == ["face 2: 75%"]


def test_of_many_faces_those_with_the_highest_estimates_are_named():
    tracks = tuple(replace(SCORED, track_id=number, probability=number / 100) for number in range(60))
    verdict = VideoVerdict("a.mp4", Status.SCORED, Verdict.NONE, 0.59, (0.5, 0.9), tracks, duration=2.0)
    (legend,) = make_timeline(verdict, 0.5).legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == [*(f"face {number}: {number - 1}%" for number in range(54, 61)), "53 more"]


def test_an_abstention_is_drawn_as_its_reason():
    verdict = VideoVerdict("a.mp4", Status.TOO_SHORT, Verdict.NONE, None, None, (SHORT,), message="it is too short")
    figure = make_timeline(verdict, 0.5)
    assert "it is too short" in [text.get_text() for text in figure.axes[0].texts] and not figure.legends


@pytest.mark.parametrize("name", ["caf\udce9.mp4", "\u65e5\u672c.mp4", "a\nb\x1b.mp4", r"$\frac$.mp4"])
def test_any_name_can_be_drawn(name, tmp_path):
    verdict = VideoVerdict(name, Status.UNREADABLE, Verdict.NONE, None, None, (), message=f"{name} cannot be read")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_timeline(verdict, 0.5, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

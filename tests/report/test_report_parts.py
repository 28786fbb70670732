"""The parts of the report, each against figures computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from facetell.engine.card import Card
from facetell.report import strings
from facetell.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, make_chart, ranked, shown_clips
from facetell.report.heat import activation, draw, second_differences, top_of
from facetell.report.quality import describe_quality, read_facts
from facetell.report.words import percent
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict
from fixtures import encode


def clip_of(levels):
    """Frames of one grey level each."""
    return np.stack([np.full((40, 40, 3), level, np.uint8) for level in levels])


def track_of(times, probabilities):
    clips = tuple(ClipScore(t, t + 0.28, p, p, Crop(100, 100, 200)) for t, p in zip(times, probabilities, strict=True))
    return TrackVerdict(0, Status.SCORED, 0.5, (0.4, 0.6), 0.0, times[0], times[-1] + 0.28, 150.0, clips)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([90] * 5, 0), ([10, 20, 30, 40], 0), ([100, 110, 100, 110], 20), ([0, 0, 30], 30), ([50, 60, 90, 100], 20)],
)
def test_second_differences_by_hand(levels, expected):
    values = second_differences(clip_of(levels))
    assert values.mean() == pytest.approx(expected, abs=1e-3) and values.shape == (40, 40)


def test_second_differences_have_a_place():
    frames = clip_of([100] * 6)
    frames[::2, :, 30:] = 120
    values = second_differences(frames)
    assert values[:, 34:].min() > 30 > 1 > values[:, :20].max()
    drawn = draw(values, frames[0], top_of(values))
    assert drawn.shape == (224, 224, 3) and drawn[:, 196:].mean() > 3 * drawn[:, :112].mean()


def test_the_activation_is_drawn_over_its_place_in_the_face():
    maps = np.zeros((4, 10, 10), np.float32)
    maps[1, 7:, :] = 4.0  # at the bottom, in one of four differences
    values = activation(maps, 40)
    assert values.shape == (40, 40) and values[:20].max() == 0
    assert values[36:].min() == pytest.approx(1.0, abs=0.01)


def test_a_chart_places_time_and_probability():
    chart = make_chart(track_of([0.0, 1.0, 2.0], [0.0, 1.0, 0.5]), 0.5)
    assert [p.y for p in chart.points] == [HEIGHT - BOTTOM, TOP, (HEIGHT - BOTTOM + TOP) / 2]
    assert LEFT < chart.points[0].x < chart.points[2].x < WIDTH - RIGHT
    assert chart.points[1].x - chart.points[0].x == pytest.approx((WIDTH - LEFT - RIGHT) / 2.28, abs=0.2)
    assert chart.threshold == chart.points[2].y and [label for _, label in chart.ticks][:2] == ["0:00", "0:00.5"]


def test_a_line_is_broken_where_the_face_is_away():
    chart = make_chart(track_of([0.0, 1.0, 2.0, 12.0, 13.0], [0.5] * 5), 0.5)
    assert [len(line.split()) for line in chart.lines] == [3, 2]


def test_a_long_track_shares_points_and_keeps_the_highest():
    rng = np.random.default_rng(0)
    track = track_of([float(i) for i in range(1000)], rng.random(1000).tolist())
    points = shown_clips(track)
    assert len(points) == 200 and points == sorted(points)
    assert ranked(track)[0] in points
    assert make_chart(track, 0.5).group == 5


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0 %"), (0.004, "under 1 %"), (0.826, "83 %"), (0.996, "over 99 %"), (1.0, "100 %")]
)
def test_no_figure_is_rounded_to_certainty(value, words):
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == words


def rows_of(man, detector, card, fps, *faces):
    verdict = VideoVerdict(
        str(man), Status.SCORED, Verdict.INCONCLUSIVE, 0.5, (0.4, 0.6), (faces[0][1],), duration=2.0, fps=fps
    )
    rows = describe_quality(verdict, read_facts(man), detector.engine.info, card, faces)
    return {what: (measured, effect) for what, measured, effect in rows}


def test_quality_is_what_was_measured(detector, man, tmp_path):
    facts = read_facts(man)
    assert facts.size == man.stat().st_size and facts.codec == "h264"
    rows = rows_of(man, detector, Card(), 10.0, (3, track_of([0.0, 1.0], [0.5, 0.5])))
    assert rows["Compression"][0].startswith(f"h264, {round(facts.size * 4 / 1000)} kbit/s")
    assert rows["Frame rate"][0] == "10 frames per second" and "coarser" in rows["Frame rate"][1]
    assert "150" in rows["Width of face 3"][0] and "200" in rows["Width of face 3"][1]
    assert "test videos" not in rows["Compression"][1] + rows["Width of face 3"][1]
    assert read_facts(tmp_path / "none.mp4").size is None


def test_without_a_stated_rate_that_of_the_clips_is_given(detector, man):
    track = track_of([0.0, 1.0], [0.5, 0.5])
    track = replace(track, clips=tuple(replace(clip, t1=clip.t0 + 7 / 30) for clip in track.clips))
    measured, effect = rows_of(man, detector, Card(), None, (1, track))["Frame rate"]
    assert measured == strings.RATE_UNKNOWN and effect.startswith("Sampled at 30 frames per second")


def test_effects_on_the_accuracy_come_from_the_model_card(detector, man):
    names = ("as it is", "re-encoded, H.264 crf 23", "re-encoded, H.264 crf 40", "faces 160 pixels wide")
    card = Card(aucs=tuple(zip((*names, "faces 64 pixels wide"), (0.9, 0.8, 0.6, 0.7, 0.5), strict=True)))
    track = track_of([0.0, 1.0], [0.5, 0.5])  # 150 pixels wide
    rows = rows_of(man, detector, card, 30.0, (1, track), (2, replace(track, face_width=161.0)))
    figures = "0.800 at crf 23, 0.600 at crf 40"
    assert rows["Compression"][1].endswith(strings.RECODED.format(before=0.9, figures=figures))
    assert rows["Width of face 1"][1].endswith(strings.NARROWED.format(width=160, auc=0.7, before=0.9))
    assert "test videos" not in rows["Width of face 2"][1]


@pytest.mark.parametrize(
    ("codec", "options", "coder"),
    [
        ("libx264", {"crf": "37"}, "x264, crf 37"),
        ("libx264", {"qp": "30"}, "x264, qp 30"),
        ("libx264", {"b": "300000"}, "x264, bitrate 300 kbit/s"),
        ("libx265", {"crf": "31.5", "x265-params": "log-level=none"}, "x265, crf 31.5"),
        ("libvpx-vp9", {}, ""),
    ],
)
def test_the_encoders_note_is_read(tmp_path, codec, options, coder):
    path = tmp_path / ("a.mp4" if "x26" in codec else "a.webm")
    frames = [np.full((64, 64, 3), grey, np.uint8) for grey in range(60, 90)]
    encode(path, frames, codec=codec, pix_fmt="yuv420p", fps=30, options=options)
    assert read_facts(path).coder == coder

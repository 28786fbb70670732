"""The parts of the report, each against figures worked out by hand."""

import time
from dataclasses import replace

import av
import numpy as np
import pytest

from facetell.engine import model_path
from facetell.evaluate.corruptions import LIMITS, SHORTCUTS
from facetell.report import strings
from facetell.report.card import NARROWED, RECODED, Card, Measured, read_card
from facetell.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, make_chart
from facetell.report.condition import describe_condition, read_facts
from facetell.report.heat import draw_heat, response, scale_colours, second_differences
from facetell.report.points import shown_points, suspects
from facetell.report.words import percent
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict
from fixtures import encode


def clip_of(levels):
    """Pictures of one grey each."""
    return np.stack([np.full((40, 40, 3), level, np.uint8) for level in levels])


def track_of(times, probabilities):
    clips = tuple(ClipScore(t, t + 0.28, p, p, Crop(100, 100, 200)) for t, p in zip(times, probabilities, strict=True))
    return TrackVerdict(0, Status.SCORED, 0.5, (0.4, 0.6), 0.0, times[0], times[-1] + 0.28, 150.0, clips)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([90] * 5, 0), ([10, 20, 30, 40], 0), ([100, 110, 100, 110], 20), ([0, 0, 30], 30), ([50, 60, 90, 100], 20)],
)
def test_second_differences_by_hand(levels, expected):
    heat = second_differences(clip_of(levels))
    assert heat.mean == pytest.approx(expected, abs=1e-3) and heat.values.shape == (40, 40)


def test_second_differences_show_where():
    frames = clip_of([100] * 6)
    frames[::2, :, 30:] = 120
    heat = second_differences(frames)
    assert heat.values[:, 34:].min() > 30 > 1 > heat.values[:, :20].max()
    drawn = draw_heat(heat, heat.top, 80)
    assert drawn.shape == (80, 80, 3) and drawn[:, 70:].mean() > 3 * drawn[:, :40].mean()


def test_the_networks_response_is_laid_over_the_face_where_it_is():
    maps = np.zeros((4, 10, 10), np.float32)
    maps[1, 7:, :] = 4.0  # at the bottom, in one of four moments
    heat = response(maps, clip_of([100] * 6))
    assert heat.values.shape == (40, 40) and heat.values[:20].max() == 0
    assert heat.values[36:].min() == pytest.approx(1.0, abs=0.01)


def test_two_pictures_have_no_second_difference():
    with pytest.raises(ValueError, match="three frames"):
        second_differences(clip_of([1, 2]))


def test_the_scale_grows_brighter_all_the_way():
    light = [int(c[1:3], 16) * 0.3 + int(c[3:5], 16) * 0.59 + int(c[5:], 16) * 0.11 for c in scale_colours()]
    assert light == sorted(light)


def test_a_chart_places_time_and_probability():
    chart = make_chart(track_of([0.0, 1.0, 2.0], [0.0, 1.0, 0.5]), 0.5)
    assert [p.y for p in chart.points] == [HEIGHT - BOTTOM, TOP, (HEIGHT - BOTTOM + TOP) / 2]
    assert LEFT < chart.points[0].x < chart.points[2].x < WIDTH - RIGHT
    assert chart.points[1].x - chart.points[0].x == pytest.approx((WIDTH - LEFT - RIGHT) / 2.28, abs=0.2)
    assert chart.threshold == chart.points[2].y and [label for _, label in chart.ticks][:2] == ["0:00", "0:00.5"]


def test_a_line_is_broken_where_the_face_was_away():
    chart = make_chart(track_of([0.0, 1.0, 2.0, 12.0, 13.0], [0.5] * 5), 0.5)
    assert [len(line.split()) for line in chart.lines] == [3, 2]


def test_a_long_track_shares_points_and_keeps_the_most_suspect():
    rng = np.random.default_rng(0)
    track = track_of([float(i) for i in range(1000)], rng.random(1000).tolist())
    points = shown_points(track)
    assert len(points) == 200 and points == sorted(points)
    assert suspects(track)[0] in points
    assert make_chart(track, 0.5).group == 5


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0 %"), (0.004, "under 1 %"), (0.826, "83 %"), (0.996, "over 99 %"), (1.0, "100 %")]
)
def test_no_figure_claims_more_than_it_knows(value, words):
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == words


def test_a_card_is_read_into_blocks(tmp_path):
    (tmp_path / "m.md").write_text(
        "# Card\n\nRun `facetell`\nnow.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "## Limits\n\n- one\n  more\n- two\n\n## End\n\n- x\n"
    )
    card = read_card(tmp_path / "m.onnx")
    assert [block.kind for block in card.blocks] == ["heading", "text", "table", "heading", "list", "heading", "list"]
    assert card.blocks[1].lines == ("Run facetell now.",) and card.blocks[2].rows == (("a", "b"), ("1", "2"))
    assert card.limits == ("one more", "two")


def test_no_card_is_an_empty_card(tmp_path):
    assert read_card(tmp_path / "m.onnx").blocks == () and read_card(tmp_path / "m.onnx").limits == ()


def test_the_released_model_states_its_limits():
    assert len(read_card(model_path()).limits) >= 3


def test_condition_tells_only_what_was_measured(detector, man, tmp_path):
    facts = read_facts(man)
    assert facts.size == man.stat().st_size and facts.codec == "h264"
    track = track_of([0.0, 1.0], [0.5, 0.5])
    verdict = VideoVerdict(
        str(man), Status.SCORED, Verdict.INCONCLUSIVE, 0.5, (0.4, 0.6), (track,), duration=2.0, fps=10.0
    )
    rows = {row.what: row for row in describe_condition(verdict, facts, detector.engine.info, Card(), [(3, track)])}
    assert rows["Compression"].measured.startswith(f"h264, {round(facts.size * 4 / 1000)} kbit/s")
    assert "coarser" in rows["Frame rate"].effect and rows["Frame rate"].measured == "10 pictures a second"
    assert "150" in rows["Width of face 3"].measured and "200" in rows["Width of face 3"].effect
    assert "In general" not in rows["Compression"].effect + rows["Width of face 3"].effect
    assert read_facts(tmp_path / "none.mp4").size is None


def test_where_no_rate_is_stated_that_of_the_clips_counts(detector, man):
    track = track_of([0.0, 1.0], [0.5, 0.5])
    track = replace(track, clips=tuple(replace(clip, t1=clip.t0 + 7 / 30) for clip in track.clips))
    verdict = VideoVerdict(str(man), Status.SCORED, Verdict.INCONCLUSIVE, 0.5, (0.4, 0.6), (track,), duration=2.0)
    rows = {row.what: row for row in describe_condition(verdict, read_facts(man), detector.engine.info, Card(), [])}
    assert rows["Frame rate"].measured == strings.RATE_UNKNOWN
    assert rows["Frame rate"].effect.startswith("Sampled at 30 a second")


def test_what_a_condition_does_comes_from_the_models_own_measurement(detector, man, tmp_path):
    head = "| the same videos | AUC | 95 % interval |\n|---|---|---|\n| as it is | 0.9 | 0.8 to 1.0 |\n"
    (tmp_path / "m.md").write_text(
        f"## Shortcuts\n\n{head}| re-encoded, H.264 crf 23 | 0.8 | - |\n| re-encoded, H.264 crf 40 | 0.6 | - |\n\n"
        f"## Where it holds\n\n{head}| faces 160 pixels wide | 0.7 | - |\n| faces 64 pixels wide | 0.5 | - |\n"
    )
    card = read_card(tmp_path / "m.onnx")
    assert card.measured(RECODED) == [Measured(23, "0.8", "0.9"), Measured(40, "0.6", "0.9")]
    track = track_of([0.0, 1.0], [0.5, 0.5])  # 150 pixels wide
    verdict = VideoVerdict(
        str(man), Status.SCORED, Verdict.INCONCLUSIVE, 0.5, (0.4, 0.6), (track,), duration=2.0, fps=30.0
    )
    faces = [(1, track), (2, replace(track, face_width=161.0))]
    rows = {row.what: row for row in describe_condition(verdict, read_facts(man), detector.engine.info, card, faces)}
    assert rows["Compression"].effect.endswith(
        strings.RECODED.format(before="0.9", figures="0.8 at crf 23, 0.6 at crf 40")
    )
    assert rows["Width of face 1"].effect.endswith(strings.NARROWED.format(width=160, auc="0.7", before="0.9"))
    assert "In general" not in rows["Width of face 2"].effect


def test_a_card_calls_treatments_as_they_call_themselves():
    for treatments, pattern in ((SHORTCUTS, RECODED), (LIMITS, NARROWED)):
        assert sum(bool(pattern.fullmatch(treatment.about)) for treatment in treatments.values()) >= 3


@pytest.mark.parametrize(
    ("codec", "options", "coder"),
    [
        ("libx264", {"crf": "37"}, "x264, crf 37"),
        ("libx264", {"qp": "30"}, "x264, qp 30"),
        ("libx264", {"b": "300000"}, "x264, bitrate 300 kbit/s"),
        ("libx265", {"crf": "31.5"}, "x265, crf 31.5"),
        ("libvpx-vp9", {}, ""),
    ],
)
def test_what_the_encoder_noted_is_told(tmp_path, codec, options, coder):
    path = tmp_path / ("a.mp4" if "x26" in codec else "a.webm")
    options = {**options, "x265-params": "log-level=none"} if codec == "libx265" else options
    pictures = [np.full((64, 64, 3), grey, np.uint8) for grey in range(60, 90)]
    encode(path, pictures, codec=codec, pix_fmt="yuv420p", fps=30, options=options)
    assert read_facts(path).coder == coder


def coded(path, side=64, crf=37):
    """Thirty grey pictures by x264."""
    pictures = [np.full((side, side, 3), grey, np.uint8) for grey in range(60, 90)]
    return encode(path, pictures, codec="libx264", pix_fmt="yuv420p", options={"crf": str(crf)})


def copy_packets(source, output, stream, before=b""):
    """Copy the packets of a video to a stream, the first of them behind ``before``."""
    for packet in source.demux(video=0):
        if packet.dts is None:
            continue
        copy = av.Packet(before + bytes(packet))
        copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        copy.is_keyframe, copy.stream, before = packet.is_keyframe, stream, b""
        output.mux(copy)


@pytest.mark.parametrize("note", [b"x264 - options: ", b"x264 ", b"x264 options: crf ", b"x265 - " + b"options: " * 20])
def test_a_file_full_of_notes_keeps_nobody_busy(tmp_path, note):
    payload = bytes(range(16, 32)) + note * (60_000 // len(note))
    unit = b"\x06\x05" + b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255]) + payload + b"\x80"  # SEI
    path = tmp_path / "busy.mp4"
    with av.open(str(coded(tmp_path / "a.mp4"))) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        copy_packets(source, output, stream, len(unit).to_bytes(4, "big") + unit)
    started = time.process_time()
    assert read_facts(path).codec == "h264"
    assert time.process_time() - started < 1


def test_the_note_is_that_of_the_stream_that_is_read(tmp_path):
    path = tmp_path / "two.mp4"
    small, large = coded(tmp_path / "small.mp4", 32, 20), coded(tmp_path / "large.mp4")
    with av.open(str(small)) as first, av.open(str(large)) as second, av.open(str(path), "w") as output:
        streams = [output.add_stream_from_template(source.streams.video[0]) for source in (first, second)]
        for stream in streams:  # else only the first is
            stream.disposition = av.stream.Disposition.default
        for source, stream in zip((first, second), streams, strict=True):
            copy_packets(source, output, stream)
    assert read_facts(small).coder == "x264, crf 20"
    assert read_facts(path).coder == read_facts(large).coder == "x264, crf 37"

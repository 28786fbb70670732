"""Presentation times: stamps in decoding order, leaps, pauses and missing stamps."""

from fractions import Fraction
from itertools import chain

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.faces.clips import HOLE
from facetell.video.clock import LEAP_STEP_S, Clock, StampOrder
from fixtures import encode
from video.painted import encode_at, numbered, seen_in

LEAP = 50_000.0


def frame_at(stamp):
    frame = av.VideoFrame(16, 16, "gray")
    frame.pts, frame.time_base = stamp, Fraction(1, 1000)
    return frame


# --- order


def decode(coded, stamps, lost):
    """The stamps of a decoder with a delay, by the places of frames and the stamps of packets in order of decoding."""
    order = StampOrder(10**6)
    out = []
    waiting = {}
    shown = 0
    gone = coded[lost] if lost >= 0 else -1
    for number, (place, stamp) in enumerate(zip(coded, stamps, strict=True)):
        order.send(stamp)
        if number != lost:
            waiting[place] = stamp
        while shown in waiting or shown == gone:
            if shown != gone:
                out.append([frame.pts or 0 for frame in order.receive(frame_at(waiting.pop(shown)))])
            shown += 1
    return [*out, [frame.pts or 0 for frame in order.flush()]]


@st.composite
def coded_orders(draw):
    """Decoding orders: runs of B-frames after their anchor, in any order among themselves."""
    order = [0]
    while len(order) < 40:
        run, first = draw(st.integers(0, 5)), len(order)
        order += [first + run, *draw(st.permutations(range(first, first + run)))]
    return order


@settings(max_examples=100, deadline=None)
@given(coded_orders(), st.lists(st.integers(1, 200), min_size=50, max_size=50), st.just(-1) | st.integers(4, 39))
def test_nth_frame_has_nth_smallest_stamp_also_after_a_lost_packet(coded, steps, lost):
    if lost >= 0:
        coded = [0, 3, 1, 2, *(place + 4 for place in coded)]  # the order is known before the loss
    times = np.cumsum(steps)[: len(coded)].tolist()
    out = [*chain.from_iterable(decode(coded, times, lost))]
    assert out == [time for number, time in enumerate(times) if number != lost], "stamps in decoding order"
    in_presentation_order = decode(coded, [times[place] for place in coded], -1)
    assert in_presentation_order == [[time] for time in times] + [[]], "none is held back"


B_FRAMES = {"bf": "3", "b-pyramid": "normal", "preset": "veryfast", "g": "24"}
RATE = 30


def h264(path, images):
    """H.264 with B-frames at 30 frames per second, in the container of the suffix."""
    return encode(path, images, codec="libx264", pix_fmt="yuv420p", fps=RATE, options=B_FRAMES)


def avi_of_double_rate(folder, images):
    """AVI at twice the frame rate, every second place of its index empty, as a copy from MP4 has it."""
    path = folder / "copied.avi"
    with av.open(str(h264(folder / "a.avi", images))) as source, av.open(str(path), "w") as output:
        chunks = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        copy = output.add_stream_from_template(source.streams.video[0])
        copy.time_base = Fraction(1, 2 * RATE)
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base, packet.is_keyframe = copy, copy.time_base, number == 0
            packet.pts = packet.dts = 2 * number
            output.mux(packet)
    return path


def mp4_without_ctts(folder, images):
    """MP4 without its table of presentation times and its edit list."""
    path = h264(folder / "without_ctts.mp4", images)
    data = path.read_bytes()
    assert data.count(b"ctts") == data.count(b"edts") == 1
    path.write_bytes(data.replace(b"ctts", b"free").replace(b"edts", b"free"))
    return path


@pytest.mark.parametrize("make", [avi_of_double_rate, mp4_without_ctts])
def test_frames_are_timed_by_presentation_in_every_file(make, tmp_path):
    count = 48
    numbers, times, reader = seen_in(make(tmp_path, [numbered(number) for number in range(count)]))
    assert numbers == list(range(count)) and reader.errors == ()
    assert reader.info.fps == pytest.approx(RATE) and reader.info.duration == pytest.approx(count / RATE, abs=0.02)
    np.testing.assert_allclose(times[:-1], np.arange(count - 1) / RATE, atol=1e-6)
    # FFmpeg's parser places the last frame of an index with empty places half an interval early.
    assert times[-1] == pytest.approx((count - 1) / RATE, abs=0.6 / RATE)


def test_a_file_without_stamps_is_timed_by_its_rate_with_a_note(tmp_path):
    numbers, times, reader = seen_in(h264(tmp_path / "raw.h264", [numbered(number) for number in range(48)]))
    assert numbers == list(range(48))
    np.testing.assert_allclose(times, np.arange(48) / RATE)
    (note,) = reader.errors
    assert note == "there are no usable time stamps: frames are timed by their order at 30 frames per second"


VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "5", "auto-alt-ref": "1"}
CODECS = {
    "libx264": ({"bf": "3", "preset": "veryfast"}, "mp4 mov mkv avi flv ts 3gp asf nut"),
    "libx265": ({"preset": "ultrafast", "x265-params": "log-level=error:bframes=3:rc-lookahead=5"}, "mp4 mkv ts"),
    "mpeg4": ({"bf": "2"}, "mp4 avi m4v"),
    "mpeg2video": ({"bf": "2"}, "mkv ts mpg vob mxf"),
    "libvpx-vp9": (VPX, "mp4 webm ivf"),
}


@pytest.mark.parametrize(("codec", "suffix"), [(c, s) for c, (_, names) in CODECS.items() for s in names.split()])
def test_every_pair_of_container_and_codec_is_read_in_order(codec, suffix, tmp_path):
    images = [numbered(number) for number in range(20)]
    path = tmp_path / f"v.{suffix}"
    encode(path, images, codec=codec, pix_fmt="yuv420p", fps=25, options=CODECS[codec][0])
    numbers, times, reader = seen_in(path)
    assert numbers == list(range(20)) and reader.errors == () and reader.info.fps == pytest.approx(25)
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=2e-3)


# --- leaps


def stamps_of(*stretches):
    """Seconds of stretches of frames at 25 per second, each from its first second on."""
    return [start + number / 25 for start, count in stretches for number in range(count)]


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_a_leap_of_the_clock_is_not_part_of_the_duration(suffix, tmp_path):
    path = encode_at(tmp_path / f"leap{suffix}", stamps_of((0, 50), (2 + LEAP, 50)), "libx264")
    numbers, times, reader = seen_in(path)
    assert numbers == list(range(100))
    assert reader.duration == pytest.approx(4.0, abs=0.01) and reader.damage == ()
    assert reader.errors == ("the clock leaps forward by 13:53:20 at 2.0 s: times here count without the leap",)
    steps = np.diff(times)
    assert steps[49] == pytest.approx(LEAP_STEP_S, abs=2e-3) and LEAP_STEP_S > HOLE, "no clip reaches across"
    np.testing.assert_allclose(np.delete(steps, 49), 0.04, atol=2e-3)


def test_joined_recordings_go_on_and_the_step_back_is_noted(tmp_path):
    one = encode_at(tmp_path / "one.ts", stamps_of((0, 75)), "libx264").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(one + one)
    numbers, times, reader = seen_in(path)
    lost = 150 - len(numbers)  # the first recording ends in a packet that may be cut off
    assert numbers[-75:] == list(range(75)) and numbers[:-75] == sorted(numbers[:-75])
    assert 0 <= lost == reader.damaged <= 5
    assert reader.duration == pytest.approx(6.0, abs=lost / 25 + 0.01)
    assert any(note.startswith("the clock leaps back by 0:00:03 at ") for note in reader.errors)
    np.testing.assert_allclose(np.sort(np.diff(times))[[0, 100, -1]], [0.04, 0.04, LEAP_STEP_S], atol=1e-3)


@pytest.mark.parametrize(("suffix", "pause", "kept"), [(".mkv", 60, True), (".ts", 9, True), (".ts", 60, False)])
def test_a_pause_keeps_the_times_that_players_show(suffix, pause, kept, tmp_path):
    _, times, reader = seen_in(encode_at(tmp_path / f"pause{suffix}", stamps_of((0, 25), (1 + pause, 25)), "libx264"))
    assert reader.duration == pytest.approx(2 + pause * kept, abs=0.1)
    if kept:
        assert reader.errors == () and times[25] == pytest.approx(1 + pause, abs=2e-3)
    else:
        assert "leaps forward by 0:01:00 at 1.0 s" in reader.errors[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9), st.integers(0, 200)), min_size=1))
def test_times_increase_whatever_the_stamps(stamps):
    clock = Clock(0.04, 10.0)
    times = [clock.seconds(frame_at(stamp), drop_late=False) for stamp in stamps]
    assert times[0] == 0 and None not in times and all(np.diff(np.array(times, float)) > 0)
    assert times[-1] is not None and times[-1] < 10.0 * len(stamps)


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([0, 40, None, 120], [0, 0.04, 0.08, 0.12]),
        ([0, 0, 0, 0], [0, 0.04, 0.08, 0.12]),
        ([0, 40, 9000, 9040], [0, 0.04, 9.0, 9.04]),
        ([9000, 9040, 0, 40], [0, 0.04, 0.165, 0.205]),
        ([0, 80, 40, 120], [0, 0.08, 0.09, 0.12]),
        ([400, 440, 0, 40, 80, 120], [0, 0.04, 0.05, 0.06, 0.185, 0.225]),
    ],
)
def test_clock_on_known_stamps(stamps, times):
    clock = Clock(0.04, 10.0)
    assert [clock.seconds(frame_at(stamp), drop_late=False) for stamp in stamps] == pytest.approx(times)

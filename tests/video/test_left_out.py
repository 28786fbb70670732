"""Frames that may be left out: all others are the same, and damage is counted as without."""

import math

import av
import numpy as np
import pytest

from facetell.video.reader import VideoReader
from facetell.video.reference import reference_test
from fixtures import FAST_PRESET, HEVC, VP9, encode
from video.painted import numbered

COUNT, RATE, FIRST, LAST = 120, 30, 1.0, 3.0  # frames are left out between these seconds
B_FRAMES = {"preset": "veryfast", "bf": "3", "b-pyramid": "normal"}
KINDS = {
    "h264": ("mp4", {"codec": "libx264", "options": B_FRAMES}, True),
    "h264 in ts": ("ts", {"codec": "libx264", "options": B_FRAMES}, True),
    "h264 without b-frames": ("mkv", {"codec": "libx264", "options": FAST_PRESET}, False),
    "h264 without presentation times": ("avi", {"codec": "libx264", "options": B_FRAMES}, False),
    "hevc": ("mp4", HEVC | {"options": {"preset": "fast", "x265-params": "log-level=error:bframes=3"}}, True),
    "hevc in ts": ("ts", HEVC, False),
    "vp9": ("webm", VP9, False),
    "av1": ("mp4", {"codec": "libsvtav1", "options": {"preset": "12"}}, False),
    "mpeg4": ("avi", {"codec": "mpeg4", "options": {"bf": "2"}}, False),
}


def make(folder, kind):
    suffix, how, _ = KINDS[kind]
    images = [numbered(number) for number in range(COUNT)]
    return encode(folder / f"a.{suffix}", images, fps=RATE, **{"pix_fmt": "yuv420p"} | how)


def read(path, threads=2, first=math.inf, last=LAST):
    """The frames by time; those between ``first`` and ``last`` seconds may be left out."""
    frames = {}
    with VideoReader(path, threads=threads) as reader:
        for raw in reader:
            frames[raw.time] = raw.decoded.to_ndarray()
            assert reader.leave_out(last if first <= raw.time < last else -math.inf) <= max(last, raw.time)
    return frames, reader


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_are_not_left_out_are_those_of_full_decoding(kind, threads, tmp_path):
    path = make(tmp_path, kind)
    whole, _ = read(path, threads)
    some, reader = read(path, threads, FIRST)
    assert all(np.array_equal(image, whole[time]) for time, image in some.items())
    missing = sorted(whole.keys() - some.keys())
    assert all(FIRST < time < LAST for time in missing)
    assert (len(missing) > COUNT / 8) is (len(missing) > 0) is KINDS[kind][2]
    assert reader.errors == () and reader.lost == 0 and reader.duration == pytest.approx(COUNT / RATE, abs=0.1)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_damage_is_counted_as_without(at, tmp_path):
    path = make(tmp_path, "h264")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        packet = max(packets[round(at * COUNT) :][:8], key=lambda packet: packet.size)  # other frames depend on it
        begin, end = packet.pos + packet.size // 3, packet.pos + packet.size
    data = bytearray(path.read_bytes())
    data[begin:end] = np.random.default_rng(0).bytes(end - begin)
    path.write_bytes(data)
    whole, full = read(path)
    some, reader = read(path, first=0.0, last=math.inf)
    assert full.damaged > 0 and (reader.damaged, reader.damage) == (full.damaged, full.damage)
    assert reader.lost == pytest.approx(full.lost) and len(some) < len(whole)
    assert all(np.array_equal(image, whole[time]) for time, image in some.items())


def test_of_several_temporal_layers_none_is_left_out():
    header = bytes([1]) + bytes(20)
    assert reference_test("hevc", header + b"\x0f") is not None and reference_test("hevc", header + b"\x17") is None
    assert reference_test("vp9", None) is reference_test("av1", b"\1") is None

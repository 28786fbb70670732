"""Damaged and truncated files: what is sound is read, and what is missing is reported."""

import av
import cv2
import numpy as np
import pytest

from facetell.assets import locate
from facetell.video.concealed import block_edges
from facetell.video.container import key_frame_pixels
from facetell.video.reader import Unreadable, VideoReader
from fixtures import ODD, damaged, encode, sample_frames, truncated, whole
from video.painted import encode_at, numbered, seen_in


def painted(path):
    """100 numbered frames in groups of 20, with noise so that most bytes are those of frames."""
    rng = np.random.default_rng(0)
    images = [numbered(number) // 2 + 40 + rng.integers(0, 60, (64, 128, 1)).astype(np.uint8) for number in range(100)]
    return encode(path, images, codec="libx264", pix_fmt="yuv420p", options={"g": "20", "crf": "20"})


def test_a_truncated_mp4_gives_what_is_there(tmp_path):
    with VideoReader(truncated(tmp_path)) as reader:
        assert 20 <= len(list(reader)) <= 30
    assert any("truncated" in note and "48" in note for note in reader.errors)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_matroska_gives_what_is_there(share, tmp_path):
    path = painted(tmp_path / "cut.mkv")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    numbers, _, reader = seen_in(path)
    assert numbers == list(range(len(numbers))) and abs(len(numbers) - 100 * share) <= 12
    if share < 0.6:  # less than a second may be missing because the duration was rounded
        assert any("truncated" in note for note in reader.errors)


@pytest.mark.parametrize(
    ("percent", "lost"), [(45, []), (21, ["the first 0.6 seconds hold no frame that can be decoded"])]
)
def test_a_recording_that_starts_between_key_frames(percent, lost, tmp_path):
    path = painted(tmp_path / "middle.ts")
    data = path.read_bytes()
    path.write_bytes(data[len(data) * percent // 100 // 188 * 188 :])  # complete packets of the transport stream
    numbers, _, reader = seen_in(path)
    assert percent - 5 < numbers[0] <= percent + 20 and numbers == list(range(numbers[0], 100))
    assert [*reader.damage] == lost and not any("truncated" in note for note in reader.errors)


def test_damage_in_the_middle_keeps_both_ends(tmp_path):
    with VideoReader(damaged(tmp_path)) as reader:
        times = [frame.time for frame in reader]
    numbers = np.round(np.array(times) * 30).astype(int).tolist()
    assert numbers[:12] == list(range(12)) and numbers[-12:] == list(range(36, 48))
    assert reader.damaged == 48 - len(numbers) > 0
    assert f"{reader.damaged} damaged frames were left out" in reader.errors


def test_frames_predicted_from_damaged_ones_are_left_out(tmp_path):
    """Of single bytes changed anywhere in the frames hardly one shows, and none without a note."""
    path = whole(tmp_path)
    sound = path.read_bytes()
    with VideoReader(path) as reader:
        wanted = [frame.rgb().astype(np.int16) for frame in reader]
    first = sound.index(b"mdat") + 8
    rng = np.random.default_rng(3)
    given, wrong = 0, 0
    for _ in range(15):
        data = bytearray(sound)
        for at in rng.integers(first, len(data), 2):
            data[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data))
        with VideoReader(path) as reader:
            # By the stamps of the file: times start at 0 where the first frames are lost.
            seen = {round(frame.decoded.pts * frame.decoded.time_base * 30): frame.rgb() for frame in reader}
        bad = sum(np.abs(image - wanted[number]).mean() > 1 for number, image in seen.items())
        assert reader.damaged == 48 - len(seen) and (not bad or reader.errors)
        given, wrong = given + len(seen), wrong + bad
    assert 15 * 48 * 0.3 < given < 15 * 48 and wrong <= 0.03 * given


@pytest.mark.parametrize("name", ["tiny", "alpha_planes", "new_size"])
def test_any_corruption_is_read_or_refused(name, tmp_path):
    """Bytes overwritten anywhere, headers included: frames of the right size come out, or one message."""
    source = ODD[name](tmp_path)
    intact = source.read_bytes()
    rng = np.random.default_rng(len(intact))
    path = tmp_path / f"x{source.suffix}"
    for _ in range(25):
        data = bytearray(intact)
        for at in rng.integers(0, len(data), rng.integers(1, 30)):
            data[at] = rng.integers(256)
        path.write_bytes(bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.2 else data))
        try:
            with VideoReader(path) as reader:
                last = -1.0
                for frame in reader:
                    assert frame.time > last
                    last = frame.time
                    assert frame.rgb().shape == (reader.info.height, reader.info.width, 3)
                    frame.luma_thumbnail()
        except Unreadable as error:
            assert "\n" not in str(error)


def test_gaps_in_the_index_are_not_an_early_end(tmp_path):
    stamps = [i / 25 for i in (*range(30), *range(60, 90))]
    numbers, _, reader = seen_in(encode_at(tmp_path / "gap.avi", stamps, "mpeg4"))
    assert numbers == list(range(60)) and reader.errors == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_that_begins_after_the_audio_is_not_damaged(suffix, tmp_path):
    stamps = [2 + i / 25 for i in range(75)]
    numbers, _, reader = seen_in(encode_at(tmp_path / f"late{suffix}", stamps, "libx264", sound=(0.0, 5.0)))
    assert numbers == list(range(75))
    assert reader.errors == ("players show the first frame at 2.0 seconds: times here count from it",)
    assert reader.info.duration == pytest.approx(3.0, abs=0.1)


def test_frames_that_would_fill_the_memory_are_left_out(tmp_path, monkeypatch):
    path, data = tmp_path / "grows.h264", b""
    for side in (64, 128):
        encode(path, [np.full((side, side, 3), 90, np.uint8)] * 3, codec="libx264", pix_fmt="yuv420p", container="h264")
        data += path.read_bytes()
    path.write_bytes(data)
    monkeypatch.setattr("facetell.video.reader.MOST_PIXELS", 100 * 100)
    with VideoReader(path, threads=1) as reader:
        assert 1 <= len(list(reader)) <= 3 and reader.damaged >= 3


@pytest.mark.parametrize("named", ["woman.mp4", "/etc/passwd"])
def test_a_list_of_other_files_is_not_a_video(named, tmp_path):
    (tmp_path / "woman.mp4").write_bytes(locate("sample_woman").read_bytes())
    path = tmp_path / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {named}\n")
    with pytest.raises(Unreadable, match="is a list that names other files: name the video itself"):
        VideoReader(path)


def test_a_stream_that_appears_late_ends_nothing(tmp_path):
    """An FLV whose header does not list its audio, which begins after more than FFmpeg probes."""
    path = encode_at(tmp_path / "late.flv", [number / 25 for number in range(250)], "flv", sound=(9.0, 10.0))
    data = path.read_bytes()
    kept, at = data[:4] + bytes([data[4] & ~4]) + data[5:13], 13
    while at < len(data):
        size = 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4
        if not (data[at] == 18 or (data[at] == 8 and data[at + 12] == 0)):  # the metadata, the header of the audio
            kept += data[at : at + size]
        at += size
    path.write_bytes(kept)
    numbers, _, reader = seen_in(path)
    assert numbers == list(range(250)) and reader.errors == ()


_CODECS = {
    # With the deadline "realtime", libvpx adapts to the load of the machine: the bytes would differ from run to run.
    "libvpx": (".webm", {"deadline": "good", "cpu-used": "4", "b": "2M"}),
    "libvpx-vp9": (".mkv", {"deadline": "good", "cpu-used": "4", "b": "2M"}),
    "flv1": (".flv", {"q": "4"}),
    "mpeg4": (".avi", {"q": "4"}),
    "libx264": (".mp4", {"bf": "0"}),
    "mpeg2video": (".mkv", {"q": "3"}),
    "libx265": (".mp4", {"preset": "ultrafast", "x265-params": "log-level=error:bframes=0"}),
}


@pytest.mark.parametrize("codec", _CODECS)
def test_destroyed_frames_are_left_out_up_to_the_next_key_frame(codec, tmp_path):
    images = [cv2.resize(image, (320, 180)) for image in sample_frames("sample_man", 24)]
    suffix, options = _CODECS[codec]
    path = encode(tmp_path / f"a{suffix}", images, codec=codec, pix_fmt="yuv420p", options={"g": "8", **options})
    whole = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    with VideoReader(path) as reader:
        decoded = [frame.decoded.to_ndarray() for frame in reader]
        assert reader.errors == ()
    with av.open(str(path)) as container:  # FFmpeg's own decoder gives the same frames
        np.testing.assert_array_equal(decoded, [frame.to_ndarray() for frame in container.decode(video=0)])
    if codec.startswith("libvpx"):  # libvpx has no limit of its own
        assert [key_frame_pixels(packet) for packet in packets[:9]] == [320 * 180, *[0] * 7, 320 * 180]
    # FFmpeg does not report damage of other frames of HEVC and MPEG-2. With an error in a key frame of MPEG-2, it also
    # loses the frame before. Zeros may pad the end of frames that are no key frames.
    for number in (0, 8) if codec in ("libx265", "mpeg2video") else (0, 2, 8):
        start, length = whole.index(packets[number][-64:]) + 64 - len(packets[number]), len(packets[number])
        after = length // 3 if codec == "mpeg2video" else 12  # a frame of MPEG-2 without a slice gives no error
        noise, tail = np.random.default_rng(number).bytes(length - after), length // 2 if number == 2 else length - 40
        for at, content in ((start + after, noise), (start + length // 2, bytes(40)), (start + tail, bytes(40))):
            path.write_bytes(whole[:at] + content + whole[at + len(content) :])
            with VideoReader(path) as reader:
                times = [float(frame.decoded.pts * frame.decoded.time_base) * 30 for frame in reader]
            given = {round(time - times[-1]) + 23 for time in times}
            missing = {*range(number), *range(8 + number // 8 * 8, 24)} ^ given
            unsure = {"mpeg2video": {number - 1}, "libvpx-vp9": {number}}.get(codec, set())  # 1 % of VP9
            assert missing <= unsure and reader.damaged == 24 - len(given)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_undamaged_frames_that_look_destroyed_are_given(codec, tmp_path):
    images = sample_frames("sample_man", 24).copy()
    images[12:14] = [image[::16, ::16].repeat(16, axis=0).repeat(16, axis=1)[:360] for image in images[12:14]]
    path = encode(tmp_path / "a.ivf", images, codec=codec, pix_fmt="yuv420p", options=_CODECS[codec][1])
    with VideoReader(path) as reader:
        edges = [block_edges(frame.decoded) for frame in reader]
    assert len(edges) == 24 and max(edges) > max(edges[0], 0) + 0.05 and reader.errors == ()


def test_padding_of_vp8_by_an_unknown_encoder_is_no_damage(tmp_path):
    path = encode(tmp_path / "a.ivf", sample_frames("sample_man", 12), codec="libvpx", pix_fmt="yuv420p")
    padded, data = path.read_bytes()[:32], path.read_bytes()[32:]
    while data:
        end = 12 + int.from_bytes(data[:4], "little")
        padded, data = padded + (end + 4).to_bytes(4, "little") + data[4:end] + b"that is not zero", data[end:]
    path.write_bytes(padded)
    with VideoReader(path) as reader:
        assert len(list(reader)) == 12 and reader.errors == ()

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from facetell.assets import locate
from facetell.video.reader import Unreadable, VideoReader, probe
from facetell.video.writer import VideoWriter
from fixtures import BROKEN, ODD, audio_only, encode, sample_frames, variable_rate, variable_times, weave
from video.painted import BLUE, GREEN, GREY, RED, corners, number_of, numbered, quadrants

# Upright width and height, pictures, pictures a second.
EXPECTED = {
    "one_frame": (640, 360, 1, 30),
    "tiny": (8, 8, 24, 30),
    "rotated": (640, 360, 24, 30),
    "variable_rate": (640, 360, 24, None),
    "odd_size": (321, 241, 24, 30),
    "hdr10": (640, 360, 12, 30),
    "ten_bit": (640, 360, 12, 30),
    "interlaced": (640, 360, 12, 25),
    "alpha": (640, 360, 8, 30),
    "alpha_planes": (640, 360, 8, 30),
    "grey": (640, 360, 24, 30),
    "prores": (640, 360, 8, 30),
    "four_k": (3840, 2160, 10, 30),
    "fast_240": (640, 360, 96, 240),
    "fps_24": (640, 360, 24, 24),
    "fps_50": (640, 360, 50, 50),
    "fps_60": (640, 360, 60, 60),
    "mp4_named_avi": (640, 360, 24, 30),
    "webm_named_mp4": (640, 360, 8, 30),
    "anamorphic": (640, 360, 24, 30),
    "new_size": (640, 360, 24, 30),
    "odd_matrix": (640, 360, 24, 30),
    "ribbon": (640, 2, 24, 30),
    "no_stated_rate": (640, 360, 24, None),
    "twenty_faces": (1920, 1080, 10, 30),
}


def test_every_odd_video_is_expected_or_damaged() -> None:
    assert set(ODD) == set(EXPECTED) | {"truncated", "damaged"}


@pytest.mark.parametrize("name", EXPECTED)
def test_odd_videos_are_read_whole(name: str, tmp_path: Path) -> None:
    width, height, count, fps = EXPECTED[name]
    with VideoReader(ODD[name](tmp_path)) as reader:
        info = reader.info
        assert (info.width, info.height) == (width, height)
        times = []
        for frame in reader:
            assert frame.index == len(times)
            times.append(frame.time)
            if frame.index % 5 == 0:
                image = frame.rgb()
                assert image.shape == (height, width, 3) and image.dtype == np.uint8
                assert image.std() > 20  # a face, not a flat field
            assert max(frame.luma_thumbnail().shape) == min(128, max(width, height))
    assert len(times) == count and times[0] == 0
    assert reader.errors == ()
    if fps is not None:
        assert info.fps == pytest.approx(fps)
        np.testing.assert_allclose(times, np.arange(count) / fps, atol=2e-3)
        assert info.duration == pytest.approx(count / fps, abs=0.05)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_say_so_in_one_sentence(name: str, tmp_path: Path) -> None:
    path = BROKEN[name](tmp_path)
    for attempt in (probe, VideoReader):
        with pytest.raises(Unreadable) as caught:
            attempt(path)
        message = str(caught.value)
        assert str(path) in message and "\n" not in message and ": " in message
        assert "Errno" not in message and "avcodec" not in message


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda folder: folder / "nothing.mp4", "no file"),
        (lambda folder: folder, "folder"),
        (audio_only, "sound but no video"),
        (BROKEN["zero_bytes"], "0 bytes"),
    ],
)
def test_message_names_the_fault(make, word: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Unreadable, match=word):
        probe(make(tmp_path))


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "100%d [1] *.mp4", "ü 视频.mp4", "-y.mp4"])
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(locate("sample_woman").read_bytes())
    assert probe(path).codec == "h264"


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotated_video_comes_out_upright(turn: int, tmp_path: Path) -> None:
    upright = quadrants(192, 128)
    stored = np.rot90(upright, turn // 90)  # turned back, so that a clockwise turn mends it
    path = encode(tmp_path / "r.mp4", [stored] * 3, codec="libx264", pix_fmt="yuv444p", rotation=turn)
    with VideoReader(path) as reader:
        assert (reader.info.rotation, reader.info.width, reader.info.height) == (turn, 192, 128)
        frame = next(iter(reader))
    np.testing.assert_allclose(corners(frame.rgb()), [RED, GREEN, BLUE, GREY], atol=6)
    thumbnail = frame.luma_thumbnail()
    assert thumbnail.shape == (85, 128)
    # By luma, green is the lightest and blue the darkest of the four.
    parts = (
        thumbnail[:20, :30].mean(),
        thumbnail[:20, 34:].mean(),
        thumbnail[23:, :30].mean(),
        thumbnail[23:, 34:].mean(),
    )
    assert np.argmax(parts) in (1, 3) and np.argmin(parts) in (0, 2) and parts[1] > parts[0] and parts[3] > parts[2]


def test_pictures_come_in_the_order_in_which_they_are_shown(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "b.mp4",
        [numbered(number) for number in range(100)],
        codec="libx264",
        pix_fmt="yuv420p",
        options={"bf": "4", "b-pyramid": "normal", "preset": "medium"},
    )
    for threads in (1, 2, 4):
        with VideoReader(path, threads=threads) as reader:
            assert [number_of(frame.rgb()) for frame in reader] == list(range(100))
    with VideoReader(path) as reader:
        seen = [(number_of(frame.luma_thumbnail()), frame.index, frame.time) for frame in reader]
    assert seen == [(number, number, pytest.approx(number / 30)) for number in range(100)]


def test_frames_can_be_kept_and_converted_later(tmp_path: Path) -> None:
    path = encode(tmp_path / "k.mp4", map(numbered, range(20)), codec="libx264", pix_fmt="yuv420p")
    with VideoReader(path) as reader:
        frames = list(reader)
    assert [number_of(frame.rgb()) for frame in reversed(frames)] == list(reversed(range(20)))


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    with VideoReader(variable_rate(tmp_path)) as reader:
        np.testing.assert_allclose([frame.time for frame in reader], variable_times(), atol=1e-4)


def test_interlaced_pictures_are_made_whole(tmp_path: Path) -> None:
    def bar(position: int) -> np.ndarray:  # type: ignore[type-arg]
        image = np.full((128, 256, 3), 40, np.uint8)
        image[:, position : position + 32] = 220
        return image

    def comb(image: np.ndarray) -> float:  # type: ignore[type-arg]
        luma = image[8:-8].mean(axis=2)
        return float(np.abs(luma[1::2] - luma[0::2]).mean())

    fields = np.stack([bar(8 * index) for index in range(24)])
    woven = weave(fields)
    options = {"flags": "+ilme+ildct"}
    path = encode(tmp_path / "i.mp4", woven, codec="libx264", pix_fmt="yuv420p", fps=25, options=options)
    with VideoReader(path) as reader:
        seen = [(frame.time, frame.rgb()) for frame in reader]
    assert [time for time, _ in seen] == [pytest.approx(index / 25) for index in range(12)]
    for index in range(2, 10):
        assert comb(woven[index]) > 10 and comb(seen[index][1]) < 2
        # Each picture is that of its first field, and its colours are what they were.
        error = np.abs(seen[index][1][8:-8].astype(int) - fields[2 * index][8:-8]).mean()
        assert error < 0.3 * np.abs(fields[2 * index + 1][8:-8].astype(int) - fields[2 * index][8:-8]).mean()


def test_hdr_looks_like_the_ordinary_picture(tmp_path: Path) -> None:
    with VideoReader(ODD["hdr10"](tmp_path)) as reader:
        images = np.stack([frame.rgb() for frame in reader])
    wanted = sample_frames()[:12].astype(int)
    dark = wanted.max(axis=3) < 180  # what the curve leaves as it is
    assert np.abs(images[dark] - wanted[dark]).mean() < 4
    assert np.abs(images - wanted).mean() < 6


def test_new_size_in_mid_stream_is_fitted_to_the_first(tmp_path: Path) -> None:
    with VideoReader(ODD["new_size"](tmp_path)) as reader:
        frames = list(reader)
    assert {(frame.decoded.width, frame.decoded.height) for frame in frames} == {(640, 360), (320, 180)}
    wanted = sample_frames()[12:].astype(int)
    for frame, image in zip(frames[12:], wanted, strict=True):
        assert np.abs(frame.rgb() - image).mean() < 6
    assert len({frame.luma_thumbnail().shape for frame in frames}) == 1


def test_size_of_another_shape_is_centred_on_black(tmp_path: Path) -> None:
    path = tmp_path / "s.ts"
    sizes = [(192, 96)] * 3 + [(96, 192)] * 3
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 96, "yuv420p"
        other = av.CodecContext.create("mpeg2video", "w")
        other.width, other.height, other.pix_fmt = 96, 192, "yuv420p"
        other.framerate, other.time_base = Fraction(25), Fraction(1, 25)
        for index, size in enumerate(sizes):
            picture = av.VideoFrame.from_ndarray(quadrants(*size), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            encoder = stream if index < 3 else other
            packets = encoder.encode(picture) + (stream.encode() if index == 2 else [])
            for packet in packets + (other.encode() if index == 5 else []):
                packet.stream = stream
                output.mux(packet)
    with VideoReader(path) as reader:
        images = [frame.rgb() for frame in reader]
    assert {image.shape for image in images} == {(96, 192, 3)}
    assert images[-1][:, :70].max() == 0 and images[-1][:, 122:].max() == 0
    np.testing.assert_allclose(corners(images[-1][:, 72:120]), [RED, GREEN, BLUE, GREY], atol=16)


def test_stamps_that_stand_still_give_even_times(tmp_path: Path) -> None:
    path = tmp_path / "still.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for number in range(10):
            picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            for packet in stream.encode(picture) + (stream.encode() if number == 9 else []):
                packet.pts = packet.dts = 0
                output.mux(packet)
    with VideoReader(path) as reader:
        times = [frame.time for frame in reader]
    assert len(times) == 10 and np.ptp(np.diff(times)) < 1e-9
    assert any("no usable time stamps" in note for note in reader.errors)


def test_probe_of_the_sample_clips() -> None:
    man, woman = probe(locate("sample_man")), probe(locate("sample_woman"))
    assert (man.width, man.height, man.fps, man.has_audio) == (640, 360, 30.0, True)
    assert woman.fps == pytest.approx(24000 / 1001) and woman.duration == pytest.approx(19.685, abs=1e-3)
    assert probe(locate("sample_face_then_none")).codec == "hevc"


def test_reader_lets_go_of_the_file(tmp_path: Path) -> None:
    opened = Path("/proc/self/fd")
    if not opened.exists():
        pytest.skip("needs /proc")
    before = len(list(opened.iterdir()))
    for maker in (*BROKEN.values(), ODD["tiny"]):
        try:
            with VideoReader(maker(tmp_path)) as reader:
                next(iter(reader))
        except Unreadable:
            pass
    assert len(list(opened.iterdir())) == before


def test_writer_and_reader_agree_on_times_and_order(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    times = [0.0, 0.02, 0.1, 0.5, 0.51, 2.0]
    with VideoWriter(path, width=128, height=64) as writer:
        for number, time in enumerate(times):
            writer.write(numbered(number), time)
    with VideoReader(path) as reader:
        seen = [(number_of(frame.rgb()), frame.time) for frame in reader]
    assert seen == [(number, pytest.approx(time, abs=1e-3)) for number, time in enumerate(times)]

"""Makers of odd videos, for the tests of every room.

Each maker takes a folder and returns the path of a short file made in it: broken ones (:data:`BROKEN`), from which no
picture can be had, and odd ones (:data:`ODD`), which must be read. Faces come from the pinned sample clips.
Each file is made once per test session and copied into the folder afterwards.
"""

from __future__ import annotations

import functools
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.assets import locate
from facetell.engine import FAST_MODEL, model_path
from facetell.types import UInt8Array
from facetell.video.reader import VideoReader, probe
from facetell.video.writer import VideoWriter

FAST = FAST_MODEL
"""The model that tests name wherever the default model would be used, which may be many times slower."""
FAST_FILE = model_path(FAST)

Maker = Callable[[Path], Path]
BROKEN: dict[str, Maker] = {}
ODD: dict[str, Maker] = {}

_made: dict[str, Path] = {}
_store: list[tempfile.TemporaryDirectory[str]] = []


def _maker(name: str, kind: dict[str, Maker] | None = None) -> Callable[[Callable[[Path], None]], Maker]:
    """Register a function that writes to a path as the maker of the file ``name``."""

    def register(write: Callable[[Path], None]) -> Maker:
        @functools.wraps(write)
        def make(folder: Path) -> Path:
            if name not in _made:
                if not _store:
                    _store.append(tempfile.TemporaryDirectory(prefix="facetell-odd-"))
                source = Path(_store[0].name) / name
                write(source)
                _made[name] = source
            target = Path(folder) / name
            shutil.copyfile(_made[name], target)
            return target

        if kind is not None:
            kind[write.__name__] = make
        return make

    return register


@functools.cache
def sample_frames(name: str = "sample_woman", count: int = 24) -> UInt8Array:
    """The first ``count`` pictures of a sample clip, uint8 RGB (T, H, W, 3); 640 x 360 for the man and the woman."""
    images = []
    with VideoReader(locate(name)) as reader:
        for frame in reader:
            images.append(frame.rgb())
            if len(images) == count:
                break
    return np.stack(images)


def write_frames(path: Path, images: Iterable[UInt8Array], fps: float = 30, **how: object) -> Path:
    """Write pictures with :class:`VideoWriter` (crf 18 and a fast preset unless told otherwise)."""
    images = iter(images)
    first = next(images)
    how = {"crf": 18, "options": {"preset": "ultrafast"}, **how} if "codec" not in how else how
    with VideoWriter(path, fps=fps, width=first.shape[1], height=first.shape[0], **how) as writer:  # type: ignore[arg-type]
        writer.write(first)
        for image in images:
            writer.write(image)
    return path


def zoomed(image: UInt8Array, scale: float, x: float = 0.0) -> UInt8Array:
    """An image enlarged about its centre and moved by ``x`` pixels."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale) + np.array([[0, 0, x], [0, 0, 0]])
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return moved.astype(np.uint8, copy=False)


def mosaic(image: UInt8Array, cell: int) -> UInt8Array:
    """Square cells over the face of the man or the woman."""
    x0, y0, x1, y1 = 180, 20, 600, 350
    part = image[y0 : y1 - (y1 - y0) % cell, x0 : x1 - (x1 - x0) % cell]
    small = cv2.resize(part, None, fx=1 / cell, fy=1 / cell, interpolation=cv2.INTER_AREA)
    hidden = image.copy()
    hidden[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = small.repeat(cell, axis=0).repeat(cell, axis=1)
    return hidden


def encode(
    path: Path,
    images: Iterable[UInt8Array | NDArray[np.uint16]],
    *,
    codec: str,
    pix_fmt: str,
    fps: int | Fraction = 30,
    options: dict[str, str] | None = None,
    tags: tuple[int, int, int, int] | None = None,
    rotation: int = 0,
    sample_aspect: Fraction | None = None,
    container: str | None = None,
) -> Path:
    """Encode pictures with PyAV alone, where the writer has no word for what is wanted.

    Args:
        tags: colour primaries, transfer, matrix and range by FFmpeg's numbers; pictures are converted accordingly.
        rotation: clockwise turn in degrees that a player shall make.
        sample_aspect: width of a pixel over its height.
        container: format name, where the suffix shall not decide.
    """
    images = list(images)
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = images[0].shape[1], images[0].shape[0], pix_fmt
        if rotation:
            stream.set_display_rotation(-rotation)
        if sample_aspect is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if tags is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        for index, image in enumerate(images):
            deep = "rgb48le" if image.dtype == np.uint16 else "rgb24"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=deep)
            if tags is None:
                yuv = pix_fmt.startswith(("yuv", "gray"))
                into = "yuv420p" if pix_fmt == "gray" else pix_fmt
                picture = picture.reformat(format=into, src_color_range=2, dst_color_range=1 if yuv else 0)
                if pix_fmt == "gray":  # swscale knows grey in full range only
                    luma = picture.to_ndarray()[: picture.height]
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
            else:
                matrix = 5 if tags[2] in (5, 6) else tags[2]
                picture = picture.reformat(
                    format=pix_fmt, dst_colorspace=matrix, src_color_range=2, dst_color_range=tags[3]
                )
                picture.color_primaries, picture.color_trc, picture.colorspace, picture.color_range = tags
            picture.pts, picture.time_base = index, 1 / Fraction(fps)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return path


def _remux(source: Path, target: Path, kind: str) -> None:
    """Copy the packets of one kind of stream."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as output:
        stream = next(stream for stream in reader.streams if stream.type == kind)
        copy = output.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)


# --- from which no picture can be had


@_maker("zero_bytes.mp4", BROKEN)
def zero_bytes(path: Path) -> None:
    """A file of no bytes."""
    path.write_bytes(b"")


@_maker("text.mp4", BROKEN)
def text(path: Path) -> None:
    """Prose under a video's name."""
    path.write_text("This is no video.\n" * 200)


@_maker("noise.mp4", BROKEN)
def noise(path: Path) -> None:
    """Random bytes under a video's name."""
    path.write_bytes(np.random.default_rng(1).bytes(50_000))


@_maker("truncated_without_moov.mp4", BROKEN)
def truncated_without_moov(path: Path) -> None:
    """Cut off before the index, which stands at the end: nothing can be found in it."""
    encode(path, sample_frames(), codec="libx264", pix_fmt="yuv420p", options={"preset": "ultrafast"})
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    path.write_bytes(data[: len(data) // 2])


@_maker("audio_only.mp4", BROKEN)
def audio_only(path: Path) -> None:
    """Sound without pictures."""
    _remux(locate("sample_woman"), path, "audio")


@_maker("unknown_codec.mp4", BROKEN)
def unknown_codec(path: Path) -> None:
    """A sound container whose pictures are of a kind that nobody knows."""
    path.write_bytes(_faststart().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))


@_maker("moov_only.mp4", BROKEN)
def index_without_pictures(path: Path) -> None:
    """An index in front, and not one of the pictures that it lists."""
    data = _faststart()
    path.write_bytes(data[: data.index(b"mdat") + 8])


# --- to be read, with a note


@functools.cache
def _faststart() -> bytes:
    """A sample clip re-encoded with short groups of pictures and the index in front."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_frames(
            Path(folder, "a.mp4"),
            sample_frames("sample_woman", 48),
            crf=23,
            options={"preset": "veryfast", "g": "12"},
        )
        return path.read_bytes()


@_maker("whole.mp4")
def whole(path: Path) -> None:
    """The sound clip of 48 pictures, a key picture every 12, that the damaged ones are made from."""
    path.write_bytes(_faststart())


@_maker("truncated.mp4", ODD)
def truncated(path: Path) -> None:
    """Cut off in the middle, index in front: about half of 48 pictures are there."""
    data = _faststart()
    start = data.index(b"mdat")
    path.write_bytes(data[: start + (len(data) - start) // 2])


@_maker("damaged.mp4", ODD)
def damaged(path: Path) -> None:
    """A stretch of the pictures' bytes overwritten in the middle; the 12 pictures before and after are sound."""
    data = bytearray(_faststart())
    start = data.index(b"mdat")
    length = len(data) - start
    middle = slice(start + length * 45 // 100, start + length * 55 // 100)
    data[middle] = np.random.default_rng(2).bytes(middle.stop - middle.start)
    path.write_bytes(bytes(data))


# --- to be read


@_maker("one_frame.mp4", ODD)
def one_frame(path: Path) -> None:
    """A single picture of a face."""
    write_frames(path, sample_frames()[:1])


@_maker("tiny.mp4", ODD)
def tiny(path: Path) -> None:
    """8 x 8 pixels, 24 pictures."""
    write_frames(path, sample_frames()[:, 100:340:32, 200:440:32][:, :8, :8])


@_maker("rotated.mp4", ODD)
def rotated(path: Path) -> None:
    """A face stored on its side (360 x 640) with the word to turn it 90 degrees clockwise, as telephones do."""
    encode(
        path,
        np.rot90(sample_frames(), 1, axes=(1, 2)),
        codec="libx264",
        pix_fmt="yuv420p",
        rotation=90,
        options={"preset": "ultrafast"},
    )


@_maker("variable_rate.mp4", ODD)
def variable_rate(path: Path) -> None:
    """24 pictures, the intervals changing between 1/60 and 1/10 s (see :func:`variable_times`)."""
    frames = sample_frames()
    with VideoWriter(path, fps=30, width=640, height=360, crf=18, options={"preset": "ultrafast"}) as writer:
        for image, time in zip(frames, variable_times(), strict=True):
            writer.write(image, time)


def variable_times() -> list[float]:
    """The times of :func:`variable_rate` in seconds."""
    steps = [(1 / 60, 1 / 30, 1 / 24, 1 / 10)[index % 4] for index in range(23)]
    return [math.fsum(steps[:index]) for index in range(24)]


@_maker("odd_size.mkv", ODD)
def odd_size(path: Path) -> None:
    """Odd width and height (321 x 241), 4:2:0."""
    encode(path, sample_frames()[:, 50:291, 150:471], codec="ffv1", pix_fmt="yuv420p")


@_maker("hdr10.mp4", ODD)
def hdr10(path: Path) -> None:
    """10-bit HEVC in BT.2020 and PQ, white at 203 cd/m2 (the colours are not moved to the wider gamut)."""
    light = (sample_frames()[:12] / 255) ** 2.2 * 203 / 10000
    power = light**0.1593017578125
    code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375  # SMPTE ST 2084
    encode(
        path,
        np.round(code * 65535).astype(np.uint16),
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": "log-level=error"},
        tags=(9, 16, 9, 1),
    )


@_maker("ten_bit.mp4", ODD)
def ten_bit(path: Path) -> None:
    """10-bit H.264 in BT.709."""
    encode(
        path,
        sample_frames()[:12],
        codec="libx264",
        pix_fmt="yuv420p10le",
        options={"preset": "ultrafast"},
        tags=(1, 1, 1, 1),
    )


def weave(frames: UInt8Array) -> UInt8Array:
    """Half as many pictures: odd rows of each first, even rows of each second one; uint8 (T, H, W, 3)."""
    woven = frames[0::2].copy()
    woven[:, 0::2] = frames[1::2, 0::2]
    return woven


@_maker("interlaced.mp4", ODD)
def interlaced(path: Path) -> None:
    """Fields woven from successive pictures (lower first) and flagged so: 12 pictures at 25 a second."""
    options = {"preset": "ultrafast", "flags": "+ilme+ildct"}
    woven = weave(sample_frames())
    encode(path, woven, codec="libx264", pix_fmt="yuv420p", fps=25, options=options)


@_maker("alpha.mov", ODD)
def alpha(path: Path) -> None:
    """QuickTime animation (RGB with alpha), 8 pictures."""
    encode(path, sample_frames()[:8], codec="qtrle", pix_fmt="argb")


@_maker("alpha.webm", ODD)
def alpha_planes(path: Path) -> None:
    """VP9 that carries alpha beside its YUV planes, 8 pictures."""
    options = {"deadline": "realtime", "cpu-used": "8"}
    encode(path, sample_frames()[:8], codec="libvpx-vp9", pix_fmt="yuva420p", options=options)


@_maker("grey.mp4", ODD)
def grey(path: Path) -> None:
    """H.264 without chroma, limited range."""
    grey_frames = np.repeat(sample_frames().mean(axis=3, keepdims=True).astype(np.uint8), 3, axis=3)
    encode(path, grey_frames, codec="libx264", pix_fmt="gray", options={"preset": "ultrafast"})


@_maker("prores.mov", ODD)
def prores(path: Path) -> None:
    """ProRes, 4:2:2, 10-bit, 8 pictures."""
    encode(path, sample_frames()[:8], codec="prores_ks", pix_fmt="yuv422p10le")


@_maker("four_k.mp4", ODD)
def four_k(path: Path) -> None:
    """3840 x 2160, the face six times as large, 10 pictures."""
    enlarged = (frame.repeat(6, axis=0).repeat(6, axis=1) for frame in sample_frames()[:10])
    write_frames(path, enlarged, crf=30)


@_maker("240_fps.mp4", ODD)
def fast_240(path: Path) -> None:
    """240 pictures a second, 0.4 s: each of 48 pictures twice."""
    write_frames(path, sample_frames("sample_woman", 48).repeat(2, axis=0), fps=240)


def at_rate(fps: float, seconds: float = 1.0) -> Maker:
    """A maker of a face at a constant rate: pictures of the sample clip, chosen by time."""

    @_maker(f"{fps:g}_fps_{seconds:g}_s.mp4")
    def constant(path: Path) -> None:
        rate = probe(locate("sample_woman")).fps or 24
        chosen = [int(index * rate / fps) for index in range(round(seconds * fps))]
        frames = sample_frames("sample_woman", chosen[-1] + 1)
        write_frames(path, frames[chosen], fps=fps)

    return constant


fps_24 = ODD["fps_24"] = at_rate(24)
fps_50 = ODD["fps_50"] = at_rate(50)
fps_60 = ODD["fps_60"] = at_rate(60)


@_maker("an_mp4.avi", ODD)
def mp4_named_avi(path: Path) -> None:
    """An mp4 under the suffix of another container."""
    options = {"preset": "ultrafast"}
    encode(path, sample_frames(), codec="libx264", pix_fmt="yuv420p", options=options, container="mp4")


@_maker("a_webm.mp4", ODD)
def webm_named_mp4(path: Path) -> None:
    """A WebM under an mp4's suffix."""
    options = {"deadline": "realtime", "cpu-used": "8"}
    encode(path, sample_frames()[:8], codec="libvpx-vp9", pix_fmt="yuv420p", options=options, container="webm")


@_maker("anamorphic.mp4", ODD)
def anamorphic(path: Path) -> None:
    """Pixels twice as wide as high: stored 320 x 360, to be shown at 640 x 360."""
    encode(
        path,
        sample_frames()[:, :, ::2],
        codec="libx264",
        pix_fmt="yuv420p",
        options={"preset": "ultrafast"},
        sample_aspect=Fraction(2),
    )


@_maker("new_size.ts", ODD)
def new_size(path: Path) -> None:
    """12 pictures of 640 x 360, then 12 of 320 x 180, in one stream, as video calls do."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        second = av.CodecContext.create("libx264", "w")
        second.width, second.height, second.pix_fmt = 320, 180, "yuv420p"
        second.time_base, second.options = Fraction(1, 30), {"preset": "ultrafast"}
        for index, image in enumerate(sample_frames()):
            encoder, step = (stream, 1) if index < 12 else (second, 2)
            if index == 12:
                output.mux(stream.encode())
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[::step, ::step]), format="rgb24")
            picture = picture.reformat(format="yuv420p", src_color_range=2, dst_color_range=1)
            picture.pts, picture.time_base = index, Fraction(1, 30)
            for packet in encoder.encode(picture) + (second.encode() if index == 23 else []):
                packet.stream = stream
                output.mux(packet)


@_maker("odd_matrix.mp4", ODD)
def odd_matrix(path: Path) -> None:
    """Tagged with a colour matrix (YCgCo) that its converter does not know."""
    options = {"preset": "ultrafast", "x264-params": "colormatrix=YCgCo"}
    encode(path, sample_frames(), codec="libx264", pix_fmt="yuv420p", options=options)


@_maker("ribbon.mkv", ODD)
def ribbon(path: Path) -> None:
    """Two pixels high: nothing remains of them where the picture is made as small as a detector sees it."""
    encode(path, sample_frames()[:, 100:102], codec="ffv1", pix_fmt="yuv420p")


@_maker("no_stated_rate.webm", ODD)
def no_stated_rate(path: Path) -> None:
    """A WebM without a default duration, as a recording in a browser has none."""
    options = {"deadline": "realtime", "cpu-used": "8"}
    encode(path, sample_frames(), codec="libvpx-vp9", pix_fmt="yuv420p", options=options)
    content = bytearray(path.read_bytes())
    place = content.find(bytes.fromhex("23e383"))  # the element's name, then its length in one byte
    length = 4 + (content[place + 3] & 0x7F)
    content[place : place + length] = bytes([0xEC, 0x80 | (length - 2)]) + bytes(length - 2)  # an empty place
    path.write_bytes(content)


@_maker("twenty_faces.mp4", ODD)
def twenty_faces(path: Path) -> None:
    """The woman's face twenty times in a frame of 1920 x 1080 (five by four tiles of 384 x 270), 10 pictures."""
    tiles = (cv2.resize(frame[:, 128:], (384, 270), interpolation=cv2.INTER_AREA) for frame in sample_frames()[:10])
    write_frames(path, (np.tile(tile, (4, 5, 1)) for tile in tiles), crf=23)

"""Videos made of the samples, by makers that take a folder: of files without a frame (BROKEN), unusual files (ODD)."""

import contextlib
import functools
import itertools
import math
import os
import shutil
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from facetell.assets import locate
from facetell.engine import FAST_MODEL, model_path
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

FAST = FAST_MODEL
"""The model of most tests; the default model may be many times slower."""
FAST_FILE = model_path(FAST)

TINY = Path(__file__).parents[1] / "configs" / "tiny.yaml"

SECONDS = 600.0
"""The longest wait for an event; only a test that fails waits so long."""

BROKEN = {}
ODD = {}

_store = tempfile.TemporaryDirectory(prefix="facetell-odd-")


def _maker(name, kind=None):
    """Register a function that writes to a path as the maker of the file ``name``."""

    def register(write):
        @functools.wraps(write)
        def make(folder):
            source, target = Path(_store.name) / name, Path(folder) / name
            if not source.exists():
                write(source)
            shutil.copyfile(source, target)
            return target

        if kind is not None:
            kind[write.__name__] = make
        return make

    return register


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
    return found


@contextlib.contextmanager
def closed_to_all(folder, parent):
    """Remove the permissions of a folder, and the rights of root, who may read everything, from the process."""
    user = os.geteuid()
    parent.chmod(0o755)
    folder.chmod(0)
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def copy_stream(source, target, kind, **how):
    """Copy the first stream of a kind, "video" or "audio", into a file."""
    with av.open(str(source)) as reader, av.open(str(target), "w", **how) as output:
        stream = getattr(reader.streams, kind)[0]
        copy = output.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)


def chance():
    """A generator of random numbers; prints its seed, with which a failure can be repeated."""
    print(f"seed: {(seed := np.random.SeedSequence().entropy)}")
    return np.random.default_rng(seed)


def frames_of(path, count=None):
    """The first ``count`` frames of a video, by default all, each as uint8 RGB with its time in seconds."""
    with VideoReader(path) as reader:
        return [(frame.rgb(), frame.time) for frame in itertools.islice(reader, count)]


@functools.cache
def sample_frames(name="sample_woman", count=24):
    """The first ``count`` frames of a sample clip, uint8 RGB (T, H, W, 3); 640 x 360 for the man and the woman."""
    frames = np.stack([image for image, _ in frames_of(locate(name), count)])
    frames.flags.writeable = False  # other tests get the same array
    return frames


def man_face(count=30):
    """The man's face in 360 x 360 pixels, uint8 (T, 360, 360, 3)."""
    return sample_frames("sample_man", count)[:, :, 114:474]


def woman_face(count=30):
    """The woman's face, larger than the man's, uint8 (T, 360, 360, 3)."""
    return sample_frames("sample_woman", count)[:, :, 264:624]


def recoloured(frames):
    """Like a forgery: the same face in other colours, frame for frame."""
    return np.clip(frames.astype(np.float32) * (1.1, 0.95, 0.8) + 6, 0, 255).astype(np.uint8)


def in_video(clip):
    """Landmarks of a prepared clip in pixels of the video that it was cropped from, (F, 468, 2)."""
    return (clip.landmarks + 0.5) * clip.square.width / clip.frames.shape[1] - 0.5 + clip.square[:2]


def content(folder):
    """The bytes of all files in a folder, by their paths in it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_frames(path, images, fps=30, **how):
    """Write frames with :class:`VideoWriter`, by default at CRF 18 with a fast preset."""
    images = iter(images)
    first = next(images)
    how = {"crf": 18, "options": {"preset": "ultrafast"}, **how} if "codec" not in how else how
    with VideoWriter(path, fps=fps, width=first.shape[1], height=first.shape[0], **how) as writer:
        for image in itertools.chain([first], images):
            writer.write(image)
    return path


def zoomed(image, scale, x=0.0):
    """An image enlarged about its centre and moved by ``x`` pixels."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale) + np.array([[0, 0, x], [0, 0, 0]])
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return moved.astype(np.uint8, copy=False)


def rotated_by(images, degrees):
    """Frames rotated clockwise about their centre on a black square that holds them, and the matrix (2, 3) of that."""
    height, width = images.shape[1:3]
    side = math.ceil(math.hypot(height, width) / 2) * 2
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return [cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_CUBIC) for image in images], matrix


def mosaic(image, cell):
    """Square cells over the face of the man or the woman."""
    x0, y0, x1, y1 = 180, 20, 600, 350
    part = image[y0 : y1 - (y1 - y0) % cell, x0 : x1 - (x1 - x0) % cell]
    small = cv2.resize(part, None, fx=1 / cell, fy=1 / cell, interpolation=cv2.INTER_AREA)
    hidden = image.copy()
    hidden[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = small.repeat(cell, axis=0).repeat(cell, axis=1)
    return hidden


def encode(
    path, images, *, codec, pix_fmt, fps=30, options=None, tags=None, rotation=0, sample_aspect=None, container=None
):
    """Encode frames with PyAV; ``tags`` are colour primaries, transfer, matrix and range, which frames are given."""
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
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=deep)
            if tags is None:
                yuv = pix_fmt.startswith(("yuv", "gray"))
                into = "yuv420p" if pix_fmt == "gray" else pix_fmt
                frame = frame.reformat(format=into, src_color_range=2, dst_color_range=1 if yuv else 0)
                if pix_fmt == "gray":  # swscale supports grey in full range only
                    luma = frame.to_ndarray()[: frame.height]
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
            else:
                space = 5 if tags[2] in (5, 6) else tags[2]
                frame = frame.reformat(format=pix_fmt, dst_colorspace=space, src_color_range=2, dst_color_range=tags[3])
                frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = tags
            frame.pts, frame.time_base = index, 1 / Fraction(fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


FAST_PRESET = {"preset": "ultrafast"}
X264 = {"codec": "libx264", "pix_fmt": "yuv420p", "options": FAST_PRESET}
VP9 = {"codec": "libvpx-vp9", "pix_fmt": "yuv420p", "options": {"deadline": "realtime", "cpu-used": "8"}}
FFV1 = {"codec": "ffv1", "pix_fmt": "yuv420p"}
HEVC = {"codec": "libx265", "options": {**FAST_PRESET, "x265-params": "log-level=error"}}

# --- without a readable frame


@functools.cache
def _faststart():
    """48 frames of the woman, a key frame every 12, and the index in front."""
    path, options = Path(_store.name) / "faststart.mp4", {"preset": "veryfast", "g": "12"}
    return write_frames(path, sample_frames("sample_woman", 48), crf=23, options=options).read_bytes()


def _content(name, content):
    return _maker(name)(lambda path: path.write_bytes(content()))


BROKEN |= {
    "zero_bytes": _content("zero_bytes.mp4", lambda: b""),
    "text": _content("text.mp4", lambda: b"This is no video.\n" * 200),
    "noise": _content("noise.mp4", lambda: np.random.default_rng(1).bytes(50_000)),
    # The index would come last.
    "truncated_without_moov": _content(
        "truncated_without_moov.mp4",
        lambda: encode(Path(_store.name) / "moov.mp4", sample_frames(), **X264).read_bytes()[:20_000],
    ),
    "unknown_codec": _content("codec.mp4", lambda: _faststart().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC")),
    # An index in front, without any of the frames that it lists.
    "index_without_frames": _content("moov_only.mp4", lambda: _faststart()[: _faststart().index(b"mdat") + 8]),
}
# The undamaged file of `truncated` and `damaged`.
whole = _content("whole.mp4", lambda: _faststart())


@_maker("audio_only.mp4", BROKEN)
def audio_only(path):
    copy_stream(locate("sample_woman"), path, "audio")


# --- read with a note


@_maker("truncated.mp4", ODD)
def truncated(path):
    """Cut off in the middle: about half of 48 frames are there."""
    data = _faststart()
    start = data.index(b"mdat")
    path.write_bytes(data[: start + (len(data) - start) // 2])


@_maker("damaged.mp4", ODD)
def damaged(path):
    """Bytes overwritten in the middle; the 12 frames before and after are intact."""
    data = bytearray(_faststart())
    start = data.index(b"mdat")
    length = len(data) - start
    middle = slice(start + length * 45 // 100, start + length * 55 // 100)
    data[middle] = np.random.default_rng(2).bytes(middle.stop - middle.start)
    path.write_bytes(bytes(data))


# --- read without a note


def weave(frames):
    """Half as many frames: odd rows of each first, even rows of each second one; uint8 (T, H, W, 3)."""
    woven = frames[0::2].copy()
    woven[:, 0::2] = frames[1::2, 0::2]
    return woven


def _pq(frames):
    """The code values of SMPTE ST 2084 with white at 203 cd/m2, uint16."""
    light = (frames / 255) ** 2.2 * 203 / 10000
    power = light**0.1593017578125
    return np.round(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375 * 65535).astype(np.uint16)


def _tiled(frames):
    """The face in five by four tiles of 384 x 270, 10 frames."""
    small = (cv2.resize(frame[:, 128:], (384, 270), interpolation=cv2.INTER_AREA) for frame in frames[:10])
    return [np.tile(tile, (4, 5, 1)) for tile in small]


def _encoded(name, select, how):
    return _maker(name)(lambda path: encode(path, select(sample_frames()), **how))


ENCODED = {
    "one_frame": ("one_frame.mp4", lambda f: f[:1], X264),
    "fast_240": ("240_fps.mp4", lambda f: f.repeat(4, axis=0), {**X264, "fps": 240}),
    "twenty_faces": ("twenty_faces.mp4", _tiled, X264),
    "tiny": ("tiny.mp4", lambda f: f[:, 100:340:32, 200:440:32][:, :8, :8], X264),
    # As telephones do: stored as 360 x 640, to be rotated by 90 degrees clockwise.
    "rotated": ("rotated.mp4", lambda f: np.rot90(f, 1, axes=(1, 2)), {**X264, "rotation": 90}),
    "odd_size": ("odd_size.mkv", lambda f: f[:, 50:291, 150:471], FFV1),
    # Two pixels high: nothing remains at the size of the face detector's input.
    "ribbon": ("ribbon.mkv", lambda f: f[:, 100:102], FFV1),
    "hdr10": ("hdr10.mp4", lambda f: _pq(f[:12]), {**HEVC, "pix_fmt": "yuv420p10le", "tags": (9, 16, 9, 1)}),
    # Fields woven from successive frames (lower first): 12 frames at 25 Hz.
    "interlaced": ("woven.mp4", weave, {**X264, "fps": 25, "options": {**FAST_PRESET, "flags": "+ilme+ildct"}}),
    "alpha": ("alpha.mov", lambda f: f[:8], {"codec": "qtrle", "pix_fmt": "argb"}),
    "alpha_planes": ("alpha.webm", lambda f: f[:8], {**VP9, "pix_fmt": "yuva420p"}),
    "grey": ("grey.mp4", lambda f: f[..., 1:2].repeat(3, axis=3), {**X264, "pix_fmt": "gray"}),
    "prores": ("prores.mov", lambda f: f[:8], {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    "mp4_named_avi": ("an_mp4.avi", lambda f: f, {**X264, "container": "mp4"}),
    # Pixels twice as wide as high: stored as 320 x 360, to be shown at 640 x 360.
    "anamorphic": ("anamorphic.mp4", lambda f: f[:, :, ::2], {**X264, "sample_aspect": Fraction(2)}),
    # A colour matrix that FFmpeg's converter does not support.
    "odd_matrix": ("odd_matrix.mp4", lambda f: f, {**X264, "options": {"x264-params": "colormatrix=YCgCo"}}),
}
ODD |= {key: _encoded(*made) for key, made in ENCODED.items()}
rotated, odd_size, one_frame = ODD["rotated"], ODD["odd_size"], ODD["one_frame"]


@_maker("variable_rate.mp4", ODD)
def variable_rate(path):
    with VideoWriter(path, fps=30, width=640, height=360, crf=18, options=FAST_PRESET) as writer:
        for image, time in zip(sample_frames(), variable_times(), strict=True):
            writer.write(image, time)


def variable_times():
    steps = [(1 / 60, 1 / 30, 1 / 24, 1 / 10)[index % 4] for index in range(23)]
    return [math.fsum(steps[:index]) for index in range(24)]


@_maker("new_size.ts", ODD)
def new_size(path):
    """12 frames of 640 x 360, then 12 of 320 x 180 in the same stream, as in video calls."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options=FAST_PRESET)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        second = av.CodecContext.create("libx264", "w")
        second.width, second.height, second.pix_fmt = 320, 180, "yuv420p"
        second.time_base, second.options = Fraction(1, 30), FAST_PRESET
        for index, image in enumerate(sample_frames()):
            encoder, step = (stream, 1) if index < 12 else (second, 2)
            if index == 12:
                output.mux(stream.encode())
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[::step, ::step]), format="rgb24")
            frame = frame.reformat(format="yuv420p", src_color_range=2, dst_color_range=1)
            frame.pts, frame.time_base = index, Fraction(1, 30)
            for packet in encoder.encode(frame) + (second.encode() if index == 23 else []):
                packet.stream = stream
                output.mux(packet)


@_maker("no_stated_rate.webm", ODD)
def no_stated_rate(path):
    """Without a default duration, as recordings of browsers."""
    content = bytearray(encode(path, sample_frames(), **VP9).read_bytes())
    start = content.find(bytes.fromhex("23e383"))  # the element's name, then its length in one byte
    length = 4 + (content[start + 3] & 0x7F)
    content[start : start + length] = bytes([0xEC, 0x80 | (length - 2)]) + bytes(length - 2)  # an empty element
    path.write_bytes(content)

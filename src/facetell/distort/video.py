"""Distorted videos: from file to file, and as streams of frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facetell.distort.frames import FUNCTIONS, TIME_FUNCTIONS, X265_LEAST, Timed
from facetell.distort.kinds import parameter
from facetell.types import FacetellError, UInt8Array
from facetell.video.container import open_container
from facetell.video.frame import Unreadable
from facetell.video.reader import VideoReader
from facetell.video.source import content_sha256
from facetell.video.writer import VideoWriter

# x264's macroblock tree is not reproducible to the bit; without it the same frames give the same file.
REPEATABLE = {"x264-params": "mbtree=0"}


def _encoding(code: str, p: float) -> dict[str, Any]:
    """The encoder of a distorted file, its constant rate factor, and further options by FFmpeg's names."""
    table: dict[str, tuple[str, float, dict[str, str]]] = {
        # As published, with the encoder's defaults: files may differ by a grey level here and there.
        "VC": ("libx264", p, {}),
        "H265": ("libx265", p, {"preset": "fast"}),
        "VP9": ("libvpx-vp9", p, {"b": "0", "deadline": "good", "cpu-used": "5"}),
        "AV1": ("libsvtav1", p, {"preset": "10"}),
        "SOCIAL": ("libx264", 28, {"preset": "veryfast", "profile": "main", "g": "60"} | REPEATABLE),
    }
    # The crf is FFmpeg's default, as in the last step of the published tool.
    codec, crf, options = table.get(code, ("libx264", 23, REPEATABLE))
    return {"codec": codec, "crf": crf, "options": options}


def distort_frame(image: UInt8Array, code: str, level: int, rng: np.random.Generator) -> UInt8Array:
    """One frame, uint8 RGB (H, W, 3), distorted. FacetellError: no such kind or level, or it needs a whole video."""
    p = parameter(code, level)
    if code not in FUNCTIONS:
        raise FacetellError(f"'{code}' acts on whole videos, not on a frame: use distort_video")
    return FUNCTIONS[code](image, p, rng)


def distort_stream(
    stream: Iterable[Timed], code: str, level: int, *, fps: float = 25.0, seed: int = 0
) -> Iterator[Timed]:
    """Frames of one size (uint8 RGB) with increasing times in seconds, distorted.

    Encoders work through a temporary file, with ``fps`` for rate control and the length of the last frame. The noise of
    a frame is a function of the seed and the frame's number. FacetellError: no such kind or level (of 1 to 5).
    """
    p = parameter(code, level)
    before = _before_file(stream, code, p, seed)
    return before if code in (*FUNCTIONS, *TIME_FUNCTIONS) else _encoded(before, fps, _encoding(code, p))


def _encoded(stream: Iterable[Timed], fps: float, encoding: dict[str, Any]) -> Iterator[Timed]:
    with tempfile.TemporaryDirectory(prefix="facetell-") as folder:
        path = Path(folder, "coded.mkv")
        _encode(stream, path, fps=fps, **encoding)
        with VideoReader(path) as reader:
            for raw in reader:
                yield raw.rgb(), raw.time


def distort_video(source: Path | str, out: Path | str, code: str, level: int, *, seed: int = 0) -> Path:
    """Write a distorted copy of a video, without its sound. The same seed gives the same video.

    The distortion of an encoder is the encoding of the file; all others are written as H.264 of crf 23, as by the
    published tool. ``out`` appears when it is complete. FacetellError: no such kind or level, or a video is unusable.
    """
    source, out = Path(source), Path(out)
    p, note = parameter(code, level), note_of(content_sha256(source), code, level, seed)
    if source.resolve() == out.resolve():
        raise FacetellError(f"{out} would overwrite its own source: choose another name")
    with VideoReader(source) as reader:
        fps = p if code == "FPS" else reader.info.fps or 25.0
        stream = _before_file(((raw.rgb(), raw.time) for raw in reader), code, p, seed)
        _encode(stream, out, fps=fps, metadata={"comment": note}, **_encoding(code, p))
    return out


def note_of(content: str | None, code: str, level: int, seed: int) -> str:
    """The tag ``comment`` of a copy: the distortion, and the SHA-256 of the clean ``content``."""
    return f"distorted by facetell: {code} {level}, seed {seed}, of {(content or '')[:16]}"


def note_in(path: Path) -> str:
    """The tag ``comment`` of a video; "" where it has none or is no video."""
    try:
        with open_container(path) as container:
            return container.metadata.get("comment", "")
    except Unreadable:
        return ""


def _before_file(stream: Iterable[Timed], code: str, p: float, seed: int) -> Iterator[Timed]:
    """The input of the encoder."""
    if code in TIME_FUNCTIONS:
        yield from TIME_FUNCTIONS[code](stream, p, np.random.default_rng(seed))
    elif code in FUNCTIONS:
        for number, (image, time) in enumerate(stream):
            rng = np.random.Generator(np.random.SFC64([seed, number]))
            yield FUNCTIONS[code](image, p, rng), time
    elif code == "SOCIAL":
        yield from ((_shrink_to(image, p), time) for image, time in stream)
    else:
        yield from stream


def _shrink_to(image: UInt8Array, long_side: float) -> UInt8Array:
    """An image shrunken by area to a long side in pixels, both sides even; a smaller one is returned as it is."""
    height, width = image.shape[:2]
    if (scale := long_side / max(height, width)) >= 1:
        return image
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _encode(stream: Iterable[Timed], path: Path, *, codec: str, **settings: Any) -> None:
    stream = iter(stream)
    if (first := next(stream, None)) is None:
        raise FacetellError(f"{path} was not written: there was no frame to write")
    height, width = first[0].shape[:2]
    if codec == "libx265" and min(height, width) < X265_LEAST:
        raise FacetellError(f"frames of {width}x{height} are too small for H.265: use at least {X265_LEAST} a side")
    with VideoWriter(path, width=width, height=height, codec=codec, **settings) as writer:
        for image, time in chain([first], stream):
            writer.write(image, time)

"""Distorted videos: from file to file, and as streams of frames."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np

from facetell.distort.coders import SENT, Encoding, encodings, shrink_to, with_losses
from facetell.distort.frames import FUNCTIONS, TIME_FUNCTIONS, Timed
from facetell.distort.kinds import KINDS, Family, parameter
from facetell.types import FacetellError, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.source import content_sha256
from facetell.video.writer import VideoWriter

X265_LEAST = 64  # pixels a side: on frames smaller than its blocks x265 writes outside its memory
Progress = Callable[[float], None]


def distort_picture(image: UInt8Array, code: str, level: int, rng: np.random.Generator) -> UInt8Array:
    """One frame, uint8 RGB (H, W, 3), under a distortion of the picture family.

    Raises:
        FacetellError: no such kind or level, or the kind needs a whole video.
    """
    p = parameter(code, level)
    if code not in FUNCTIONS:
        raise FacetellError(f"'{code}' acts on whole videos, not on a frame: use distort_video")
    return FUNCTIONS[code](image, p, rng)


def distort_stream(
    stream: Iterable[Timed], code: str, level: int, *, fps: float = 25.0, seed: int = 0
) -> Iterator[Timed]:
    """Frames of one size (uint8 RGB) with increasing times in seconds, distorted.

    Encoders work through a temporary file, with ``fps`` for rate control and the length of the last frame. The noise of
    a frame is a function of the seed and the frame's number.

    Raises:
        FacetellError: no such kind or level (of 1 to 5).
    """
    return _distorted(stream, code, parameter(code, level), fps, seed)


def _distorted(stream: Iterable[Timed], code: str, p: float, fps: float, seed: int) -> Iterator[Timed]:
    with tempfile.TemporaryDirectory(prefix="facetell-") as folder:
        before = _before_file(stream, code, p, fps, seed, Path(folder))
        if KINDS[code].family is Family.CODER:
            path = Path(folder, "coded.mkv")
            _encode(before, path, encodings(code, p)[-1], fps)
            before = _read(path)
        yield from before


def distort_video(
    source: Path | str, out: Path | str, code: str, level: int, *, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write a distorted copy of a video; its sound is copied. The same seed gives the same video.

    The distortion of an encoder is the encoding of the file; all others are written as H.264 of crf 23, as in the last
    step of the published tool. ``out`` appears when it is complete; ``progress`` is called with the share done in
    [0, 1].

    Raises:
        FacetellError: no such kind or level (of 1 to 5), or a video cannot be read or written.
    """
    source, out = Path(source), Path(out)
    p, note = parameter(code, level), note_of(content_sha256(source), code, level, seed)
    if source.resolve() == out.resolve():
        raise FacetellError(f"{out} would overwrite its own source: choose another name")
    with VideoReader(source) as reader, tempfile.TemporaryDirectory(prefix="facetell-") as folder:

        def clean() -> Iterator[Timed]:
            for raw in reader:
                yield raw.rgb(), raw.time
                if progress and reader.duration:
                    progress(min(1.0, raw.time / reader.duration))

        fps = reader.info.fps or 25.0
        stream = _before_file(clean(), code, p, fps, seed, Path(folder))
        _encode(stream, out, encodings(code, p)[-1], p if code == "FPS" else fps, source, note)
    return out


def note_of(content: str | None, code: str, level: int, seed: int) -> str:
    """The tag ``comment`` of a copy: the distortion, and the SHA-256 of the clean ``content``."""
    return f"distorted by facetell: {code} {level}, seed {seed}, of {(content or '')[:16]}"


def note_in(path: Path) -> str:
    """The tag ``comment`` of a video; "" where it has none or is no video."""
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment", "")
    except (av.FFmpegError, OSError):
        return ""


def _before_file(stream: Iterable[Timed], code: str, p: float, fps: float, seed: int, folder: Path) -> Iterator[Timed]:
    """The input of the last encoder: all steps before it are done, through files in ``folder`` where needed."""
    if code in TIME_FUNCTIONS:
        yield from TIME_FUNCTIONS[code](stream, p, np.random.default_rng(seed))
    elif code in FUNCTIONS:
        for number, (image, time) in enumerate(stream):
            rng = np.random.Generator(np.random.SFC64([seed, number]))
            yield FUNCTIONS[code](image, p, rng), time
    elif code == "SOCIAL":
        yield from ((shrink_to(image, p), time) for image, time in stream)
    elif code == "LOSS":
        _encode(stream, folder / "sent.mkv", SENT, fps)
        yield from with_losses(folder / "sent.mkv", p, np.random.default_rng(seed))
    else:
        for number, encoding in enumerate(encodings(code, p)[:-1]):
            _encode(stream, folder / f"{number}.mkv", encoding, fps)
            stream = _read(folder / f"{number}.mkv")
        yield from stream


def _encode(
    stream: Iterable[Timed], path: Path, encoding: Encoding, fps: float, sound: Path | None = None, tag: str = ""
) -> None:
    stream = iter(stream)
    first = next(stream, None)
    if first is None:
        raise FacetellError(f"{path} was not written: there was no frame to write")
    height, width = first[0].shape[:2]
    if encoding.codec == "libx265" and min(height, width) < X265_LEAST:
        raise FacetellError(f"frames of {width}x{height} are too small for H.265: use at least {X265_LEAST} a side")
    with VideoWriter(
        path,
        fps=fps,
        width=width,
        height=height,
        codec=encoding.codec,
        crf=encoding.crf,
        options=encoding.options,
        audio_from=sound,
        metadata={"comment": tag} if tag else None,
    ) as writer:
        for image, time in chain([first], stream):
            writer.write(image, time)


def _read(path: Path) -> Iterator[Timed]:
    with VideoReader(path) as reader:
        for raw in reader:
            yield raw.rgb(), raw.time

"""From a video file to a distorted one, and to a stream of distorted pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np

from facetell.distort import pictures, times
from facetell.distort.coders import PLAIN, SENT, Encoding, encodings, shrink_to, with_losses
from facetell.distort.kinds import KINDS, Family, parameter
from facetell.distort.times import Timed
from facetell.types import FacetellError, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.source import content_sha256
from facetell.video.writer import VideoWriter

X265_LEAST = 64  # pixels a side: on smaller pictures than its blocks x265 overruns its memory
Progress = Callable[[float], None]


def distort_picture(image: UInt8Array, code: str, level: int, rng: np.random.Generator) -> UInt8Array:
    """One picture, uint8 RGB (H, W, 3), under a distortion of the picture family.

    Raises:
        FacetellError: no such kind or level, or the kind needs a whole video.
    """
    p = parameter(code, level)
    if code not in pictures.FUNCTIONS:
        raise FacetellError(f"'{code}' acts on whole videos, not on a picture: use distort_video")
    return pictures.FUNCTIONS[code](image, p, rng)


def distort_stream(
    stream: Iterable[Timed], code: str, level: int, *, fps: float = 25.0, seed: int = 0
) -> Iterator[Timed]:
    """Pictures with their times in seconds, distorted; coders work through a temporary file.

    Args:
        stream: uint8 RGB (H, W, 3) pictures of one size, and times that go forward.
        code: one of :data:`facetell.distort.KINDS`.
        level: 1 (mild) to 5.
        fps: pictures a second, for rate control and the last picture's length.
        seed: chance; the picture of a number gets the same noise whatever came before it.

    Raises:
        FacetellError: no such kind or level.
    """
    p = parameter(code, level)
    family = KINDS[code].family
    if family is Family.CODER:
        return _through_coders(stream, code, p, fps, seed)
    return _without_coders(stream, code, p, seed)


def _without_coders(stream: Iterable[Timed], code: str, p: float, seed: int) -> Iterator[Timed]:
    if KINDS[code].family is Family.TIME:
        yield from times.FUNCTIONS[code](stream, p, np.random.default_rng(seed))
        return
    function = pictures.FUNCTIONS[code]
    for number, (image, time) in enumerate(stream):
        yield function(image, p, np.random.Generator(np.random.SFC64([seed, number]))), time


def _through_coders(stream: Iterable[Timed], code: str, p: float, fps: float, seed: int) -> Iterator[Timed]:
    with tempfile.TemporaryDirectory(prefix="facetell-") as folder:
        path = Path(folder, "coded.mkv")
        _encode(_before_last(stream, code, p, fps, seed, Path(folder)), path, encodings(code, p)[-1], fps)
        yield from _read(path)


def distort_video(
    source: Path | str, out: Path | str, code: str, level: int, *, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write a distorted copy of a video; its sound is copied.

    A coder's distortion is the file's own encoding (applied once); all others are written as H.264 of crf 23, the
    last step of the published tool.

    Args:
        source: the clean video.
        out: the distorted one; appears when it is complete.
        code: one of :data:`facetell.distort.KINDS`.
        level: 1 (mild) to 5.
        seed: the same seed gives the same video.
        progress: called with the share done in [0, 1].

    Raises:
        FacetellError: no such kind or level, or a video cannot be read or written.
    """
    source, out = Path(source), Path(out)
    p, note = parameter(code, level), note_of(content_sha256(source), code, level, seed)
    if source.resolve() == out.resolve():
        raise FacetellError(f"{out} would overwrite its own source: choose another name")
    with VideoReader(source) as reader, tempfile.TemporaryDirectory(prefix="facetell-") as folder:
        fps = reader.info.fps or 25.0
        stream = _reported(((raw.rgb(), raw.time) for raw in reader), reader.duration, progress)
        if KINDS[code].family is Family.CODER:
            stream, last = _before_last(stream, code, p, fps, seed, Path(folder)), encodings(code, p)[-1]
        else:
            stream, last = _without_coders(stream, code, p, seed), PLAIN
        _encode(stream, out, last, p if code == "FPS" else fps, source, note)
    return out


def note_of(content: str | None, code: str, level: int, seed: int) -> str:
    """What a copy says of itself in its tag ``comment``: what was done to which ``content`` (SHA-256)."""
    return f"distorted by facetell: {code} {level}, seed {seed}, of {(content or '')[:16]}"


def note_in(path: Path) -> str:
    """The tag ``comment`` of a video; "" where it has none or is no video."""
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment", "")
    except (av.FFmpegError, OSError):
        return ""


def _before_last(stream: Iterable[Timed], code: str, p: float, fps: float, seed: int, folder: Path) -> Iterator[Timed]:
    """What reaches the last encoder: all steps before it are carried out."""
    if code == "SOCIAL":
        yield from ((shrink_to(image, p), time) for image, time in stream)
        return
    if code == "LOSS":
        _encode(stream, folder / "sent.mkv", SENT, fps)
        yield from with_losses(folder / "sent.mkv", p, np.random.default_rng(seed))
        return
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
        raise FacetellError(f"{path} was not written: there was no picture to write")
    height, width = first[0].shape[:2]
    if encoding.codec == "libx265" and min(height, width) < X265_LEAST:
        raise FacetellError(f"pictures of {width}x{height} are too small for H.265: use at least {X265_LEAST} a side")
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


def _reported(stream: Iterable[Timed], duration: float | None, progress: Progress | None) -> Iterator[Timed]:
    for image, time in stream:
        yield image, time
        if progress and duration:
            progress(min(1.0, time / duration))

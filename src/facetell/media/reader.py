"""Video in: what a file holds, and its pictures one after the other in bounded memory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from facetell.media.deinterlace import Deinterlacer
from facetell.media.picture import Geometry, RawFrame
from facetell.types import FacetellError

__all__ = ["RawFrame", "Unreadable", "VideoInfo", "VideoReader", "probe"]

_MAX_RATE = 1000
_FALLBACK_RATE = 25.0
_DEMUX_RETRIES = 16
# A backward step longer than this is a new start of the clock (joined recordings), not pictures out of order.
_CLOCK_RESTART_S = 1.0


class Unreadable(FacetellError):
    """There is no picture to be had from a file."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before reading it through.

    ``width`` and ``height`` are those of the upright picture with square pixels; ``rotation`` is the clockwise turn in
    degrees that made it upright. ``fps`` is the average rate, ``duration`` in seconds, ``n_frames`` an estimate; each
    is None where the file does not tell.
    """

    path: Path
    width: int
    height: int
    fps: float | None
    duration: float | None
    rotation: int
    codec: str
    has_audio: bool
    n_frames: int | None


def probe(path: str | Path) -> VideoInfo:
    """Look at a video and decode its first picture.

    Raises:
        Unreadable: there is no such file, or no picture can be decoded from it.
    """
    with VideoReader(path, threads=1) as reader:
        return reader.info


class VideoReader:
    """The pictures of a video in the order in which they are shown, one pass, in memory that does not grow.

    Damaged packets are left out and iteration goes on; :attr:`errors` tells of them.

        with VideoReader("talk.mp4") as reader:
            for frame in reader:
                if frame.index % 10 == 0:
                    image = frame.rgb()

    Args:
        path: the file; the content decides what it is, not the suffix.
        threads: decoder threads. Each holds pictures of its own, so more threads are more memory.

    Raises:
        Unreadable: there is no such file, or no picture can be decoded from it.
    """

    def __init__(self, path: str | Path, *, threads: int = 2) -> None:
        self.path = Path(path)
        self._damaged = 0
        self._packets_seen = 0
        self._notes: list[str] = []
        self._container = _open(self.path)
        try:
            self._stream = _video_stream(self._container, self.path)
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = threads
            self._pictures = self._decode()
            first = next(self._pictures, None)
            if first is None:
                raise Unreadable(
                    f"no picture of {self.path} can be decoded (it is damaged or cut off): get the file anew"
                )
        except BaseException:
            self._container.close()
            raise
        self._first: av.VideoFrame | None = first
        self._first_size = (first.width, first.height)
        self._geometry = Geometry.of(first, self._stream.sample_aspect_ratio or None)
        self.info = self._describe()

    @property
    def errors(self) -> tuple[str, ...]:
        """Short sentences on what has been found damaged so far; empty for a sound file."""
        if self._damaged:
            noun = "picture was" if self._damaged == 1 else "pictures were"
            return (f"{self._damaged} damaged {noun} left out", *self._notes)
        return tuple(self._notes)

    @property
    def damaged(self) -> int:
        """How many damaged packets or pictures have been left out so far."""
        return self._damaged

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames already handed out stay usable."""
        self._container.close()

    def __iter__(self) -> Iterator[RawFrame]:
        clock = _Clock(1 / (self.info.fps or _FALLBACK_RATE))
        last = 0.0
        for index, picture in enumerate(self._deinterlaced()):
            last = clock.seconds(picture)
            yield RawFrame(index, last, picture, self._geometry, self._first_size)
        self._note_early_end(last)

    def _deinterlaced(self) -> Iterator[av.VideoFrame]:
        deinterlacer: Deinterlacer | None = None
        for picture in self._from_first():
            # Once a video has shown fields, everything passes through the filter: it looks ahead by one picture.
            if deinterlacer is None and picture.interlaced_frame:
                deinterlacer = Deinterlacer()
            if deinterlacer is None:
                yield picture
            else:
                yield from deinterlacer.push(picture)
        if deinterlacer is not None:
            yield from deinterlacer.flush()

    def _from_first(self) -> Iterator[av.VideoFrame]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._pictures

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Sound pictures in presentation order; counts what is not."""
        decoder = self._stream.codec_context
        for packet in self._packets():
            if packet.size and packet.is_corrupt:
                self._damaged += 1
                continue
            try:
                pictures = decoder.decode(packet)
            except EOFError:
                return
            except (av.FFmpegError, ValueError):
                self._damaged += 1
                continue
            for picture in pictures:
                if picture.is_corrupt or not picture.width or not picture.height:
                    self._damaged += 1
                    continue
                if not picture.time_base:
                    picture.time_base = self._stream.time_base
                yield picture

    def _packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # generic in the stubs only
        """Packets of the video stream, the last one empty (it makes the decoder give up what it holds)."""
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    self._packets_seen += bool(packet.size)
                    yield packet
                return
            except av.FFmpegError as error:
                failures += 1
                if failures == 1:
                    self._notes.append(
                        f"the container is damaged after {self._packets_seen} pictures ({_reason(error)})"
                    )
                if failures > _DEMUX_RETRIES:
                    yield av.Packet()
                    return

    def _note_early_end(self, last_time: float) -> None:
        """Say so when the file promised more than it held."""
        promised, seconds = self._stream.frames, self._video_seconds()
        if promised and self._packets_seen < promised:
            self._notes.append(f"the file ends early: {self._packets_seen} of {promised} pictures are there")
        elif not promised and seconds is not None and seconds - last_time > 1.0 + last_time / 20:
            self._notes.append(f"the file ends early: {last_time:.1f} of {seconds:.1f} seconds are there")

    def _video_seconds(self) -> float | None:
        """Length of the pictures, not of a sound track that may go on longer; None where the file does not tell."""
        stream = self._stream
        if stream.duration and stream.time_base and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))  # of Matroska
        if tag:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        length = self._container.duration
        return length / av.time_base if length and length > 0 and len(self._container.streams) == 1 else None

    def _describe(self) -> VideoInfo:
        stream, container = self._stream, self._container
        fps = _rate(stream)
        duration = self._video_seconds()
        if duration is None and container.duration and container.duration > 0:
            duration = container.duration / av.time_base
        n_frames = stream.frames or (round(fps * duration) if fps and duration else None)
        width, height = self._geometry.upright
        return VideoInfo(
            path=self.path,
            width=width,
            height=height,
            fps=fps,
            duration=duration,
            rotation=self._geometry.orientation.rotation,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
            n_frames=n_frames,
        )


class _Clock:
    """Turns presentation stamps into seconds from the first picture that always go forward."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._origin: float | None = None
        self._last: float | None = None

    def seconds(self, picture: av.VideoFrame) -> float:
        time = self._stamp(picture)
        if self._last is not None and time <= self._last:
            if self._last - time > _CLOCK_RESTART_S and self._origin is not None:
                self._origin -= self._last + self._interval - time
                time = self._last + self._interval
            else:
                time = self._last + self._interval / 4
        self._last = time
        return time

    def _stamp(self, picture: av.VideoFrame) -> float:
        if picture.pts is None or not picture.time_base:
            return 0.0 if self._last is None else self._last + self._interval
        stamp = float(picture.pts * picture.time_base)
        if self._origin is None:
            self._origin = stamp - (0.0 if self._last is None else self._last + self._interval)
        return stamp - self._origin


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise Unreadable(f"there is no file {path}: check the name")
    if path.is_dir():
        raise Unreadable(f"{path} is a folder: name a video file")
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise Unreadable(f"{path} is empty (0 bytes): get the file anew")
        # "file:" and the whitelist keep names with a colon, and playlists, from being taken for network addresses.
        return av.open(f"file:{path}", metadata_errors="replace", container_options={"protocol_whitelist": "file"})
    except PermissionError:
        raise Unreadable(f"{path} may not be read: change its permissions") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path} is not a video that can be read ({_reason(error)}): it may be cut off, or no video at all"
        ) from None


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The largest video stream that is not a cover picture."""
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if decodable:
        return max(decodable, key=lambda stream: stream.codec_context.width * stream.codec_context.height)
    if streams:
        raise Unreadable(f"{path} holds video of a kind that cannot be decoded here: convert it to H.264")
    held = "sound" if container.streams.audio else "neither pictures nor sound"
    raise Unreadable(f"{path} holds {held} but no video: name a file with pictures")


def _rate(stream: VideoStream) -> float | None:
    """Average pictures a second; None where the stream gives nothing that makes sense."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and Fraction(1, 100) < rate <= _MAX_RATE:
            return float(rate)
    return None


def _reason(error: Exception) -> str:
    """The library's words for an error, without number or address."""
    text = getattr(error, "strerror", None) or str(error)
    with contextlib.suppress(AttributeError):
        text = text.splitlines()[0]
    return text[:1].lower() + text[1:]

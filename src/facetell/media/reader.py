"""Video in: what a file holds, and its pictures one after the other in bounded memory."""

from __future__ import annotations

import contextlib
import errno
import math
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from facetell.media.address import missing_file
from facetell.media.deinterlace import Deinterlacer
from facetell.media.picture import Geometry, RawFrame, Unreadable

__all__ = ["RawFrame", "Unreadable", "VideoInfo", "VideoReader", "probe"]

LISTS = frozenset({"concat", "dash", "hls", "imf"})
"""Formats whose pictures lie in other files: what is scored, hashed and reported must be the file that was named."""
_A_LIST = "{path} is a list that names other files: name the video itself"
MOST_PIXELS = 1 << 27  # of a picture: four times those of 8K; a larger one counts as damaged
_MAX_RATE = 1000
_MAX_GUESS = 250  # where a file states no rate, what is guessed beyond are the ticks of its clock
_FALLBACK_RATE = 25.0
_DEMUX_RETRIES = 16
_SKIP_WORTH_TELLING_S = 0.5
# A longer step back is a new start of the clock (joined recordings), a shorter one a picture out of order.
_CLOCK_RESTART_S = 1.0


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
        self._notes: list[str] = []
        self._recent_stamps: deque[int | None] = deque(maxlen=threads + 1)
        self._bad_from: int | None = None
        self._packets_seen = 0
        self._pictures_due = 0
        self._whole_pictures = True
        self._container: InputContainer
        self._stream: VideoStream
        first = self._start(threads, strict=True)
        if first is None:
            # Some encoders write headers that break the rules while their pictures are sound: try once more, leniently.
            self._container.close()
            first = self._start(threads, strict=False)
        if first is None:
            self._container.close()
            raise Unreadable(f"no picture of {self.path} can be decoded (it is damaged or cut off): get the file anew")
        self._first: av.VideoFrame | None = first
        self._geometry = Geometry.of(first, self._stream.sample_aspect_ratio or None)
        self.info = self._describe()
        self._skipped = self._seconds_before(first)
        if self._skipped > _SKIP_WORTH_TELLING_S:
            self._notes.append(f"the first {self._skipped:.1f} seconds hold no picture that can be decoded")
        late = self._late_start() + self._skipped
        if late > _SKIP_WORTH_TELLING_S:
            self._notes.append(f"players show its first picture at {late:.1f} seconds: times here count from it")

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
        index = 0
        last = 0.0
        for picture in self._deinterlaced():
            time = clock.seconds(picture, drop_late=self._damaged > 0)
            if time is None:
                self._damaged += 1
                continue
            last = time
            yield RawFrame(index, last, picture, self._geometry)
            index += 1
        if self._damaged and self._whole_pictures:
            # Some damage makes the decoder give nothing without a word, some is told of twice: only the sum is sure.
            self._damaged = max(1, self._pictures_due - index)
        self._note_early_end(last)

    def _start(self, threads: int, strict: bool) -> av.VideoFrame | None:
        """Open the file from its beginning and decode its first picture; None where there is none."""
        self._damaged = 0
        self._notes.clear()
        self._recent_stamps.clear()
        self._bad_from = None
        self._packets_seen = self._pictures_due = 0
        self._container = self._open()
        try:
            self._stream = video_stream(self._container, self.path)
            context = self._stream.codec_context
            context.thread_type, context.thread_count = "AUTO", threads
            # A few bytes may ask for a picture that fills the memory.
            context.options = {"max_pixels": str(MOST_PIXELS)}
            if strict:
                # Without it, damaged blocks are filled by guess and the picture given out as if it were sound.
                context.options |= {"err_detect": "explode"}
            self._pictures = self._decode()
            return next(self._pictures, None)
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> InputContainer:
        """Open what the pictures come from."""
        return _open(self.path)

    def _deinterlaced(self) -> Iterator[av.VideoFrame]:
        deinterlacer: Deinterlacer | None = None
        for picture in self._from_first():
            # Once a video has shown fields, everything passes through the filter: it looks ahead by one picture.
            if deinterlacer is None and picture.interlaced_frame:
                deinterlacer = Deinterlacer()
                self._whole_pictures = False  # a packet may hold one field
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
                self._note_damage([packet.pts])
                continue
            self._recent_stamps.append(packet.pts)
            try:
                pictures = decoder.decode(packet)
            except EOFError:
                return
            except (av.FFmpegError, ValueError):
                # With several threads the error may belong to one of the packets before.
                self._note_damage(self._recent_stamps)
                continue
            for picture in pictures:
                if self._is_sound(picture):
                    if not picture.time_base:
                        picture.time_base = self._stream.time_base
                    yield picture
                else:
                    self._damaged += 1

    def _note_damage(self, stamps: Iterable[int | None]) -> None:
        """A packet was damaged, one of ``stamps``: from its picture on nothing is to be trusted until a key picture."""
        self._damaged += 1
        self._bad_from = min((stamp for stamp in (*stamps, self._bad_from) if stamp is not None), default=0)

    def _is_sound(self, picture: av.VideoFrame) -> bool:
        """Whether a picture is whole and rests on whole ones: prediction carries damage on to the next key picture."""
        if not picture.width or not picture.height:
            return False
        stamp = picture.pts
        if picture.is_corrupt:
            self._bad_from = min((bad for bad in (stamp, self._bad_from) if bad is not None), default=0)
            return False
        if self._bad_from is None:
            return True
        if picture.key_frame and (stamp is None or stamp > self._bad_from):
            self._bad_from = None
            return True
        return stamp is not None and stamp < self._bad_from

    def _packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # generic in the stubs only
        """Packets of the video stream, the last one empty (it makes the decoder give up what it holds)."""
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    self._packets_seen += bool(packet.size)
                    self._pictures_due += bool(packet.size) and not packet.is_discard
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

    def _seconds_before(self, first: av.VideoFrame) -> float:
        """How long the stream has run before its first picture, as in a recording cut out of another."""
        start, stamp = self._stream.start_time, first.pts
        if start is None or stamp is None or not first.time_base:
            return 0.0
        return max(0.0, float((stamp - start) * first.time_base))

    def _note_early_end(self, last_time: float) -> None:
        """Say so when the file promised more than it held."""
        last_time += self._skipped
        promised, seconds = self._stream.frames, self._video_seconds()
        # Fewer pictures than promised, yet to the last moment: an edit list hides some, or dropped ones left gaps.
        is_whole = seconds is not None and last_time + 1.5 / (self.info.fps or _FALLBACK_RATE) >= seconds
        if is_whole:
            return
        if promised and self._packets_seen < promised:
            self._notes.append(f"the file ends early: {self._packets_seen} of {promised} pictures are there")
        elif not promised and seconds is not None and seconds - last_time > 1.0 + last_time / 20:
            self._notes.append(f"the file ends early: {last_time:.1f} of {seconds:.1f} seconds are there")

    def _video_seconds(self) -> float | None:
        """Length of the pictures, not of a sound track that may go on longer; None where the file does not tell."""
        stream = self._stream
        if stream.duration and stream.time_base and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))  # of Matroska: when it ends
        if tag:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - self._late_start()
        length = self._container.duration
        return length / av.time_base if length and length > 0 and len(self._container.streams) == 1 else None

    def _late_start(self) -> float:
        """Seconds by which the pictures begin later than the file, as where its sound comes first."""
        start, time_base = self._stream.start_time, self._stream.time_base
        if start is None or time_base is None or self._container.start_time is None:
            return 0.0
        return max(0.0, float(start * time_base) - self._container.start_time / av.time_base)

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
        self._last = -interval
        self._last_stamp = -math.inf

    def seconds(self, picture: av.VideoFrame, *, drop_late: bool) -> float | None:
        """Time of the next picture; None for one whose time is over, where ``drop_late`` (as after damage)."""
        due = self._last + self._interval
        time = due
        if picture.pts is not None and picture.time_base:
            stamp = float(picture.pts * picture.time_base)
            if self._origin is None or self._last - (stamp - self._origin) > _CLOCK_RESTART_S:
                self._origin = stamp - due
            if stamp != self._last_stamp:  # one that stands still says nothing: the picture is taken to come when due
                time = stamp - self._origin
            self._last_stamp = stamp
            if time <= self._last:
                if drop_late and self._last - time > self._interval / 2:
                    return None
                time = self._last + self._interval / 4
        self._last = time
        return time


def _open(path: Path) -> InputContainer:
    try:
        found = path.stat()
    except PermissionError:
        raise Unreadable(f"{path} may not be looked at: change the permissions of its folder") from None
    except OSError:
        raise Unreadable(missing_file(path)) from None
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(f"{path} is a folder: name a video file")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is a device or a pipe, which may never end: name a video file")
    if found.st_size == 0:
        raise Unreadable(f"{path} is empty (0 bytes): get the file anew")
    try:
        # "file:" and the whitelist keep names with a colon, and playlists, from being taken for network addresses.
        container = av.open(f"file:{path}", metadata_errors="replace", container_options={"protocol_whitelist": "file"})
        if LISTS.isdisjoint(container.format.name.split(",")):
            return container
        container.close()
        raise Unreadable(_A_LIST.format(path=path))
    except PermissionError as error:
        if error.errno == errno.EPERM:  # FFmpeg's own word, where a list names what it may not follow
            raise Unreadable(_A_LIST.format(path=path)) from None
        raise Unreadable(f"{path} may not be read: change its permissions") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path} is not a video that can be read ({_reason(error)}): it may be cut off, or no video at all"
        ) from None


def video_stream(container: InputContainer, path: Path) -> VideoStream:
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
    guesses = (stream.average_rate, _MAX_RATE), (stream.guessed_rate, _MAX_GUESS), (stream.base_rate, _MAX_GUESS)
    for rate, most in guesses:
        if rate is not None and Fraction(1, 100) < rate <= most:
            return float(rate)
    return None


def _reason(error: Exception) -> str:
    """The library's words for an error, without number or address."""
    text = getattr(error, "strerror", None) or str(error)
    with contextlib.suppress(AttributeError):
        text = text.splitlines()[0]
    return text[:1].lower() + text[1:]

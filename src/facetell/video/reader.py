"""Read a video file: what it holds, and its frames one by one in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from facetell.video.clock import MOST_REORDERED, STEP_BACK_S, Clock, StampOrder
from facetell.video.container import (
    frame_rate,
    longest_pause,
    open_container,
    reason,
    stream_seconds,
    video_streams,
)
from facetell.video.deinterlace import Deinterlacer
from facetell.video.picture import Geometry, RawFrame, Unreadable

__all__ = ["RawFrame", "Unreadable", "VideoInfo", "VideoReader", "probe"]

MOST_PIXELS = 1 << 27  # of a picture: four times those of 8K; a larger one counts as damaged
_FALLBACK_RATE = 25.0
_DEMUX_RETRIES = 16
_SKIP_WORTH_TELLING_S = 0.5


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container states about a video.

    ``width`` and ``height`` are those of the upright frame with square pixels; ``rotation`` is the clockwise turn in
    degrees that made it upright. ``fps`` is the average rate, ``duration`` in seconds; each is
    None where it is unknown.
    """

    path: Path
    width: int
    height: int
    fps: float | None
    duration: float | None
    rotation: int
    codec: str
    has_audio: bool


def probe(path: str | Path) -> VideoInfo:
    """Return what a video file states, after its first frame was decoded.

    Raises:
        Unreadable: there is no such file, or no frame can be decoded from it.
    """
    with VideoReader(path, threads=1) as reader:
        return reader.info


class VideoReader:
    """The frames of a video in presentation order, in one pass and in bounded memory.

    Times are those of presentation, see :mod:`facetell.video.clock`. Damaged packets are left out and iteration goes
    on. :attr:`errors` lists what was found, :attr:`info` is what the container states.

        with VideoReader("talk.mp4") as reader:
            for frame in reader:
                if frame.index % 10 == 0:
                    image = frame.rgb()

    Args:
        path: the file; the content decides what it is, not the suffix.
        threads: decoder threads. Each holds frames of its own, so more threads are more memory.

    Raises:
        Unreadable: there is no such file, or no frame can be decoded from it.
    """

    def __init__(self, path: str | Path, *, threads: int = 2) -> None:
        self.path = Path(path)
        self._damaged = 0
        self._missing: list[str] = []  # messages on parts that cannot be read
        self._notes: list[str] = []
        self._complete = False
        self._recent_stamps: deque[int | None] = deque(maxlen=threads + 1)
        self._bad_from: int | None = None
        self._packets_seen = 0
        self._pictures_due = 0
        self._whole_pictures = True
        self._container: InputContainer
        self._stream: VideoStream
        self._order: StampOrder
        self._clock: Clock | None = None
        first = self._start(threads, strict=True)
        if first is None:
            # Some encoders write headers that break the rules while their pictures are sound: try once more, leniently.
            self._container.close()
            first = self._start(threads, strict=False)
        if first is None:
            self._container.close()
            raise Unreadable(f"no frame of {self.path} can be decoded (it is damaged or truncated): get the file again")
        self._first: av.VideoFrame | None = first
        self._aspect, coded = self._stream.sample_aspect_ratio, self._stream.codec_context.sample_aspect_ratio
        # As FFmpeg does, the container's ratio is taken where it is another than the codec's.
        self._aspect_is_fixed = self._aspect is not None and self._aspect != coded
        self._geometry = self._last_geometry = Geometry.of(first, self._aspect)
        self._last_shape = first.width, first.height, self._aspect
        self.info = self._describe()
        self._skipped = self._seconds_before(first)
        if self._skipped > _SKIP_WORTH_TELLING_S:
            self._missing.append(f"the first {self._skipped:.1f} seconds hold no frame that can be decoded")
        late = self._late_start() + self._skipped
        if late > _SKIP_WORTH_TELLING_S:
            self._notes.append(f"players show the first frame at {late:.1f} seconds: times here count from it")

    @property
    def duration(self) -> float | None:
        """Seconds of the video; None while it is unknown.

        That is what the container states, unless it states nothing, a leap of the clock makes it false, or more was
        read: then that of the frames, once all are read.
        """
        stated, clock = self.info.duration, self._clock
        if clock is None or (stated is not None and not clock.leaps and clock.last <= stated):
            return stated
        return clock.length if self._complete else None

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on frames that are damaged or missing, so far."""
        noun = "frame was" if self._damaged == 1 else "frames were"
        return (*([f"{self._damaged} damaged {noun} left out"] if self._damaged else []), *self._missing)

    @property
    def errors(self) -> tuple[str, ...]:
        """:attr:`damage`, and messages on several streams, a late start, leaps and missing stamps, so far."""
        return (*self.damage, *self._notes, *self._clock_notes())

    @property
    def damaged(self) -> int:
        """Number of damaged packets or frames that have been left out so far."""
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
        interval = 1 / (self.info.fps or _FALLBACK_RATE)
        self._clock = clock = Clock(interval, self._longest_pause())
        index = 0
        for picture in self._deinterlaced():
            time = clock.seconds(picture, drop_late=self._damaged > 0)
            if time is None:
                self._damaged += 1
                continue
            yield RawFrame(index, time, picture, self._geometry_of(picture))
            index += 1
        if self._damaged and self._whole_pictures:
            # Some damage makes the decoder give nothing without an error, some is reported twice: the sum is exact.
            self._damaged = max(1, self._pictures_due - index)
        self._note_early_end(max(0.0, clock.last) + clock.left_out)
        self._complete = True

    def _longest_pause(self) -> float:
        """Seconds between two frames beyond which the clock leaps."""
        return longest_pause(self._container)

    def _clock_notes(self) -> Iterator[str]:
        clock = self._clock
        if clock is None:
            return
        if clock.first_leap is not None:
            time, by = clock.first_leap
            length = f"{abs(by):.1g} s" if abs(by) < 1 else timedelta(seconds=round(abs(by)))
            leap = f"{'forward' if by > 0 else 'back'} by {length} at {time:.3g} s"
            if clock.leaps == 1:
                yield f"the clock leaps {leap}: times here count without the leap"
            else:
                yield f"the clock leaps {clock.leaps} times, first {leap}: times here count without the leaps"
        if clock.unstamped > max(2, clock.frames / 2):
            rate = self.info.fps or _FALLBACK_RATE
            yield f"there are no usable time stamps: frames are timed by their order at {rate:.5g} frames per second"

    def _geometry_of(self, frame: av.VideoFrame) -> Geometry:
        """How a frame is scaled; a broadcast may change size or sample aspect ratio on the way."""
        coded = None if self._aspect_is_fixed else self._stream.codec_context.sample_aspect_ratio
        shape = frame.width, frame.height, coded or self._aspect
        if shape != self._last_shape:
            self._last_shape, self._last_geometry = shape, self._geometry.fit(frame, shape[2])
        return self._last_geometry

    def _start(self, threads: int, strict: bool) -> av.VideoFrame | None:
        """Open the file from its beginning and decode its first frame; None where there is none."""
        self._damaged = 0
        self._missing.clear()
        self._notes.clear()
        self._recent_stamps.clear()
        self._bad_from = None
        self._packets_seen = self._pictures_due = 0
        self._container = self._open()
        try:
            streams = video_streams(self._container, self.path)
            self._stream = streams[0]
            context = self._stream.codec_context
            if len(streams) > 1:
                name = f"stream {self._stream.index} ({context.name}, {context.width}x{context.height})"
                self._notes.append(f"there are {len(streams)} video streams: {name} is read")
            span = max(STEP_BACK_S, MOST_REORDERED / (frame_rate(self._stream) or _FALLBACK_RATE))
            self._order = StampOrder(span / float(self._stream.time_base or 1))
            context.thread_type, context.thread_count = "AUTO", threads
            # A few bytes may ask for a frame that fills the memory.
            context.options = {"max_pixels": str(MOST_PIXELS)}
            if strict:
                # Without it, damaged blocks are concealed and the frame is not marked as damaged.
                context.options |= {"err_detect": "explode"}
            self._pictures = self._decode()
            return next(self._pictures, None)
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> InputContainer:
        """Open the container."""
        return open_container(self.path)

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
        """Undamaged frames in presentation order, with presentation stamps."""
        for frame in self._undamaged():
            yield from self._order.receive(frame)
        yield from self._order.flush()

    def _undamaged(self) -> Iterator[av.VideoFrame]:
        """Undamaged frames in the decoder's order; counts the damaged ones."""
        decoder = self._stream.codec_context
        for packet in self._packets():
            if packet.size and packet.is_corrupt:
                self._note_damage([packet.pts])
                continue
            self._recent_stamps.append(packet.pts)
            if packet.size and not packet.is_discard:
                self._order.send(packet.pts)
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
        """A packet was damaged, one of ``stamps``: frames from its stamp on are unsound until a key frame."""
        self._damaged += 1
        self._bad_from = min((stamp for stamp in (*stamps, self._bad_from) if stamp is not None), default=0)

    def _is_sound(self, frame: av.VideoFrame) -> bool:
        """Whether a frame and those that it is predicted from are undamaged."""
        if not frame.width or not frame.height:
            return False
        stamp = frame.pts
        if frame.is_corrupt:
            self._bad_from = min((bad for bad in (stamp, self._bad_from) if bad is not None), default=0)
            return False
        if self._bad_from is None:
            return True
        # A key frame long before the damage is behind it: the clock has leapt back.
        if frame.key_frame and (stamp is None or not 0 <= self._bad_from - stamp <= self._order.span):
            self._bad_from = None
            return True
        return stamp is not None and stamp < self._bad_from

    def _packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # generic in the stubs only
        """Packets of the video stream, the last one empty (it flushes the decoder)."""
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    self._packets_seen += bool(packet.size)
                    self._pictures_due += bool(packet.size) and not packet.is_discard
                    yield packet
                return
            except IndexError:  # raised by PyAV at the end, where a stream has appeared on the way
                yield av.Packet()
                return
            except av.FFmpegError as error:
                failures += 1
                if failures == 1:
                    self._missing.append(
                        f"the container is damaged after {self._packets_seen} frames ({reason(error)})"
                    )
                if failures > _DEMUX_RETRIES:
                    yield av.Packet()
                    return

    def _seconds_before(self, first: av.VideoFrame) -> float:
        """Seconds of the stream before its first frame, as in a recording cut out of another."""
        start, stamp = self._stream.start_time, first.pts
        if start is None or stamp is None or not first.time_base:
            return 0.0
        return max(0.0, float((stamp - start) * first.time_base))

    def _note_early_end(self, last_time: float) -> None:
        """Add a note if the container states more than it holds; ``last_time`` is in seconds of its own clock."""
        last_time += self._skipped
        promised, seconds = self._stream.frames, self._video_seconds()
        # Fewer frames than stated, yet to the last moment: an edit list hides some, or dropped ones left gaps.
        is_whole = seconds is not None and last_time + 1.5 / (self.info.fps or _FALLBACK_RATE) >= seconds
        if is_whole:
            return
        if promised and self._packets_seen < promised:
            self._missing.append(f"truncated file: {self._packets_seen} of {promised} frames readable")
        elif not promised and seconds is not None and seconds - last_time > 1.0 + last_time / 20:
            self._missing.append(f"truncated file: {last_time:.1f} of {seconds:.1f} seconds readable")

    def _video_seconds(self) -> float | None:
        """Length of the video stream, without a sound track that goes on longer; None where it is unknown."""
        stream = self._stream
        seconds = stream_seconds(stream)
        if seconds is not None:
            return seconds if stream.duration else seconds - self._late_start()  # a tag of Matroska: when it ends
        length = self._container.duration
        return length / av.time_base if length and length > 0 and len(self._container.streams) == 1 else None

    def _late_start(self) -> float:
        """Seconds by which the video begins later than the file, as where its sound comes first."""
        start, time_base = self._stream.start_time, self._stream.time_base
        if start is None or time_base is None or self._container.start_time is None:
            return 0.0
        return max(0.0, float(start * time_base) - self._container.start_time / av.time_base)

    def _describe(self) -> VideoInfo:
        stream, container = self._stream, self._container
        duration = self._video_seconds()
        if duration is None and container.duration and container.duration > 0:
            duration = container.duration / av.time_base
        width, height = self._geometry.upright
        return VideoInfo(
            path=self.path,
            width=width,
            height=height,
            fps=frame_rate(stream),
            duration=duration,
            rotation=self._geometry.orientation.rotation,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
        )

"""Read a video file: what its container states, and its frames one by one in bounded memory."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import av
from av.bitstream import BitStreamFilterContext
from av.codec import Capabilities
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from facetell.types import N_
from facetell.video import container
from facetell.video.clock import MOST_REORDERED, STEP_BACK_S, Clock, StampOrder
from facetell.video.concealed import DecodingEnd, block_edges
from facetell.video.frame import MOST_PIXELS, STRICTEST, Damaged, Geometry, RawFrame, Unreadable, deinterlaced
from facetell.video.image import ImageFrame
from facetell.video.reference import ReferenceTest, reference_test

__all__ = ["RawFrame", "SourceFrame", "Unreadable", "VideoInfo", "VideoReader", "VideoSource"]

SourceFrame = RawFrame | ImageFrame
"""A frame of a :class:`VideoSource`: ``index``, ``time`` in seconds, ``rgb()`` and ``luma_thumbnail()``."""
_FALLBACK_RATE = 25.0
_DEMUX_RETRIES = 16
_MOST_EDGES = 0.06  # block edges of the first key frame: JPEG images of quality 10 have fewer when coded by VP8
_GROWTH = 0.05  # of the block edges from a key frame to a later frame: more is damage
# Codecs whose decoders report little damage, that of VP9 in tiles but the last one: key frames are searched.
_UNCHECKED = {"hevc": 0.03, "libdav1d": _MOST_EDGES, "vp9": _MOST_EDGES}
_WAITING = frozenset({"h264", "hevc"})  # decoders that give no frame before a key frame or the end of a refresh
_ZEROS = bytes(24)
_PADDED = 8  # packets of VP8 that show that their encoder adds other padding than zeros
# Codecs whose decoders in FFmpeg conceal overwritten data without an error, and those that find more damage.
_CHECKING = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# What FFmpeg takes for an error, strictest first: the frames of some encoders break rules, and are sound.
_CHECKS = (STRICTEST, "explode", "")
_JUNK = "mpeg4"  # encoders of it that leave bytes behind some frames are common; they are no damage
_LEAST_NOTED_S = 0.5  # shorter gaps at the beginning give no note


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container states about a video; None where it is unknown."""

    width: int  # of the upright frame with square pixels
    height: int
    fps: float | None  # average
    duration: float | None  # seconds


class VideoSource(ABC):
    """Base of readers: an iterable of frames in order of time, and a context manager."""

    path: Path
    info: VideoInfo

    @abstractmethod
    def __iter__(self) -> Iterator[SourceFrame]: ...

    @property
    def duration(self) -> float | None:
        """Duration in seconds, as far as the frames have been read; None while it is unknown."""
        return self.info.duration

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on frames that are damaged or missing, as far as they have been read."""
        return ()

    @property
    def lost(self) -> float:
        """Share of the frames that are damaged or missing, 0 to 1, as far as it is known."""
        return 0.0

    @property
    def errors(self) -> tuple[str, ...]:
        """:attr:`damage`, and messages on what else is unusual."""
        return self.damage

    def leave_out(self, until: float) -> float:
        """Allow to leave out frames before ``until`` s; returns from when none is left out, -inf where none can be."""
        return -math.inf

    def close(self) -> None:  # noqa: B027  # readers of images hold no file open
        """Close the file; frames that were read stay usable."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class VideoReader(VideoSource):
    """The frames of a video in presentation order, in one pass and in bounded memory.

    Times are presentation times (:mod:`facetell.video.clock`). Damaged packets are left out, and reading goes on. The
    content of a file decides the format, not its suffix. Each of the decoder's ``threads`` holds frames of its own in
    memory. ``damaged`` is the number of damaged packets or frames that were left out so far, ``fault`` the message of
    the error that ended a live source early, else empty. Unreadable: there is no such file, or no frame can be decoded
    from it; Damaged: it has frames, and all are damaged.
    """

    def __init__(self, path: str | Path, *, threads: int = 2) -> None:
        self.path, self.fault = Path(path), ""
        self.damaged = self._packets_seen = self._frames_due = self._given = self._left_out = 0
        self._complete = self._interlaced = False
        self._needed_from = self._last_left_out = -math.inf  # seconds
        self._clock: Clock | None = None
        self._frames: Iterator[av.VideoFrame]
        for checks in _CHECKS:
            first = self._start(threads, checks)
            is_checked = self._checked and (self._ends is None or self._ends.early < _PADDED)
            if first is not None or is_checked or self._container.format.name.endswith(("_pipe", "image2")):
                break
        if first is None:
            kind = Damaged if self._packets_seen else Unreadable
            raise kind(N_(f"no frame of {self.path} can be decoded (it is damaged or truncated): get the file again"))
        self._frames = itertools.chain([first], self._frames)
        self._aspect, coded = self._stream.sample_aspect_ratio, self._stream.codec_context.sample_aspect_ratio
        # As in FFmpeg, the container's ratio is used where it differs from the codec's.
        self._aspect_is_fixed = self._aspect is not None and self._aspect != coded
        self._geometry = Geometry.of(first, self._aspect)
        duration, whole = container.stream_seconds(self._stream), self._container.duration
        if duration is None and whole and whole > 0:
            duration = whole / av.time_base
        self.info = VideoInfo(*self._geometry.upright, container.frame_rate(self._stream), duration)
        self._stated = self._stream.frames  # the stream must not be used once the file is closed
        start, stamp, self._lost = self._stream.start_time, first.pts, 0.0  # _lost: seconds before the first frame
        if start is not None and stamp is not None and first.time_base:
            self._lost = max(0.0, float((stamp - start) * first.time_base))
        if self._lost > _LEAST_NOTED_S:
            self._missing.append(N_(f"the first {self._lost:.1f} seconds hold no frame that can be decoded"))
        late = container.late_start(self._stream) + self._lost
        if late > _LEAST_NOTED_S:
            self._notes.append(N_(f"players show the first frame at {late:.1f} seconds: times here count from it"))

    @property
    def duration(self) -> float | None:
        """Stated duration in seconds; if it is missing or false, that of the frames, and None until all are read."""
        stated, clock = self.info.duration, self._clock
        if clock is None or (stated is not None and not clock.leaps and clock.last <= stated):
            return stated
        return clock.length if self._complete else None

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on frames that are damaged or missing, so far."""
        many = N_(f"{self.damaged} damaged frames were left out")
        noted = many if self.damaged > 1 else N_("1 damaged frame was left out")
        return (*([noted] if self.damaged else []), *self._missing)

    @property
    def lost(self) -> float:
        """Share of the frames that are damaged or missing, of those that the container states or holds."""
        stated = max(self._frames_due, self._stated)
        return max(0.0, 1 - (self._given + self._left_out) / stated) if stated and self.damage else 0.0

    @property
    def errors(self) -> tuple[str, ...]:
        """:attr:`damage`, and messages on several streams, a late start, leaps and missing stamps, so far."""
        return (*self.damage, *self._notes, *(self._clock.notes() if self._clock else ()))

    def leave_out(self, until: float) -> float:
        """See :meth:`VideoSource.leave_out`; left out are frames of which no other frame is predicted."""
        self._needed_from = until
        return max(until, math.nextafter(self._last_left_out, math.inf)) if self._is_reference else -math.inf

    def close(self) -> None:
        """Close the file; frames that were read stay usable."""
        self._container.close()

    def __iter__(self) -> Iterator[RawFrame]:
        self._clock = clock = Clock(1 / (self.info.fps or _FALLBACK_RATE), self._longest_pause())
        index = 0
        for frame in deinterlaced(self._frames):
            if (time := clock.seconds(frame, drop_late=self.damaged > 0)) is None:
                self.damaged += 1
                continue
            # In a broadcast, size and sample aspect ratio may change.
            coded = None if self._aspect_is_fixed else self._stream.codec_context.sample_aspect_ratio
            yield RawFrame(index, time, frame, self._geometry.fit(frame, coded or self._aspect))
            index += 1
            self._given = index
        if self.damaged and not self._interlaced:
            # Some damage gives no frame and no error, some is reported twice: the difference is exact.
            self.damaged = max(1, self._frames_due - self._left_out - index)
        self._note_early_end(max(0.0, clock.last, self._last_left_out) + clock.left_out)
        self._complete = True

    def _longest_pause(self) -> float:
        return container.longest_pause(self._container)

    def _open(self) -> InputContainer:
        return container.open_container(self.path)

    def _start(self, threads: int, checks: str) -> av.VideoFrame | None:
        """Open the file and decode its first frame; None, and the file closed, where there is none."""
        self.damaged = self._packets_seen = self._frames_due = self._given = self._left_out = 0
        self._missing: list[str] = []  # messages on parts that cannot be read
        self._notes: list[str] = []
        self._sent = 0  # packets of the stream, which are numbered from 0
        self._bad: list[tuple[int, int]] = []  # first and last of packets of which one is damaged, until a key frame
        self._container = self._open()
        try:
            streams = container.video_streams(self._container, self.path)
            self._stream: VideoStream = streams[0]
            context = self._stream.codec_context
            if len(streams) > 1:
                count, name = len(streams), f"{context.name}, {context.width}x{context.height}"
                self._notes.append(N_(f"there are {count} video streams: stream {self._stream.index} ({name}) is read"))
            span = max(STEP_BACK_S, MOST_REORDERED / (container.frame_rate(self._stream) or _FALLBACK_RATE))
            self._order = StampOrder(span / float(self._stream.time_base or 1))
            context.thread_type, context.thread_count = "FRAME", threads  # errors in threads of slices are concealed
            context.options = {"max_pixels": str(MOST_PIXELS)}  # a few bytes may ask for a frame that fills the memory
            if checks:  # else damaged blocks are concealed and the frame is not marked as damaged
                context.options |= {"err_detect": "explode" if context.name == _JUNK else checks}
            self._decoder = _checking(context)
            self._checked = self._decoder is not context
            self._begun = context.name in _WAITING  # or there was a key frame
            self._most_edges = _UNCHECKED.get(context.name, _MOST_EDGES)  # of the next frame, if it is undamaged
            self._is_reference: ReferenceTest | None = reference_test(context.name, context.extradata)
            self._ends = DecodingEnd() if self._checked and checks and context.name == "vp8" else None
            is_split = self._checked and context.name == "vp9"  # libvpx finds less damage in frames that share a packet
            self._split = BitStreamFilterContext("vp9_superframe_split", self._stream) if is_split else None
            self._conceals = not checks or (context.name in _CHECKING and not self._checked)
            self._decoder.copy_opaque = True
            most = threads if self._decoder.codec.capabilities & Capabilities.frame_threads else 1
            self._decoding: deque[int] = deque(maxlen=most)  # packets in the decoder: an error is that of the first
            self._frames = self._decode()
            first = next(self._frames, None)
        except BaseException:
            self._container.close()
            raise
        if first is None:
            self._container.close()
        return first

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield undamaged frames in presentation order; count the damaged ones."""
        for packet in self._packets():
            if packet.size:
                packet.opaque = self._sent, packet.is_keyframe
                self._sent += 1
                if packet.is_corrupt or self._is_unsound(packet):
                    self._note_damage(self._sent - 1, self._sent - 1)
                    continue
                if self._is_dispensable(packet):
                    self._left_out += 1
                    continue
                self._decoding.append(self._sent - 1)
                if not packet.is_discard:
                    self._order.send(packet.pts)
            try:
                parts = self._split.filter(packet) if self._split and packet.size else [packet]
                frames = [frame for part in parts for frame in self._decoder.decode(part)]
            except EOFError:
                break
            except (av.FFmpegError, ValueError):
                last = self._sent - 1
                first = self._decoding[0] if self._decoding else last
                self._note_damage(first, first if packet.size else last)
                continue
            for frame in frames[-1:] if self._split else frames:  # of those in one packet, the last is shown
                if not self._is_sound(frame):
                    self.damaged += 1
                    continue
                if not frame.time_base:
                    frame.time_base = self._stream.time_base
                self._interlaced |= bool(frame.interlaced_frame)  # then a packet may hold one field
                yield from self._order.receive(frame)
        yield from self._order.flush()

    def _is_unsound(self, packet: av.Packet) -> bool:  # type: ignore[type-arg]  # as below
        """Whether a packet would be concealed in part, or would fill the memory.

        Zeros overwrite it where a block of the file was lost: arithmetic-coded data hold no such run but as padding at
        the end, which no key frame needs. libvpx allocates a frame before FFmpeg compares its size with ``max_pixels``.
        """
        context = self._stream.codec_context
        if context.name == "hevc" and (context.extradata or b"")[:1] == b"\1":  # no zeros between its NAL units
            return _ZEROS in bytes(packet)
        if context.name not in _CHECKING:
            return False
        data = bytes(packet)
        padded = data if packet.is_keyframe else data.rstrip(b"\0")
        is_sound = _ZEROS not in padded and container.key_frame_pixels(data) <= MOST_PIXELS
        return not (is_sound and (self._ends is None or self._ends.is_right(data)))

    def _is_dispensable(self, packet: av.Packet) -> bool:  # type: ignore[type-arg]  # as below
        """Whether a packet is not needed: its frame is before the time that is needed, and no other depends on it.

        After any damage all packets are decoded; damage in one that is left out is not noticed. None is left out where
        its time is uncertain, or where it may hold a single field.
        """
        clock = self._clock
        if self._is_reference is None or clock is None or clock.last >= self._needed_from or packet.pts is None:
            return False
        if self.damaged or self._bad or self._missing or self._interlaced or packet.is_discard:
            return False
        time = None if self._order.reordered else clock.time_of(float(packet.pts * packet.time_base))
        if time is None or time >= self._needed_from or self._is_reference(bytes(packet)):
            return False
        self._last_left_out = max(self._last_left_out, time)
        return True

    def _note_damage(self, first: int, last: int) -> None:
        """Count a damaged packet, one of these."""
        self.damaged += 1
        self._bad.append((first, last))

    def _is_sound(self, frame: av.VideoFrame) -> bool:
        """Whether a frame and those that it is predicted from are undamaged.

        None is before the first key frame, nor, in the order of decoding, from a damaged packet to the next key frame.
        """
        if not frame.width or not frame.height:
            return False
        number, is_marked = cast(tuple[int, bool], frame.opaque or (self._sent - 1, False))
        name = self._stream.codec_context.name
        # libvpx does not mark key frames, dav1d also marks one that it shows again; the container is right.
        is_key = is_marked if self._checked or name == "libdav1d" else bool(frame.key_frame)
        self._begun |= is_key or is_marked
        is_searched = self._conceals or (is_key and name in _UNCHECKED)
        edges = block_edges(frame) if is_searched else 0.0
        if frame.is_corrupt or edges > self._most_edges:
            self._bad.append((number, number))
        if is_key:  # some scenes are made of blocks
            self._most_edges = max(edges, 0.0) + _GROWTH
            self._bad = [bad for bad in self._bad if bad[1] >= number]
        return self._begun and not any(first <= number for first, _ in self._bad)

    def _packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # generic in the stubs only
        """Yield packets of the video stream, the last one empty: it flushes the decoder."""
        failures = 0
        while True:
            try:
                for packet in container.packets(self._container, self._stream):
                    failures = 0
                    self._packets_seen += bool(packet.size)
                    self._frames_due += bool(packet.size) and not packet.is_discard
                    yield packet
                return
            except (av.FFmpegError, OSError) as error:
                failures += 1
                self._bad.append((self._sent, self._sent - 1))  # frames may be missing before the next packet
                if not self._goes_on_after(error, failures):
                    break
        yield av.Packet()

    def _goes_on_after(self, error: Exception, failures: int) -> bool:
        """Whether to read on after so many demuxing errors in a row."""
        if failures == 1:
            seen, why = self._packets_seen, container.reason(error)
            self._missing.append(N_(f"the container is damaged after {seen} frames ({why})"))
        return failures <= _DEMUX_RETRIES

    def _note_early_end(self, last_time: float) -> None:
        """Add a message if the container states more than it holds; ``last_time`` is in seconds of its own clock."""
        last_time += self._lost
        stated, seconds = self._stream.frames, container.stream_seconds(self._stream)
        if seconds is not None and last_time + 1.5 / (self.info.fps or _FALLBACK_RATE) >= seconds:
            return  # read to the end; if there are fewer frames, an edit list hides some, or there are gaps
        if stated and self._packets_seen < stated:
            self._missing.append(N_(f"truncated file: {self._packets_seen} of {stated} frames readable"))
        elif not stated and seconds is not None and seconds - last_time > 1.0 + last_time / 20:
            self._missing.append(N_(f"truncated file: {last_time:.1f} of {seconds:.1f} seconds readable"))


def _checking(context: VideoCodecContext) -> VideoCodecContext:
    """The decoder that checks the data of a stream; ``context``, FFmpeg's own one, where there is no other."""
    name = _CHECKING.get(context.name)
    # It may be built for 8 bits per sample only.
    pixels = context.format
    if name is None or name not in av.codecs_available or pixels is None or pixels.components[0].bits != 8:
        return context
    checking = cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    checking.extradata, checking.width, checking.height = context.extradata, context.width, context.height
    checking.thread_count, checking.options = context.thread_count, context.options
    return checking

"""Open a container, choose its video stream, and read its frame rate and duration. Network addresses are refused."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import Container, InputContainer
from av.format import Flags
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from facetell.types import N_
from facetell.video.frame import Unreadable

NO_NETWORK = N_("facetell does not use the network")

# At least two letters: one letter is a Windows drive.
_ADDRESS = re.compile(r"(?:^|/)(?!file:)([a-z][a-z0-9+.-]+):/+([^/].*)", re.IGNORECASE | re.DOTALL)
LONGEST_PAUSE_S = 3600.0
"""Seconds; a longer gap between two frames is a leap of the clock in every format."""
# Formats whose frames are in other files: what is scored, hashed and reported must be the file that was named.
_LISTS = frozenset({"concat", "dash", "hls", "imf"})
_MAX_GUESS = 250  # a guess beyond is the tick rate of the clock, not a frame rate
_FALSE_RATE = 1.5  # an average rate of more than this times the rate of the stamps is not that of the frames
_AS_LONG = 0.9  # of the longest stream: streams of one recording rarely end in the same frame


def address_in(path: Path | str) -> str | None:
    """Return the network address that ``path`` is, else None; a path that exists is none.

    A :class:`pathlib.Path` is recognised too, which makes ``https:/`` of ``https://`` and may be joined to a folder.

    >>> address_in(Path("/data/https:/example.org/talk.mp4")), address_in("talk.mp4")
    ('https://example.org/talk.mp4', None)
    """
    found = _ADDRESS.search(os.fspath(path))
    return f"{found[1]}://{found[2]}" if found and not os.path.lexists(path) else None


def missing_file(path: Path | str) -> str:
    """Return the error message for a video file that does not exist."""
    if (address := address_in(path)) is None:
        return N_(f"there is no file {path}: check the name")
    return N_(
        f"{address} is a network address, and {NO_NETWORK}: download the video and name the file "
        "(`facetell watch` takes the address of a stream)"
    )


def open_container(path: Path) -> InputContainer:
    """Open a video file by its content, not its suffix. Unreadable: it is none, or not readable."""
    try:
        found = path.stat()
    except PermissionError:
        raise Unreadable(f"{path} cannot be accessed: change the permissions of its folder") from None
    except OSError:
        raise Unreadable(missing_file(path)) from None
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(f"{path} is a folder: name a video file")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is a device or a pipe, which may never end: name a video file")
    if found.st_size == 0:
        raise Unreadable(f"{path} is empty (0 bytes): get the file again")
    is_list = Unreadable(f"{path} is a list that names other files: name the video itself")
    try:
        # "file:" and the whitelist keep names with a colon, and playlists, from being taken for network addresses.
        options = {"protocol_whitelist": "file", "export_xmp": "1"}
        container = av.open(f"file:{path}", metadata_errors="replace", container_options=options)
    except PermissionError as error:
        if error.errno == errno.EPERM:  # raised where a list names a file that it may not open
            raise is_list from None
        raise Unreadable(f"{path} may not be read: change its permissions") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path} is not a video that can be read ({reason(error)}): it may be cut off, or no video at all"
        ) from None
    if not _LISTS.isdisjoint(container.format.name.split(",")):
        container.close()
        raise is_list
    return container


def video_streams(container: InputContainer, path: Path) -> list[VideoStream]:
    """Return the video streams of a container without cover images and timed thumbnails, the one to read first.

    A stream of several frames comes before a stream of one, then the default stream, the longest, the largest, and the
    first. Unreadable: the container has no video stream, or none that can be decoded.
    """
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not (decodable := [stream for stream in streams if stream.codec_context is not None]):
        if streams:
            raise Unreadable(f"{path} holds video of a kind that cannot be decoded here: convert it to H.264")
        if container.streams.audio:
            raise Unreadable(f"{path} holds sound but no video: name a video file")
        raise Unreadable(f"{path} holds neither video nor sound: name a video file")
    lengths = {stream.index: stream_seconds(stream) for stream in decodable}
    longest = max((length for length in lengths.values() if length), default=0.0)

    def rank(stream: VideoStream) -> tuple[bool, bool, bool, int]:
        length, rate, context = lengths[stream.index], frame_rate(stream), stream.codec_context
        is_still = stream.frames == 1 or (length is not None and rate is not None and length * rate < 1.5)
        return (
            not is_still,
            bool(stream.disposition & Disposition.default),
            length is None or length >= _AS_LONG * longest,
            context.width * context.height,
        )

    return sorted(decodable, key=rank, reverse=True)


def packets(container: InputContainer, stream: Stream) -> Iterator[av.Packet[Any]]:
    """Yield the packets of one stream, the last one empty: it flushes the decoder.

    PyAV has no object for a stream that appears after the file was opened (FLV and MPEG-TS announce streams by their
    first packet): its packets are left out, and the IndexError with which PyAV ends the file is not raised.
    """
    try:
        yield from container.demux(stream)
    except IndexError:
        yield av.Packet()


def key_frame_pixels(packet: bytes) -> int:
    """Return the pixels of a key frame of VP8 (RFC 6386, 9.1) or VP9's profile 0 (6.2); 0 for another packet."""
    if packet[3:6] == b"\x9d\x01\x2a" and not packet[0] & 1:
        return (int.from_bytes(packet[6:8], "little") & 0x3FFF) * (int.from_bytes(packet[8:10], "little") & 0x3FFF)
    if len(packet) < 9 or packet[0] & 0b11111100 != 0b10000000 or packet[1:4] != b"\x49\x83\x42":
        return 0
    bits = int.from_bytes(packet[4:9])  # colour (4), width - 1 (16), height - 1 (16), the rest (4)
    return ((bits >> 20 & 0xFFFF) + 1) * ((bits >> 4 & 0xFFFF) + 1)


def stream_seconds(stream: VideoStream) -> float | None:
    """Return the duration of a stream in seconds, without audio that is longer; None if unknown."""
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if tag := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "")):
        # In Matroska, from the start of the file.
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - late_start(stream)
    container = cast(InputContainer, stream.container)
    length = container.duration if len(container.streams) == 1 else None
    return length / av.time_base if length and length > 0 else None


def late_start(stream: VideoStream) -> float:
    """Return the seconds by which a stream begins later than the file, whose audio may come first."""
    file_start = cast(InputContainer, stream.container).start_time
    if stream.start_time is None or stream.time_base is None or file_start is None:
        return 0.0
    return max(0.0, float(stream.start_time * stream.time_base) - file_start / av.time_base)


def frame_rate(stream: VideoStream) -> float | None:
    """Return the frames per second that a container states; None if it states no plausible rate."""
    # The average is right for variable rates too. It is a constant in files without stamps, and AVI states the rate
    # of its index, which may have more places than there are frames: then FFmpeg's guess from stamps and codec is used.
    average, guess = stream.average_rate, stream.guessed_rate
    if average and guess and (_has(stream.container, Flags.no_timestamps) or average >= _FALSE_RATE * guess):
        average = None
    for rate, most in (average, 1000), (guess, _MAX_GUESS), (stream.base_rate, _MAX_GUESS):
        if rate is not None and Fraction(1, 100) < rate <= most:
            return float(rate)
    return None


def longest_pause(container: Container) -> float:
    """Return the longest gap between two frames, in seconds, that is a pause and not a leap of the clock."""
    # FFmpeg's dts_delta_threshold where stamps may be discontinuous (MPEG-TS, MPEG-PS); else players show a still frame
    return 10.0 if _has(container, Flags.ts_discont) else LONGEST_PAUSE_S


def _has(container: Container, flag: Flags) -> bool:
    return bool(container.format.flags & cast(int, flag.value))


def reason(error: Exception) -> str:
    """Return FFmpeg's message for an error in one line, without error number or file name."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
    return text[:1].lower() + text[1:]

"""Video as it happens: cameras, streams of the network, and files that are played; decoded as any other video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from facetell.types import FacetellError
from facetell.video.container import LONGEST_PAUSE_S
from facetell.video.reader import Unreadable, VideoReader

Kind = Literal["camera", "stream", "file"]

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "tcp", "udp")
PACED = ("http", "https")  # may give more than a second a second: they are played
STALL = 10.0  # seconds without a packet after which a source is given up
PROBE_SECONDS = 1  # what is read to learn of a stream comes late: no more of it than is needed
_DAMAGED_PACKETS = 16  # in a row, after which a stream is given up


class SourceLost(FacetellError):
    """A live source could not be opened, or gives no more pictures."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from: its ``kind``, what the library opens, and its name without user and password."""

    kind: Kind
    address: str
    name: str

    @property
    def paced(self) -> bool:
        """Whether it has to be slowed down to the speed at which it is shown."""
        return self.kind == "file" or self.address.split(":")[0].lower() in PACED


def source_of(text: str) -> Source:
    """What a user means: a number is a camera, an address a stream, all else a file.

    Raises:
        FacetellError: the address is of a kind that is not known, or is none.

    >>> source_of("rtsp://me:secret@10.0.0.7/door").name
    'rtsp://10.0.0.7/door'
    """
    if text.isdecimal():
        return Source("camera", f"/dev/video{int(text)}", f"camera {int(text)}")
    if text.startswith("/dev/video"):
        return Source("camera", text, text)
    if "://" in text:
        scheme = text.split("://")[0].lower()
        if scheme not in SCHEMES:
            raise FacetellError(f"'{scheme}://' is not a kind of stream that can be watched; use one of {SCHEMES}")
        return Source("stream", text, _without_password(text))
    return Source("file", text, text)


def _without_password(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        # In words of our own, and without the address: either may hold the password.
        scheme = address.split("://")[0]
        raise FacetellError(
            f"what follows '{scheme}://' is no address; write it as in {scheme}://10.0.0.7/door"
        ) from None
    # What follows the question mark may hold a token.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class LiveReader(VideoReader):
    """The pictures of a live source, as :class:`VideoReader` gives those of a file.

    Args:
        source: see :func:`source_of`.
        stall: seconds to wait for a packet.
        options: of the library, for the container.

    Raises:
        SourceLost: it cannot be opened, or gives no picture.
        Unreadable: it is a file, and none can be had of it.
    """

    def __init__(self, source: Source, stall: float = STALL, options: dict[str, str] | None = None) -> None:
        self.source, self._stall, self._given = source, stall, options or {}
        self.fault = ""
        self.skipped = 0
        self._skip = self._skip_from = -1.0
        try:
            super().__init__(Path(source.address), threads=2)
        except Unreadable as error:
            if source.kind == "file":
                raise
            reason = self.fault or "it gives no picture that can be decoded"
            raise SourceLost(f"{source.name} cannot be watched ({reason}); check the address") from error

    def skip(self, seconds: float) -> None:
        """Leave out, without decoding, at least so much, up to the next picture that stands for itself."""
        self._skip, self._skip_from = seconds, -1.0

    def _open(self) -> InputContainer:
        source = self.source
        if source.kind == "file":
            return super()._open()
        options, form = dict(self._given), None
        if source.kind == "camera":
            form = "v4l2"
        elif not source.paced:
            options = {"fflags": "nobuffer", "analyzeduration": str(PROBE_SECONDS * 1_000_000), **options}
        if source.address.lower().startswith("rtsp"):
            options.setdefault("rtsp_flags", "prefer_tcp")
        try:
            return av.open(
                source.address,
                format=form,
                container_options=options,
                timeout=(self._stall, self._stall),
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            if source.kind == "camera":
                number = re.sub(r"\D", "", source.name)
                raise SourceLost(
                    f"{source.name} cannot be opened ({_words(error, self._stall)}); see that /dev/video{number} is "
                    "there, is yours to read and is not in use"
                ) from None
            raise SourceLost(
                f"{source.name} cannot be opened ({_words(error, self._stall)}); check the address and the network"
            ) from None

    def _packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # generic in the stubs only
        if self.source.kind != "file":
            yield from self._stream_packets()
            return
        for packet in super()._packets():  # which count what is due
            if self._passes(packet):
                yield packet
            else:
                self._pictures_due -= 1

    def _stream_packets(self) -> Iterator[av.Packet]:  # type: ignore[type-arg]  # as above
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if self._passes(packet):
                        yield packet
                return
            except av.error.InvalidDataError as error:
                failures += 1
                if failures > _DAMAGED_PACKETS:
                    self.fault = _words(error, self._stall)
                    return
            except IndexError:  # as in VideoReader: raised at the end of the stream
                return
            except (av.FFmpegError, OSError) as error:
                self.fault = _words(error, self._stall)
                return

    def _passes(self, packet: av.Packet) -> bool:  # type: ignore[type-arg]  # as above
        if self._skip < 0 or not packet.size:
            return True
        stamp = packet.pts if packet.pts is not None else packet.dts
        time = float(stamp * packet.time_base) if stamp is not None and packet.time_base else None
        if time is not None and self._skip_from < 0:
            self._skip_from = time
        if packet.is_keyframe and (time is None or time - self._skip_from >= self._skip):
            self._skip = -1.0
            return True
        self.skipped += 1
        return False

    def _longest_pause(self) -> float:
        return LONGEST_PAUSE_S  # in MPEG-TS too: packets may be left out for a while, see skip()

    def _note_early_end(self, last_time: float) -> None:
        if self.source.kind == "file":  # a live source promises no length
            super()._note_early_end(last_time)


def _words(error: Exception, stall: float) -> str:
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {stall:g} seconds"
    text = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
    return text[:1].lower() + text[1:]

"""Live sources: cameras, network streams, and files that are played in real time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from facetell.types import FacetellError
from facetell.video.container import LONGEST_PAUSE_S, reason
from facetell.video.reader import Unreadable, VideoReader

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "tcp", "udp")
STALL = 10.0  # seconds without a packet after which a source is lost
_PACED = ("http", "https")  # may send faster than in real time
_PROBE_US = 1_000_000  # of a stream that are read to find its format: they delay what follows
_DAMAGED_PACKETS = 16  # in a row, after which a stream is lost


@dataclass(frozen=True, slots=True)
class Source:
    """A source of frames: device, URL or path, and a ``name`` without user, password and query for output."""

    kind: Literal["camera", "stream", "file"]
    address: str
    name: str

    @property
    def paced(self) -> bool:
        """Whether reading has to be slowed down to real time."""
        return self.kind == "file" or self.address.split(":")[0].lower() in _PACED


def source_of(text: str) -> Source:
    """Return the source that a user names: a number is a camera, a URL a stream, all else a file.

    FacetellError: the URL has an unknown scheme, or is malformed.

    >>> source_of("rtsp://me:secret@10.0.0.7/door").name
    'rtsp://10.0.0.7/door'
    """
    if text.isdecimal():
        return Source("camera", f"/dev/video{int(text)}", f"camera {int(text)}")
    if text.startswith("/dev/video"):
        return Source("camera", text, text)
    if "://" not in text:
        return Source("file", text, text)
    if (scheme := text.split("://")[0].lower()) not in SCHEMES:
        raise FacetellError(f"'{scheme}://' is no supported kind of stream; use one of {', '.join(SCHEMES)}")
    try:
        parts = urlsplit(text)
    except ValueError:  # its message may hold the password
        raise FacetellError(
            f"what follows '{scheme}://' is no address; write it as in {scheme}://10.0.0.7/door"
        ) from None
    return Source("stream", text, f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def open_source(source: Source, stall: float = STALL) -> VideoReader:
    """Open a source; ``stall`` is the number of seconds to wait for a packet. FacetellError if it gives no frame."""
    return VideoReader(source.address) if source.kind == "file" else LiveReader(source, stall)


class LiveReader(VideoReader):
    """The frames of a camera or stream, see :func:`open_source`."""

    def __init__(self, source: Source, stall: float = STALL) -> None:
        self._source, self._stall = source, stall
        try:
            super().__init__(Path(source.address))
        except Unreadable as error:
            why = self.fault or "it gives no frame that can be decoded"
            raise FacetellError(f"{source.name} cannot be watched ({why}); check the address") from error

    def _open(self) -> InputContainer:
        source = self._source
        options: dict[str, str] = {}
        if source.kind == "stream" and not source.paced:
            options = {"fflags": "nobuffer", "analyzeduration": str(_PROBE_US)}
        if source.address.lower().startswith("rtsp"):
            options["rtsp_flags"] = "prefer_tcp"
        try:
            return av.open(
                source.address,
                format="v4l2" if source.kind == "camera" else None,
                container_options=options,
                timeout=(self._stall, self._stall),
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            check = "check the address and the network"
            if source.kind == "camera":
                check = f"see that {source.address} is there, is yours to read and is not in use"
            raise FacetellError(f"{source.name} cannot be opened ({self._reason(error)}); {check}") from None

    def _goes_on_after(self, error: Exception, failures: int) -> bool:
        if isinstance(error, av.error.InvalidDataError) and failures <= _DAMAGED_PACKETS:
            return True
        self.fault = self._reason(error)
        return False

    def _reason(self, error: Exception) -> str:
        return f"nothing came for {self._stall:g} seconds" if isinstance(error, av.error.ExitError) else reason(error)

    def _longest_pause(self) -> float:
        return LONGEST_PAUSE_S  # also in MPEG-TS: packets may be lost for a while

    def _note_early_end(self, last_time: float) -> None:
        """A live source states no duration."""

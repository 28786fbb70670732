"""A first look at an upload, in a process of its own: is it a video, and within the limits?"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import av

from facetell.serve.faults import Refused
from facetell.serve.process import Companion, Ended, Link, Message
from facetell.serve.settings import Limits
from facetell.video.kinds import Kind, animated_webp_size, kind_of_content, read_head
from facetell.video.reader import Unreadable
from facetell.video.source import open_video

SECONDS = 30.0  # for one look
START_SECONDS = 60.0  # for the process to be ready for it

# Containers of video that are files in themselves. Playlists, lists of files and captures are left out on purpose:
# they name other files or addresses, which an upload must never make the server open.
_FORMATS = """
3dostr asf av1 avi avs2 avs3 cavsvideo dirac dnxhd dv evc flv gif gxf h261 h263 h264 hevc ivf live_flv m4v
matroska,webm mjpeg mov,mp4,m4a,3gp,3g2,mj2 mpeg mpegts mpegvideo mxf nut obu ogg rm roq swf vc1 vvc wtv yuv4mpegpipe
"""
FORMATS = ",".join(_FORMATS.split())


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a video's file tells: pixels of the upright picture, seconds or None."""

    width: int
    height: int
    duration: float | None


class Inspector:
    """Looks at uploads, one at a time; a file that makes its process crash or hang is refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: Companion | None = None

    def __call__(self, path: Path) -> Inspected:
        """What a file tells of itself.

        Raises:
            Refused: it is no video that can be read, or beyond a limit.
        """
        with self._lock:
            try:
                if self._process is None or not self._process.alive:
                    self.start()
                assert self._process is not None
                self._process.send({"path": str(path), "pixels": self._limits.pixels})
                found = self._process.receive(SECONDS)
            except Ended:
                found = {"refused": "unreadable", "message": "reading it made the decoder crash: convert it to H.264"}
            if found is None:
                self.close()
                found = {"refused": "unreadable", "message": f"its first picture takes over {SECONDS:.0f} s to read"}
        if "refused" in found:
            raise Refused(422, found["refused"], found["message"])
        seen = Inspected(found["width"], found["height"], found["duration"])
        self._check(seen)
        return seen

    def start(self) -> None:
        """Start the process, so that the first upload need not wait for it.

        Raises:
            Refused: it cannot be started.
        """
        self.close()
        self._process = Companion(_serve)
        try:
            ready = self._process.receive(START_SECONDS)
        except Ended:
            ready = None
        if ready is None:
            self.close()
            raise Refused(
                503, "not_ready", "the server cannot look at uploads now (is its memory full?): try later", 10
            )

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _check(self, seen: Inspected) -> None:
        if seen.width * seen.height > self._limits.pixels:
            raise Refused(422, "too_many_pixels", _too_many(seen.width, seen.height, self._limits.pixels))
        if seen.duration is not None and seen.duration > self._limits.duration:
            raise Refused(422, "too_long", too_long(seen.duration, self._limits.duration))


def too_long(seconds: float, most: float) -> str:
    """The sentence for a video beyond the limit of duration.

    >>> too_long(754, 600)
    'the video lasts 12.6 minutes, and at most 10 are taken: cut out the part that matters'
    """
    return (
        f"the video lasts {seconds / 60:.1f} minutes, and at most {most / 60:g} are taken: "
        "cut out the part that matters"
    )


def _too_many(width: int, height: int, most: int) -> str:
    return f"its pictures are {width} x {height}, and at most {most / 1e6:.1f} million pixels are taken: scale it down"


def _serve(link: Link) -> None:
    """Answer one question after the other."""
    link.send({"ready": True})
    while (question := link.receive()) is not None:
        link.send(look(Path(question["path"]), question["pixels"]))


def look(path: Path, pixels: int) -> Message:
    """What a file tells of itself, or why it is refused; never an exception over a file.

    Args:
        path: of the file.
        pixels: beyond which nothing is decoded: a few bytes may claim a picture that fills the memory.
    """
    try:
        head = read_head(path)
        kind = kind_of_content(head)
        if kind not in (None, Kind.VIDEO, Kind.OTHER, Kind.EMPTY):
            return {"refused": "unreadable", "message": f"the file is {kind.with_article}, not a video: send a video"}
        width, height = animated_webp_size(head) or _largest(path)
        if width * height > pixels:
            return {"refused": "too_many_pixels", "message": _too_many(width, height, pixels)}
        with open_video(path, threads=1) as reader:
            info = reader.info
    except (Unreadable, av.FFmpegError, OSError, ValueError, MemoryError) as error:
        return {"refused": "unreadable", "message": _words(error, path)}
    return {"width": info.width, "height": info.height, "duration": info.duration}


def _largest(path: Path) -> tuple[int, int]:
    """Width and height of the largest video stream, without decoding a frame; 0 where there is none."""
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    with av.open(f"file:{path}", metadata_errors="replace", container_options=options) as container:
        contexts = [stream.codec_context for stream in container.streams.video]
        sizes = [(context.width, context.height) for context in contexts if context]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _words(error: Exception, path: Path) -> str:
    if isinstance(error, Unreadable):
        return str(error).replace(str(path), "the file")
    return "the file is not a video that can be read: it may be cut off, no video at all, or of a kind not taken here"

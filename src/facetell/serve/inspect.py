"""Check an upload in a process of its own: is it a video, and within the limits?"""

from __future__ import annotations

import contextlib
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import av

from facetell.serve.faults import Refused
from facetell.serve.process import GONE, Checked, Child, Rejected, Started, receive, send
from facetell.serve.settings import Limits
from facetell.video.kinds import Kind, animated_webp_size, kind_of_content, read_head
from facetell.video.reader import Unreadable
from facetell.video.source import open_video

SECONDS = 30.0  # for one check
START_SECONDS = 60.0  # for the process to start

# Container formats that are files in themselves. Playlists, lists of files and capture devices are left out: they name
# other files or addresses, which an upload must never make the server open.
_FORMATS = """
3dostr asf av1 avi avs2 avs3 cavsvideo dirac dnxhd dv evc flv gif gxf h261 h263 h264 hevc ivf live_flv m4v
matroska,webm mjpeg mov,mp4,m4a,3gp,3g2,mj2 mpeg mpegts mpegvideo mxf nut obu ogg rm roq swf vc1 vvc wtv yuv4mpegpipe
"""
FORMATS = ",".join(_FORMATS.split())


class Inspector:
    """Checks uploads one at a time. A file that makes the process crash or hang is refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._child: Child | None = None

    def __call__(self, path: Path) -> Checked:
        """Size and duration of an uploaded video. Raises Refused if :func:`check` does, or cannot be run."""
        with self._lock:
            child = self.start()
            try:
                child.connection.send(path)
                answer = receive(child.connection, SECONDS)
            except GONE:
                self.close()
                raise Refused(422, "unreadable", "reading it crashed the decoder: convert it to H.264") from None
            if answer is None:
                self.close()
                raise Refused(422, "unreadable", f"reading its first frame takes over {SECONDS:.0f} s")
        if isinstance(answer, Checked):
            return answer
        assert isinstance(answer, Rejected)
        raise Refused(422, answer.error, answer.message)

    def start(self) -> Child:
        """Start the process unless it runs. Raises Refused if it cannot be started."""
        if self._child is None or not self._child.process.is_alive():
            self.close()
            self._child = Child(_serve, self._limits)
            with contextlib.suppress(*GONE):
                if receive(self._child.connection, START_SECONDS):
                    return self._child
            self.close()
            message = "the server cannot check uploads now (is its memory full?): try again later"
            raise Refused(503, "not_ready", message, 10)
        return self._child

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None


def _serve(connection: Connection, limits: Limits) -> None:
    send(connection, Started())
    while True:
        path = connection.recv()
        try:
            send(connection, check(path, limits))
        except Refused as refused:
            send(connection, Rejected(error=refused.code, message=refused.message))


def check(path: Path, limits: Limits) -> Checked:
    """Size and duration of a video file. Raises Refused if it is not a readable video or exceeds a limit.

    Nothing is decoded unless the declared size is within the limit: a few bytes can declare a frame that fills the
    memory.
    """
    try:
        head = read_head(path)
        kind = kind_of_content(head)
        if kind not in (None, Kind.VIDEO, Kind.OTHER, Kind.EMPTY):
            raise Refused(422, "unreadable", f"the file is {kind.with_article}, not a video: send a video")
        width, height = animated_webp_size(head) or _largest(path)
        if width * height <= limits.pixels:
            with open_video(path, threads=1) as reader:
                info = reader.info
            width, height = info.width, info.height
    except Unreadable as error:
        raise Refused(422, "unreadable", str(error).replace(str(path), "the file")) from None
    except (av.FFmpegError, OSError, ValueError, MemoryError):
        raise Refused(422, "unreadable", "unsupported or corrupt video file") from None
    if width * height > limits.pixels:
        most = f"at most {limits.pixels / 1e6:.1f} megapixels are accepted"
        raise Refused(422, "too_many_pixels", f"its frames are {width} x {height}, {most}: scale down")
    if info.duration is not None and info.duration > limits.duration:
        raise too_long(info.duration, limits.duration)
    return Checked(width=width, height=height, duration=info.duration)


def too_long(seconds: float, most: float) -> Refused:
    """The error for a video that is longer than ``most`` seconds."""
    message = (
        f"the video lasts {seconds / 60:.1f} minutes, at most {most / 60:g} are accepted: upload a shorter segment"
    )
    return Refused(422, "too_long", message)


def _largest(path: Path) -> tuple[int, int]:
    """Width and height of the largest video stream, without decoding a frame; (0, 0) where there is none."""
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    with av.open(f"file:{path}", metadata_errors="replace", container_options=options) as container:
        contexts = [stream.codec_context for stream in container.streams.video]
        sizes = [(context.width, context.height) for context in contexts if context]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))

"""Child processes, which may crash or hang without ending the server: the inspector of uploads, and the workers."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Literal

import av
from pydantic import BaseModel, Field, TypeAdapter

from facetell.detector import Detector, Settings
from facetell.files import sync, write_text
from facetell.processes import end_with_parent, spawning
from facetell.report.language import THE_FILE
from facetell.report.page import Report, content_policy
from facetell.report.result import result_text
from facetell.runtime import signals_blocked
from facetell.serve.models import Checked, Limits, Refused, Share, Summary
from facetell.serve.store import REPORTS, RESULT, VIDEO
from facetell.types import N_, FacetellError, Status
from facetell.video.kinds import Kind, animated_webp_size, kind_of_content, read_head
from facetell.video.reader import Unreadable
from facetell.video.source import open_video

NOT_VIDEO: dict[Kind | None, str] = {
    Kind.IMAGE: N_("the file is an image, not a video: send a video"),
    Kind.SUBTITLES: N_("the file is a subtitle file, not a video: send a video"),
    Kind.PLAYLIST: N_("the file is a playlist, not a video: send a video"),
}
MEMORY = 8 << 30  # bytes that a child process may allocate: a few bytes of a video can declare huge frames
GONE = (EOFError, OSError, ValueError)  # what `send` and `receive` raise if the other process ended or sent no message
START_SECONDS = 600.0  # for the inspector to start
SECONDS = 30.0  # for one check
BEAT = 0.2  # seconds between two messages about progress

# Container formats that are files in themselves. Playlists, lists of files and capture devices are left out: they name
# other files or addresses, which an upload must never make the server open.
_FORMATS = """
3dostr asf av1 avi avs2 avs3 cavsvideo dirac dnxhd dv evc flv gif gxf h261 h263 h264 hevc ivf live_flv m4v
matroska,webm mjpeg mov,mp4,m4a,3gp,3g2,mj2 mpeg mpegts mpegvideo mxf nut obu ogg rm roq swf vc1 vvc wtv yuv4mpegpipe
"""


class Started(BaseModel):
    """To the server: the process is ready."""

    kind: Literal["started"] = "started"


class Progress(BaseModel):
    """From a worker, regularly while it works: the share that is done, None where unknown."""

    kind: Literal["progress"] = "progress"
    share: Share | None


class Done(BaseModel):
    """From a worker: result and report are on disk."""

    kind: Literal["done"] = "done"
    summary: Summary
    policy: str


class Rejected(BaseModel):
    """To the server: the check or the scoring failed, with a code for the HTTP response and a message."""

    kind: Literal["rejected"] = "rejected"
    error: str = "failed"
    message: str


Message = Started | Checked | Progress | Done | Rejected
# JSON, not pickles: a child that a hostile video has taken over must not run code in the server.
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def send(connection: Connection, message: Message) -> None:
    """Send a message."""
    connection.send_bytes(message.model_dump_json().encode())


def receive(connection: Connection, timeout: float) -> Message | None:
    """The next message; None if none arrives within ``timeout`` seconds."""
    return MESSAGE.validate_json(connection.recv_bytes()) if connection.poll(timeout) else None


class Child:
    """A spawned process that runs ``target(connection, *arguments)`` and ends with this process, however that ends."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        context = spawning()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
        # The child inherits the mask and never receives the signals: the server decides when it ends, also where a
        # terminal or a service manager signals the whole group.
        with signals_blocked():
            self.process.start()
        theirs.close()

    def close(self) -> int | None:
        """Kill the process unless it has ended; returns its exit code."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


def _run(target: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    end_with_parent()
    with contextlib.suppress(ValueError, OSError):  # the limit is lower already
        # Not RLIMIT_AS: it counts reserved address space, of which inference libraries reserve much.
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        target(connection, *arguments)
    except (EOFError, OSError):  # the server has ended
        os._exit(1)


class Inspector:
    """Checks uploads one at a time. A file that makes the process crash or hang is refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._child: Child | None = None

    def __call__(self, path: Path) -> Checked:
        """Size and duration of an uploaded video. Raises Refused if :func:`check` does, or cannot be run."""
        with self._lock:
            child, message = self.start(), N_(f"reading its first frame takes over {SECONDS:.0f} s")
            try:
                child.connection.send(path)
                answer = receive(child.connection, SECONDS)
            except GONE:
                answer, message = None, N_("reading it crashed the decoder: convert it to H.264")
            if answer is None:
                self.close()
                raise Refused(422, "unreadable", message)
        if isinstance(answer, Rejected):
            raise Refused(422, answer.error, answer.message)
        assert isinstance(answer, Checked)
        return answer

    def start(self) -> Child:
        """Start the process unless it runs. Raises Refused if it cannot be started."""
        if self._child is None or not self._child.process.is_alive():
            self.close()
            with contextlib.suppress(*GONE):
                self._child = Child(_inspect, self._limits)
                if receive(self._child.connection, START_SECONDS):
                    return self._child
            self.close()
            message = N_("the server cannot check uploads now (is its memory full?): try again later")
            raise Refused(503, "not_ready", message, 10)
        return self._child

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None


def _inspect(connection: Connection, limits: Limits) -> None:
    send(connection, Started())
    while True:
        path = connection.recv()
        try:
            send(connection, check(path, limits))
        except Refused as refused:
            send(connection, Rejected(error=refused.code, message=refused.message))


def check(path: Path, limits: Limits) -> Checked:
    """Size and duration; nothing is decoded beyond a limit. Raises Refused if one is exceeded, or it is no video."""
    try:
        head = read_head(path)
        if not_video := NOT_VIDEO.get(kind_of_content(head)):
            raise Refused(422, "unreadable", not_video)
        width, height = animated_webp_size(head) or _largest(path)
        if width * height <= limits.pixels:
            with open_video(path, threads=1) as reader:
                info = reader.info
            width, height = info.width, info.height
    except Unreadable as error:
        raise Refused(422, "unreadable", str(error).replace(str(path), THE_FILE)) from None
    except (av.FFmpegError, OSError, ValueError, MemoryError):
        raise Refused(422, "unreadable", "unsupported or corrupt video file") from None
    if width * height > limits.pixels:
        most = N_(f"at most {limits.pixels / 1e6:.1f} megapixels are accepted")
        raise Refused(422, "too_many_pixels", f"its frames are {width} x {height}, {most}: scale down")
    if info.duration is not None:
        check_duration(info.duration, limits)
    return Checked(width=width, height=height, duration=info.duration)


def check_duration(seconds: float, limits: Limits) -> None:
    """Raise Refused if a video of this duration is too long."""
    if seconds > limits.duration:
        lasts = N_(f"the video lasts {seconds / 60:.1f} minutes, at most {limits.duration / 60:g} are accepted")
        raise Refused(422, "too_long", f"{lasts}: upload a shorter segment")


def _largest(path: Path) -> tuple[int, int]:
    """Width and height of the largest video stream, without decoding a frame; (0, 0) where there is none."""
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS.split())}
    with av.open(f"file:{path}", metadata_errors="replace", container_options=options) as container:
        contexts = [stream.codec_context for stream in container.streams.video]
        sizes = [(context.width, context.height) for context in contexts if context]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def work(connection: Connection, model: Path | str | None, settings: Settings, limits: Limits) -> None:
    """Load the model, then score the video in one folder after the other: (folder, name to show for the path)."""
    try:
        scorer = Scorer(Detector(model, settings), connection, limits)
    except FacetellError as error:
        send(connection, Rejected(message=str(error)))
        return
    send(connection, Started())
    while True:
        send(connection, scorer(*connection.recv()))


class Scorer:
    """Scores videos with one detector."""

    def __init__(self, detector: Detector, connection: Connection, limits: Limits) -> None:
        self._detector, self._connection, self._limits, self._sent = detector, connection, limits, 0.0

    def __call__(self, folder: Path, name: str) -> Done | Rejected:
        """Score the video in a folder and write its result and report; both are on disk when this returns."""
        path = str(folder / VIDEO)  # which clients must not learn
        try:
            verdict = self._detector(path, self._progress)
            message, *warnings = (text.replace(path, THE_FILE) for text in (verdict.message, *verdict.warnings))
            shown = replace(verdict, path=name, message=message, warnings=tuple(warnings))
            report = Report(self._detector)
            shown = report.add(verdict, shown, lambda seconds, duration: self._report(1.0))
            faces = sum(track.status is Status.SCORED for track in verdict.tracks)
            more = {"faces": faces, "thumbnail": report.thumbnail}
            done = Done(summary=Summary.model_validate(shown).model_copy(update=more), policy=content_policy())
            files = {name: report.html(code) for code, name in REPORTS.items()} | {RESULT: result_text([shown])}
        except FacetellError as error:
            return Rejected(message=str(error).replace(path, THE_FILE))
        except Exception as error:  # whatever it is, the jobs after it must be scored
            traceback.print_exc(file=sys.stderr)
            fault = type(error).__name__
            return Rejected(message=N_(f"scoring it failed ({fault}): report it to the server's operator"))
        try:
            for name, text in files.items():
                write_text(folder / name, text)
                sync(folder / name)
            sync(folder)
        except (FacetellError, OSError):
            message = N_(
                "its result could not be stored (is the server's disk full?): report it to the server's operator, "
                "then upload it again"
            )
            return Rejected(message=message)
        return done

    def _progress(self, seconds: float, duration: float | None) -> None:
        check_duration(seconds, self._limits)  # it may be longer than its header states
        self._report(min(1.0, seconds / duration) if duration else None)

    def _report(self, share: float | None) -> None:
        """Send the progress, unless the last message is recent."""
        if time.monotonic() - self._sent > BEAT:
            self._sent = time.monotonic()
            send(self._connection, Progress(share=share))

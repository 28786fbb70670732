"""Video out: RGB pictures into a file, whole or not at all, and through a codec and back."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from facetell.files import short_name
from facetell.types import FacetellError, UInt8Array
from facetell.video.picture import to_rgb

_TIME_BASE = Fraction(1, 90000)
_BT709, _BT601, _LIMITED = 1, 6, 1
_FREE_TIMES = {"libx264", "libx265", "libvpx-vp9", "libsvtav1", "ffv1"}


class VideoWriter:
    """Writes RGB pictures to a video file that appears under its name only when it is complete.

        with VideoWriter("out.mp4", fps=30, width=640, height=360, audio_from="in.mp4") as writer:
            for image in images:
                writer.write(image)

    Args:
        path: the target; its suffix decides the container.
        fps: pictures a second, used where :meth:`write` is given no time.
        width: of the pictures, in pixels.
        height: likewise. Odd sides are grown by one (the edge is repeated) where the pixel format halves the chroma.
        codec: an encoder of PyAV, such as libx264, libx265, libvpx-vp9, libsvtav1, ffv1. These keep any time; others
            know only multiples of 1 / ``fps``.
        crf: constant quality of those that know it; lower is better.
        pix_fmt: pixel format in the file.
        options: further options of the encoder, by FFmpeg's names.
        audio_from: a file whose first sound track is copied as it is.
        metadata: tags of the container.

    Raises:
        FacetellError: the codec or container is unknown, or the target cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float | Fraction = 30,
        width: int,
        height: int,
        codec: str = "libx264",
        crf: float | None = None,
        pix_fmt: str = "yuv420p",
        options: Mapping[str, str] | None = None,
        audio_from: str | Path | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._size = (width, height)
        self._interval = 1 / Fraction(fps).limit_denominator(1001)
        self._next = Fraction(0)
        self._last_pts: int | None = None
        self._finished = False
        self._audio: InputContainer | None = None
        self._temporary = _temporary_beside(self.path)
        try:
            # The index in front: a player can start, and a cut-off copy be read, before the end is there.
            layout = {"movflags": "faststart"} if self.path.suffix.lower() in {".mp4", ".m4v", ".mov"} else {}
            self._container: OutputContainer = av.open(str(self._temporary), "w", container_options=layout)
            self._container.metadata.update(metadata or {})
            self._video = _add_video(self._container, codec, 1 / self._interval, (width, height), pix_fmt, crf, options)
            self._sound = self._add_sound(audio_from)
            self._waiting = next(self._sound, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._discard()
            raise FacetellError(f"{self.path} cannot be written with the codec {codec}: {error}") from error
        except BaseException:
            self._discard()
            raise

    def write(self, image: UInt8Array, time: float | None = None) -> None:
        """Append one picture.

        Args:
            image: uint8 RGB (height, width, 3).
            time: seconds from the start, later than the last one's; None: one interval after the last.

        Raises:
            ValueError: the picture has another size or type, or ``time`` does not go forward.
            FacetellError: the encoder refuses its settings, or the disk is full.
        """
        width, height = self._size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise ValueError(f"pictures are uint8 {(height, width, 3)}, not {image.dtype} {image.shape}")
        at = self._next if time is None else Fraction(time)
        pts = round(at / _TIME_BASE)
        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"time {float(at):.6f} s is not after that of the last picture")
        self._next, self._last_pts = at + self._interval, pts
        picture = to_yuv(image, str(self._video.pix_fmt))
        picture.pts, picture.time_base = pts, _TIME_BASE
        try:
            self._container.mux(self._video.encode(picture))
            self._copy_sound(float(at))
        except (av.FFmpegError, OSError) as error:
            self._discard()
            raise FacetellError(f"{self.path} cannot be written with these settings: {error}") from error

    def close(self) -> None:
        """Finish the file and give it its name; harmless when that is done.

        Raises:
            FacetellError: not one picture was written, or the file cannot be finished.
        """
        if self._finished:
            return
        if self._last_pts is None:
            self._discard()
            raise FacetellError(f"{self.path} was not written: there was no picture to write")
        try:
            self._container.mux(self._video.encode())
            self._copy_sound(math.inf)
            self._container.close()
            self._temporary.replace(self.path)
            self._finished = True
        except (av.FFmpegError, OSError) as error:
            raise FacetellError(f"{self.path} cannot be finished: {error}") from error
        finally:
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def _add_sound(self, source: str | Path | None) -> Iterator[tuple[float, av.Packet[AudioStream]]]:
        """A target track like the first sound track of ``source``; its packets and their times, to be muxed as due."""
        if source is None:
            return iter(())
        self._audio = av.open(f"file:{source}", metadata_errors="replace")
        if not self._audio.streams.audio:
            return iter(())
        stream = self._audio.streams.audio[0]
        return _packets(self._audio, stream, self._container.add_stream_from_template(stream))

    def _copy_sound(self, until: float) -> None:
        """Mux the sound up to a time in seconds: interleaved with the pictures, as players expect it."""
        while self._waiting is not None and self._waiting[0] <= until:
            self._container.mux(self._waiting[1])
            self._waiting = next(self._sound, None)

    def _discard(self) -> None:
        """Close what is open and take away the temporary file; harmless when all is done."""
        if self._audio is not None:
            self._audio.close()
        if hasattr(self, "_container"):
            # A header that could not be written fails again on closing; the file goes anyway.
            with contextlib.suppress(av.FFmpegError):
                self._container.close()
        self._temporary.unlink(missing_ok=True)


def to_yuv(image: UInt8Array, pix_fmt: str) -> av.VideoFrame:
    """A picture for the encoder: BT.709 from 1280 x 720 on, BT.601 below, limited range, both tagged.

    Args:
        image: uint8 RGB (H, W, 3); an odd side grows by one where ``pix_fmt`` halves the chroma.
        pix_fmt: FFmpeg's name of the pixel format.
    """
    height, width = image.shape[:2]
    if pix_fmt.startswith(("yuv420", "yuv422", "nv12", "p010")) and (height % 2 or width % 2):
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if av.VideoFormat(pix_fmt).is_rgb:
        return picture.reformat(format=pix_fmt)
    matrix = _BT709 if width >= 1280 or height >= 720 else _BT601
    picture.color_range = 2
    converted = picture.reformat(
        format=pix_fmt,
        dst_colorspace=1 if matrix == _BT709 else 5,
        src_color_range=2,
        dst_color_range=_LIMITED,
        threads=1,
    )
    converted.colorspace, converted.color_range = matrix, _LIMITED
    return converted


def reencode(
    frames: UInt8Array, fps: float, codec: str = "libx264", *, pix_fmt: str = "yuv420p", **options: str
) -> UInt8Array:
    """Send pictures through a lossy codec in memory and take them back.

    Args:
        frames: uint8 RGB (T, H, W, 3); sides of at least 16 pixels.
        fps: pictures a second (rate control depends on it).
        codec: an encoder of PyAV.
        pix_fmt: pixel format in between.
        **options: of the encoder, such as ``crf="40"`` or ``b="200k"``.

    Returns:
        uint8 RGB (T, H, W, 3), the same number and size.

    Raises:
        FacetellError: the codec cannot do it, or gave back another number of pictures.
    """
    buffer = io.BytesIO()
    rate = Fraction(fps).limit_denominator(1001)
    count, height, width = frames.shape[:3]
    try:
        with av.open(buffer, "w", format="matroska") as container:
            stream = _add_video(container, codec, rate, (width, height), pix_fmt, None, options)
            for index, image in enumerate(frames):
                picture = to_yuv(image, pix_fmt)
                picture.pts, picture.time_base = index, 1 / rate
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        buffer.seek(0)
        back = np.stack(list(_pictures(buffer, width, height))) if count else frames
    except (av.FFmpegError, ValueError) as error:
        raise FacetellError(f"the codec {codec} cannot take pictures of {width}x{height}: {error}") from error
    if len(back) != count:
        raise FacetellError(f"the codec {codec} gave back {len(back)} pictures of {count}: use another")
    return back


def _pictures(buffer: io.BytesIO, width: int, height: int) -> Iterator[UInt8Array]:
    with av.open(buffer, "r") as container:
        for picture in container.decode(video=0):
            # What was added to make the sides even is cut off again.
            yield to_rgb(picture, picture.width, picture.height)[:height, :width]


def _add_video(
    container: OutputContainer,
    codec: str,
    rate: Fraction,
    size: tuple[int, int],
    pix_fmt: str,
    crf: float | None,
    options: Mapping[str, str] | None,
) -> VideoStream:
    width, height = size
    chosen: dict[str, str] = dict(options or {})
    if crf is not None:
        chosen["crf"] = f"{crf:g}"
    if codec == "libx265":
        chosen.setdefault("x265-params", "log-level=error")
    if codec == "mjpeg":
        chosen.setdefault("strict", "unofficial")  # limited range in JPEG
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the encoder knows no other way to be quiet
    stream: Any = container.add_stream(codec, rate=rate, options=chosen)
    even = pix_fmt.startswith(("yuv420", "yuv422", "nv12", "p010"))
    stream.width, stream.height = (width + width % 2, height + height % 2) if even else size
    stream.pix_fmt = pix_fmt
    stream.codec_context.time_base = _TIME_BASE if codec in _FREE_TIMES else 1 / rate
    if not av.VideoFormat(pix_fmt).is_rgb:
        stream.codec_context.colorspace = _BT709 if width >= 1280 or height >= 720 else _BT601
        stream.codec_context.color_range = _LIMITED
    video: VideoStream = stream
    return video


def _packets(
    container: InputContainer, stream: AudioStream, target: Stream
) -> Iterator[tuple[float, av.Packet[AudioStream]]]:
    for packet in container.demux(stream):
        if packet.dts is not None:
            time = float(packet.dts * packet.time_base)
            packet.stream = target  # type: ignore[assignment]  # of the same kind: it was made from the other
            yield time, packet


def _temporary_beside(path: Path) -> Path:
    """An empty file in the folder of ``path`` with its suffix, so that the rename at the end is one step."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stem = short_name(path.stem, len(os.fsencode(path.suffix)) + len("..xxxxxxxx"))
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{stem}.", dir=path.parent)
    except OSError as error:
        raise FacetellError(f"{path} cannot be written ({error.strerror}): choose another folder") from error
    os.close(handle)
    # mkstemp gives a file to its owner alone; a result has the rights that any new file has.
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)
    return Path(name)

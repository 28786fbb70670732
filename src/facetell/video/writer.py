"""Write RGB frames to a video file, or through a codec and back."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from facetell.files import short_name
from facetell.types import FacetellError, UInt8Array
from facetell.video.frame import has_bt709, to_rgb

_TIME_BASE = Fraction(1, 90000)
_LIMITED, _FULL = 1, 2
_FREE_TIMES = {"libx264", "libx265", "libvpx-vp9", "libsvtav1", "ffv1"}
_DEFAULTS = {"libx265": {"x265-params": "log-level=error"}, "mjpeg": {"strict": "unofficial"}}  # limited range in JPEG
_EVEN_SIZES = ("yuv420", "yuv422", "nv12", "p010")  # pixel formats that halve the chroma


class VideoWriter:
    """Writes RGB frames to a video file that gets its name when it is complete; after an error nothing is left.

    The suffix of ``path`` decides the container, and its folder is created. ``fps`` is used where :meth:`write` is
    given no time. An odd side grows by one (the edge is repeated) where the pixel format halves the chroma. ``codec``,
    ``crf``, ``pix_fmt`` and ``options`` are by FFmpeg's names; encoders of :data:`_FREE_TIMES` store any time, others
    multiples of 1 / ``fps``; ``metadata`` are tags. FacetellError: unknown codec or container, or unwritable target.
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
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._size = (width, height)
        self._interval = 1 / Fraction(fps).limit_denominator(1001)
        self._next = Fraction(0)
        self._last_pts: int | None = None
        # PyAV takes the container from the suffix, so it has to be the last part of the temporary name too.
        suffix = f".{os.getpid()}{self.path.suffix}"
        self._temporary = self.path.with_name(f".{short_name(self.path.stem, len(os.fsencode(suffix)) + 1)}{suffix}")
        with contextlib.ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._temporary.touch()
            except OSError as error:
                raise FacetellError(f"{path} cannot be written ({error.strerror}): choose another folder") from error
            stack.callback(self._temporary.unlink, missing_ok=True)
            stack.enter_context(contextlib.suppress(av.FFmpegError))  # a header that could not be written fails again
            try:
                # The index in front: a player can start, and a truncated copy be read, without the end of the file.
                layout = {"movflags": "faststart"} if self.path.suffix.lower() in {".mp4", ".m4v", ".mov"} else {}
                self._container = av.open(str(self._temporary), "w", container_options=layout)
                stack.callback(self._container.close)
                self._container.metadata.update(metadata or {})
                chosen = dict(options or {}) | ({} if crf is None else {"crf": f"{crf:g}"})
                self._video = _add_video(self._container, codec, 1 / self._interval, self._size, pix_fmt, chosen)
            except (av.FFmpegError, OSError, ValueError) as error:
                raise FacetellError(f"{self.path} cannot be written with the codec {codec}: {error}") from error
            self._open: contextlib.ExitStack | None = stack.pop_all()

    def write(self, image: UInt8Array, time: float | None = None) -> None:
        """Append a frame, uint8 RGB (height, width, 3), at ``time`` seconds; None: one interval after the last one.

        ValueError: the frame has another size or type, or ``time`` does not increase.
        FacetellError: the encoder refuses its settings, or the disk is full.
        """
        width, height = self._size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise ValueError(f"frames are uint8 {(height, width, 3)}, not {image.dtype} {image.shape}")
        at = self._next if time is None else Fraction(time)
        pts = round(at / _TIME_BASE)
        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"time {float(at):.6f} s is not after that of the last frame")
        self._next, self._last_pts = at + self._interval, pts
        frame = to_yuv(image, str(self._video.pix_fmt))
        frame.pts, frame.time_base = pts, _TIME_BASE
        try:
            self._container.mux(self._video.encode(frame))
        except (av.FFmpegError, OSError) as error:
            self._discard()
            raise FacetellError(f"{self.path} cannot be written with these settings: {error}") from error

    def close(self) -> None:
        """Finish the file and give it its name; FacetellError if there was no frame, or it cannot be finished."""
        if self._open is None:
            return
        try:
            if self._last_pts is None:
                raise FacetellError(f"{self.path} was not written: there was no frame to write")
            self._container.mux(self._video.encode())
            self._container.close()
            self._temporary.replace(self.path)
        except (av.FFmpegError, OSError) as error:
            raise FacetellError(f"{self.path} cannot be finished: {error}") from error
        finally:
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.close() if kind is None else self._discard()

    def _discard(self) -> None:
        """Close what is open and remove the temporary file."""
        if self._open is not None:
            self._open.close()
            self._open = None


def to_yuv(image: UInt8Array, pix_fmt: str) -> av.VideoFrame:
    """Convert uint8 RGB (H, W, 3) for an encoder: BT.709 from 1280 x 720 on, else BT.601; limited range; tagged."""
    height, width = image.shape[:2]
    if pix_fmt.startswith(_EVEN_SIZES) and (height % 2 or width % 2):
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if av.VideoFormat(pix_fmt).is_rgb:
        return frame.reformat(format=pix_fmt)
    matrix, to = (1, 1) if has_bt709(width, height) else (6, 5)  # in H.264, in swscale
    frame.color_range = _FULL
    yuv = frame.reformat(format=pix_fmt, dst_colorspace=to, src_color_range=_FULL, dst_color_range=_LIMITED, threads=1)
    yuv.colorspace, yuv.color_range = matrix, _LIMITED
    return yuv


def reencode(
    frames: UInt8Array, fps: float, codec: str = "libx264", *, pix_fmt: str = "yuv420p", **options: str
) -> UInt8Array:
    """Encode frames, uint8 RGB (T, H, W, 3) with sides of at least 16 pixels, in memory and decode them.

    Rate control depends on ``fps``; ``options`` are those of the encoder, such as ``crf="40"``. FacetellError: the
    codec fails, or returns another number of frames.
    """
    buffer = io.BytesIO()
    rate = Fraction(fps).limit_denominator(1001)
    count, height, width = frames.shape[:3]
    try:
        with av.open(buffer, "w", format="matroska") as container:
            stream = _add_video(container, codec, rate, (width, height), pix_fmt, options)
            for index, image in enumerate(frames):
                frame = to_yuv(image, pix_fmt)
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        buffer.seek(0)
        with av.open(buffer, "r") as back:
            # An odd side was enlarged by one.
            decoded = [to_rgb(frame, frame.width, frame.height)[:height, :width] for frame in back.decode(video=0)]
    except (av.FFmpegError, ValueError) as error:
        raise FacetellError(f"the codec {codec} cannot take frames of {width}x{height}: {error}") from error
    if len(decoded) != count:
        raise FacetellError(f"the codec {codec} gave back {len(decoded)} frames of {count}: use another")
    return np.stack(decoded) if count else frames


def _add_video(
    container: OutputContainer, codec: str, rate: Fraction, size: tuple[int, int], pix_fmt: str, options: dict[str, str]
) -> VideoStream:
    width, height = size
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the encoder has no other setting for it
    stream: Any = container.add_stream(codec, rate=rate, options=_DEFAULTS.get(codec, {}) | options)
    stream.width, stream.height = (width + width % 2, height + height % 2) if pix_fmt.startswith(_EVEN_SIZES) else size
    stream.pix_fmt = pix_fmt
    stream.codec_context.time_base = _TIME_BASE if codec in _FREE_TIMES else 1 / rate
    if not av.VideoFormat(pix_fmt).is_rgb:
        stream.codec_context.colorspace, stream.codec_context.color_range = 1 if has_bt709(*size) else 6, _LIMITED
    return cast(VideoStream, stream)

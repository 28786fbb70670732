"""Decoded video frames: conversion to upright RGB (on request), small luma thumbnails, and deinterlacing."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray

from facetell.types import FacetellError, Status, UInt8Array

THUMBNAIL_SIDE = 128
"""Long side of a luma thumbnail in pixels, or that of the frame if it is smaller."""
MOST_PIXELS = 1 << 27
"""Pixels of a frame or image, four times those of 8K; a larger one counts as damaged."""
STRICTEST = "explode+crccheck+bitstream+buffer"
"""FFmpeg's ``err_detect`` that takes violations of the format, wrong lengths and checksums for errors."""

# Matrices that swscale supports, by their numbers in H.273: RGB, BT.709, FCC, BT.601 (two), SMPTE 240M, BT.2020.
_MATRICES = frozenset({0, 1, 4, 5, 6, 7, 9})


class Unreadable(FacetellError):
    """A file from which no frame can be read; ``status`` is that of its result."""

    status = Status.UNREADABLE


class Damaged(Unreadable):
    """A video, image or folder of images of which no frame is undamaged."""

    status = Status.DAMAGED


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a decoded frame is scaled and oriented; all frames of a video get the size of its first one."""

    stored: tuple[int, int]  # (width, height) of the video's first frame with square pixels, before it is oriented
    shown: tuple[int, int]  # size that this frame is scaled to before it is centred in ``stored`` on black
    transpose: bool = False  # this, mirror_x and mirror_y, in this order, make the frame upright
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Return the geometry of a video's first frame; ``sample_aspect`` is the width of a pixel over its height."""
        size = _square_size(frame.width, frame.height, sample_aspect)
        try:
            matrix = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV has no name for some kind of side data, such as EXIF: no orientation is known
            matrix = None
        if not isinstance(matrix, SideData) or matrix.buffer_size < 36:
            return cls(size, size)
        a, b, _, c, d = np.frombuffer(bytes(matrix)[:20], np.int32).tolist()
        return cls(size, size, *orientation(a, b, c, d))

    def fit(self, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Return the geometry of a later frame, whose size or sample aspect ratio may differ."""
        width, height = _square_size(frame.width, frame.height, sample_aspect)
        scale = min(self.stored[0] / width, self.stored[1] / height)
        return replace(self, shown=(max(1, round(width * scale)), max(1, round(height * scale))))

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) of the converted frames."""
        return (self.stored[1], self.stored[0]) if self.transpose else self.stored

    def orient(self, image: UInt8Array) -> UInt8Array:
        """Return ``image``, (H, W) or (H, W, 3), upright; the same array where nothing is to be done."""
        if self.transpose:
            image = cast(UInt8Array, cv2.transpose(image))
        if self.mirror_x or self.mirror_y:
            image = cast(UInt8Array, cv2.flip(image, -1 if self.mirror_x and self.mirror_y else int(self.mirror_x)))
        return image


def orientation(a: int, b: int, c: int, d: int) -> tuple[bool, bool, bool]:
    """Return transpose, mirror_x and mirror_y of a display matrix: x' = a x + c y, y' = b x + d y (any scale)."""
    return (False, a < 0, d < 0) if abs(a) + abs(d) >= abs(b) + abs(c) else (True, c < 0, b < 0)


def _square_size(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """Return the size with square pixels: one side is enlarged, none is reduced."""
    # Within 1 % of square it is rounding by the muxer, beyond 8 an error.
    if sample_aspect is None or not Fraction(1, 8) <= sample_aspect <= 8 or abs(sample_aspect - 1) <= Fraction(1, 100):
        return width, height
    return (round(width * sample_aspect), height) if sample_aspect > 1 else (width, round(height / sample_aspect))


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A decoded frame (``decoded`` holds memory) to convert on request; ``time`` in seconds, ``index`` from 0."""

    index: int
    time: float
    decoded: av.VideoFrame
    geometry: Geometry

    def rgb(self) -> UInt8Array:
        """Convert the frame to uint8 RGB (H, W, 3): upright, with square pixels, in the size of the first frame.

        A frame of another size or sample aspect ratio is scaled to fit and centred on black. HDR (PQ) is tone-mapped by
        a fixed curve without a change of gamut; HLG is taken as SDR.
        """
        image = to_rgb(self.decoded, *self.geometry.shown)
        if self.geometry.shown != self.geometry.stored:
            image = centred(image, *self.geometry.stored)
        return self.geometry.orient(image)

    def luma_thumbnail(self) -> UInt8Array:
        """Return every n-th sample of Y (of RGB, green), upright, uint8 (h, w), long side 128."""
        frame = self.decoded
        width, height = self.geometry.stored
        scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
        layout, plane = _luma_layout(frame.format.name), frame.planes[0]
        shift = 0
        if layout is None or plane.line_size <= 0:
            luma: NDArray[Any] = to_rgb(frame, frame.width, frame.height)[:, :, 1]
        else:
            dtype, shift = layout
            luma = _rows(plane, frame.height).view(dtype)[:, : frame.width]
        counts = max(1, round(height * scale)), max(1, round(width * scale))
        rows, columns = (
            ((np.arange(count) + 0.5) * length / count).astype(np.intp)
            for length, count in zip(luma.shape, counts, strict=True)
        )
        return self.geometry.orient(np.right_shift(luma[rows][:, columns], shift).astype(np.uint8))


def has_bt709(width: int, height: int) -> bool:
    """Whether a video that states no matrix is taken to have BT.709, and not BT.601."""
    return width >= 1280 or height >= 720


def to_rgb(frame: av.VideoFrame, width: int, height: int) -> UInt8Array:
    """Convert a decoded frame to uint8 RGB (``height``, ``width``, 3) by its own matrix and range, not rotated.

    Without a stated matrix, or with one that swscale does not support, BT.709 is assumed from 1280 x 720 on and BT.601
    below; without a stated range, limited range. Unreadable: the pixel format cannot be converted.
    """
    matrix = int(frame.colorspace)
    if matrix not in _MATRICES:
        matrix = int(Colorspace.ITU709 if has_bt709(frame.width, frame.height) else Colorspace.ITU601)
    pq = int(frame.color_trc) == int(ColorTrc.SMPTE2084)
    scaled = (width, height) != (frame.width, frame.height)
    try:
        converted = frame.reformat(
            width=width,
            height=height,
            format="rgb48le" if pq else "rgb24",  # 8 bits would show as bands after the PQ curve
            src_colorspace=matrix,
            src_color_range=int(frame.color_range) or int(ColorRange.MPEG),
            dst_color_range=int(ColorRange.JPEG),
            interpolation=Interpolation.BICUBIC if scaled else Interpolation.BILINEAR,
            threads=1,
        )
    except av.FFmpegError:
        raise Unreadable(
            f"its frames are stored as {frame.format.name}, which cannot be converted here: convert it to H.264"
        ) from None
    rows = _rows(converted.planes[0], height)
    if pq:
        deep = np.ascontiguousarray(rows.view("<u2")[:, : width * 3]).reshape(height, width, 3)
        return cast(UInt8Array, cv2.LUT(deep, _pq_curve()))
    # No copy where rows have no padding. Either way the array keeps the memory that it needs.
    image = np.ascontiguousarray(rows[:, : width * 3]).reshape(height, width, 3)
    if frame.format.name.startswith("gray") and int(frame.color_range) != int(ColorRange.JPEG):
        # swscale takes every grey for full range.
        full = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
        image = cast(UInt8Array, cv2.LUT(image, full))
    return image


def stored_luma(frame: av.VideoFrame) -> UInt8Array | None:
    """Return the Y plane of a frame, uint8 (H, W), as it is stored; None where there is none of 8 bits. No copy."""
    layout = _luma_layout(frame.format.name)
    if layout is None or layout[0] != np.uint8 or frame.planes[0].line_size <= 0:
        return None
    return _rows(frame.planes[0], frame.height)[:, : frame.width]


def centred(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """Return an RGB image centred on a black one of at least its size."""
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _rows(plane: VideoPlane, height: int) -> UInt8Array:
    """Return the bytes of a plane as (``height``, bytes per row), padding included; no copy."""
    size = plane.line_size * height
    view: UInt8Array = np.frombuffer(plane, np.uint8, count=size)  # type: ignore[call-overload]  # it is a buffer
    return view.reshape(height, plane.line_size)


@functools.cache
def _luma_layout(name: str) -> tuple[np.dtype[Any], int] | None:
    """Return the sample type of a pixel format's Y plane and the right shift to 8 bits; None without such a plane."""
    pixel_format = av.VideoFormat(name)
    components = pixel_format.components
    alone = all(component.plane != 0 for component in components[1:])
    if pixel_format.is_rgb or pixel_format.has_palette or not alone or not components[0].is_luma:
        return None
    bits = components[0].bits
    if bits == 8:
        return np.dtype(np.uint8), 0
    if not 8 < bits <= 16 or "f32" in name or "f16" in name:
        return None
    # P010 and similar formats hold their bits at the top of the word, the planar formats at the bottom.
    shift = 8 if name.startswith(("p0", "p2", "p4")) else bits - 8
    return np.dtype(">u2" if pixel_format.is_big_endian else "<u2"), shift


@functools.cache
def _pq_curve() -> UInt8Array:
    """Return 8-bit values of 16-bit PQ code values, (1, 65536): ST 2084 to light, a soft knee, gamma 2.2."""
    code = np.arange(65536) / 65535
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    knee, light = 0.6, nits / 203  # cd/m2 of reference white
    above = knee + (1 - knee) * (1 - np.exp(-np.maximum(light - knee, 0) / (1 - knee)))
    shown = np.where(light < knee, light, above) ** (1 / 2.2)
    return np.round(shown * 255).astype(np.uint8)[None]


def deinterlaced(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield one progressive frame for each frame; those that are not flagged as interlaced pass unchanged.

    No filter is built before the first interlaced frame; from there on frames come one frame late.
    """
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    tags = (2, 0, 2)
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None or shape != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _filtered(graph, None, tags)
            graph, shape = _build(frame), (frame.width, frame.height, frame.format.name)
        tags = (frame.colorspace, frame.color_range, frame.color_trc)
        yield from _filtered(graph, frame, tags)
    if graph is not None:
        yield from _filtered(graph, None, tags)


def _filtered(graph: Graph, frame: av.VideoFrame | None, tags: tuple[int, int, int]) -> Iterator[av.VideoFrame]:
    """Send a frame (None: the end) to the filter; yield the frames that are ready, with the colour tags restored."""
    graph.vpush(frame)
    while True:
        try:
            ready = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        ready.colorspace, ready.color_range, ready.color_trc = tags
        yield ready


def _build(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph

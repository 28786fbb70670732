"""Decoded video frames: conversion to upright RGB, and small luma thumbnails.

A decoder gives YUV planes with a matrix, a range, a pixel aspect ratio and an orientation of their own. They are
converted on request only, as this takes up to a third of the time of decoding.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray

from facetell.types import FacetellError, UInt8Array

THUMBNAIL_SIDE = 128
"""Long side of a luma thumbnail in pixels, or that of the frame if it is smaller."""

# Matrices that swscale supports, by their numbers in H.273: RGB, BT.709, FCC, BT.601 (two), SMPTE 240M, BT.2020.
_MATRICES = frozenset({0, 1, 4, 5, 6, 7, 9})
_HD_WIDTH, _HD_HEIGHT = 1280, 720
_PQ = int(ColorTrc.SMPTE2084)
_REFERENCE_WHITE_NITS = 203.0
_KNEE = 0.6


class Unreadable(FacetellError):
    """A file from which no frame can be read."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored frame becomes upright: transposed first, then mirrored left-right and top-bottom."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def rotation(self) -> int:
        """Clockwise rotation in degrees (0, 90, 180, 270); of a mirrored frame, the rotation of its upper edge."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_x and self.mirror_y else 0

    def apply(self, image: UInt8Array) -> UInt8Array:
        """Return ``image``, (H, W) or (H, W, 3), upright; the same array where nothing is to be done."""
        if self.transpose:
            image = cast(UInt8Array, cv2.transpose(image))
        if self.mirror_x or self.mirror_y:
            code = -1 if self.mirror_x and self.mirror_y else int(self.mirror_x)
            image = cast(UInt8Array, cv2.flip(image, code))
        return image

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """Return the orientation by the display matrix of a decoded frame; upright if it has none."""
        side_data = frame.side_data.get("DISPLAYMATRIX")
        if not isinstance(side_data, SideData) or side_data.buffer_size < 36:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(side_data)[:20], np.int32).tolist()
        return cls.from_matrix(a, b, c, d)

    @classmethod
    def from_matrix(cls, a: int, b: int, c: int, d: int) -> Orientation:
        """Return the nearest of the eight: a point goes to x' = a x + c y, y' = b x + d y (any common scale)."""
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a decoded frame is scaled and rotated; all frames of a video get the size of its first one.

    Attributes:
        orientation: applied after scaling.
        stored: (width, height) of the video's first frame with square pixels, before ``orientation``.
        shown: size that this frame is scaled to before it is centred in ``stored`` on black.
    """

    orientation: Orientation
    stored: tuple[int, int]
    shown: tuple[int, int]

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) of the converted frames."""
        return (self.stored[1], self.stored[0]) if self.orientation.transpose else self.stored

    @classmethod
    def of(cls, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Return the geometry of a video's first frame; ``sample_aspect`` is the width of a pixel over its height."""
        size = _square_size(frame.width, frame.height, sample_aspect)
        return cls(Orientation.of(frame), size, size)

    def fit(self, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Return the geometry of a later frame, whose size or sample aspect ratio may differ."""
        width, height = _square_size(frame.width, frame.height, sample_aspect)
        scale = min(self.stored[0] / width, self.stored[1] / height)
        return replace(self, shown=(max(1, round(width * scale)), max(1, round(height * scale))))


def _square_size(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """Return the size with square pixels: one side is enlarged, none is reduced."""
    # Within 1 % of square it is rounding by the muxer, beyond 8 an error.
    if sample_aspect is None or not Fraction(1, 8) <= sample_aspect <= 8 or abs(sample_aspect - 1) <= Fraction(1, 100):
        return width, height
    return (round(width * sample_aspect), height) if sample_aspect > 1 else (width, round(height / sample_aspect))


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A decoded frame that is converted on request.

    Attributes:
        index: number of the frame, from 0.
        time: seconds from the first frame.
        decoded: PyAV's frame; it takes memory as long as this object exists.
        geometry: how it is scaled and rotated.
    """

    index: int
    time: float
    decoded: av.VideoFrame
    geometry: Geometry

    def rgb(self) -> UInt8Array:
        """Convert the frame to uint8 RGB (H, W, 3): upright, with square pixels, in the size of the first frame.

        A frame of another size or sample aspect ratio is scaled to fit and centred on black. HDR (PQ) is tone-mapped by
        a fixed curve without a change of gamut; HLG is taken as SDR.
        """
        (width, height), (full_width, full_height) = self.geometry.shown, self.geometry.stored
        image = to_rgb(self.decoded, width, height)
        if (width, height) != (full_width, full_height):
            image = centred(image, full_width, full_height)
        return self.geometry.orientation.apply(image)

    def luma_thumbnail(self) -> UInt8Array:
        """Return a small upright luma image for change detection, uint8 (h, w), long side 128.

        It holds every n-th sample of the Y plane in its stored range; of RGB formats, of the green channel.
        """
        width, height = self.geometry.stored
        scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
        shape = max(1, round(height * scale)), max(1, round(width * scale))
        layout = _luma_layout(self.decoded.format.name)
        plane = self.decoded.planes[0]
        if layout is None or plane.line_size <= 0:
            green = to_rgb(self.decoded, self.decoded.width, self.decoded.height)[:, :, 1]
            return self.geometry.orientation.apply(_sample(green, shape))
        dtype, shift = layout
        luma = _rows(plane, self.decoded.height).view(dtype)[:, : self.decoded.width]
        small = np.right_shift(_sample(luma, shape), shift).astype(np.uint8)
        return self.geometry.orientation.apply(small)


def to_rgb(frame: av.VideoFrame, width: int, height: int) -> UInt8Array:
    """Convert a decoded frame to uint8 RGB (``height``, ``width``, 3) by its own matrix and range, not rotated.

    Without a stated matrix, or with one that swscale does not support, BT.709 is assumed from 1280 x 720 on and BT.601
    below; without a stated range, limited range.

    Raises:
        Unreadable: the pixel format cannot be converted.
    """
    matrix = int(frame.colorspace)
    if matrix not in _MATRICES:
        large = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
        matrix = int(Colorspace.ITU709 if large else Colorspace.ITU601)
    pq = int(frame.color_trc) == _PQ
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
        image = cast(UInt8Array, cv2.LUT(image, _limited_range()))  # swscale takes every grey for full range
    return image


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


def _sample(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return ``shape`` evenly spaced samples of a plane (H, W)."""
    rows, columns = (
        ((np.arange(count) + 0.5) * length / count).astype(np.intp)
        for count, length in zip(shape, plane.shape, strict=True)
    )
    sampled: NDArray[Any] = plane[rows[:, None], columns]
    return sampled


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
def _limited_range() -> UInt8Array:
    """Return the full-range values of the 256 limited-range luma values."""
    return np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


@functools.cache
def _pq_curve() -> UInt8Array:
    """Return 8-bit values of 16-bit PQ code values, (1, 65536): ST 2084 to light, a soft knee, gamma 2.2."""
    code = np.arange(65536) / 65535
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    light = nits / _REFERENCE_WHITE_NITS
    above = _KNEE + (1 - _KNEE) * (1 - np.exp(-np.maximum(light - _KNEE, 0) / (1 - _KNEE)))
    shown = np.where(light < _KNEE, light, above) ** (1 / 2.2)
    return np.round(shown * 255).astype(np.uint8)[None]

"""From a decoded picture, as the codec left it, to an upright RGB array or a small luma image.

A decoder gives YUV planes, stored perhaps on their side, with a matrix, a range and a pixel shape of their own. All of
that is undone here, and only when asked for: the conversion costs as much as a third of decoding.
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
"""Long side of a luma thumbnail in pixels (shorter only where the picture itself is)."""

_MATRICES = frozenset({0, 1, 4, 5, 6, 7, 9})
"""Those that swscale knows, by their numbers in H.273: RGB, BT.709, FCC, BT.601 (two), SMPTE 240M, BT.2020."""
_HD_WIDTH, _HD_HEIGHT = 1280, 720
_PQ = int(ColorTrc.SMPTE2084)
_REFERENCE_WHITE_NITS = 203.0
_KNEE = 0.6


class Unreadable(FacetellError):
    """There is no picture to be had from a file."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture becomes upright: transposed first, then mirrored left-right and top-bottom."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def rotation(self) -> int:
        """Clockwise turn in degrees (0, 90, 180, 270); of a mirrored picture, the turn of its upper edge."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_x and self.mirror_y else 0

    def apply(self, image: UInt8Array) -> UInt8Array:
        """Turn ``image`` (H, W) or (H, W, 3) upright; returns the very array where there is nothing to do."""
        if self.transpose:
            image = cast(UInt8Array, cv2.transpose(image))
        if self.mirror_x or self.mirror_y:
            code = -1 if self.mirror_x and self.mirror_y else int(self.mirror_x)
            image = cast(UInt8Array, cv2.flip(image, code))
        return image

    @classmethod
    def of(cls, picture: av.VideoFrame) -> Orientation:
        """The orientation that the display matrix of a decoded picture asks for; upright where it has none."""
        side_data = picture.side_data.get("DISPLAYMATRIX")
        if not isinstance(side_data, SideData) or side_data.buffer_size < 36:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(side_data)[:20], np.int32).tolist()
        return cls.from_matrix(a, b, c, d)

    @classmethod
    def from_matrix(cls, a: int, b: int, c: int, d: int) -> Orientation:
        """The nearest of the eight: a point goes to x' = a x + c y, y' = b x + d y (any common scale)."""
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a decoded frame is scaled and turned; all frames of a video come out in the size of its first one.

    ``stored`` is the (width, height) of the video's first frame with square pixels, before ``orientation``; ``shown``
    is the size that this frame is scaled to, and is centred in ``stored`` on black.
    """

    orientation: Orientation
    stored: tuple[int, int]
    shown: tuple[int, int]

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) of the arrays that come out."""
        return (self.stored[1], self.stored[0]) if self.orientation.transpose else self.stored

    @classmethod
    def of(cls, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Of a video's first frame; ``sample_aspect`` is the width of a pixel over its height."""
        size = _square_size(frame.width, frame.height, sample_aspect)
        return cls(Orientation.of(frame), size, size)

    def fit(self, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Geometry:
        """Of a later frame, whose size or sample aspect ratio may be another."""
        width, height = _square_size(frame.width, frame.height, sample_aspect)
        scale = min(self.stored[0] / width, self.stored[1] / height)
        return replace(self, shown=(max(1, round(width * scale)), max(1, round(height * scale))))


def _square_size(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """Size with square pixels: one side is enlarged, none is reduced."""
    # Within 1 % of square it is a muxer's rounding, beyond 8 an error: neither is worth scaling for.
    if sample_aspect is None or not Fraction(1, 8) <= sample_aspect <= 8 or abs(sample_aspect - 1) <= Fraction(1, 100):
        return width, height
    return (round(width * sample_aspect), height) if sample_aspect > 1 else (width, round(height / sample_aspect))


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One decoded frame that has not been converted yet.

    ``index`` counts the frames from 0; ``time`` is in seconds from the first one. The decoded frame stays in memory
    as long as this object does: keep the arrays, not the frames.
    """

    index: int
    time: float
    picture: av.VideoFrame
    geometry: Geometry

    def rgb(self) -> UInt8Array:
        """The frame as uint8 RGB (H, W, 3): upright, square pixels, always of the video's first size.

        A frame of another size or sample aspect ratio than the first is scaled to fit and centred on black. HDR (PQ) is
        tone-mapped by a fixed curve without a change of gamut; HLG is taken as SDR. Converted at every call.
        """
        (width, height), (full_width, full_height) = self.geometry.shown, self.geometry.stored
        image = to_rgb(self.picture, width, height)
        if (width, height) != (full_width, full_height):
            image = centred(image, full_width, full_height)
        return self.geometry.orientation.apply(image)

    def luma_thumbnail(self) -> UInt8Array:
        """A small upright luma image, uint8 (h, w), long side 128: for change detection, not for looking at.

        Every n-th sample of the Y plane, in the range in which it is stored; of RGB formats, of the green channel.
        """
        width, height = self.geometry.stored
        scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
        shape = max(1, round(height * scale)), max(1, round(width * scale))
        layout = _luma_layout(self.picture.format.name)
        plane = self.picture.planes[0]
        if layout is None or plane.line_size <= 0:
            green = to_rgb(self.picture, self.picture.width, self.picture.height)[:, :, 1]
            return self.geometry.orientation.apply(_sample(green, shape))
        dtype, shift = layout
        luma = _rows(plane, self.picture.height).view(dtype)[:, : self.picture.width]
        small = np.right_shift(_sample(luma, shape), shift).astype(np.uint8)
        return self.geometry.orientation.apply(small)


def to_rgb(picture: av.VideoFrame, width: int, height: int) -> UInt8Array:
    """Convert a decoded picture to uint8 RGB (``height``, ``width``, 3) in its own matrix and range, not yet turned.

    Where the picture does not say, or names a matrix that swscale does not know, BT.709 is assumed from 1280 x 720 on,
    BT.601 below, and limited range.

    Raises:
        Unreadable: its pixels are of a format that cannot be converted.
    """
    matrix = int(picture.colorspace)
    if matrix not in _MATRICES:
        large = picture.width >= _HD_WIDTH or picture.height >= _HD_HEIGHT
        matrix = int(Colorspace.ITU709 if large else Colorspace.ITU601)
    # The steps of 8-bit PQ would show as bands once the curve has spread them: 16 bits in between.
    pq = int(picture.color_trc) == _PQ
    scaled = (width, height) != (picture.width, picture.height)
    try:
        converted = picture.reformat(
            width=width,
            height=height,
            format="rgb48le" if pq else "rgb24",
            src_colorspace=matrix,
            src_color_range=int(picture.color_range) or int(ColorRange.MPEG),
            dst_color_range=int(ColorRange.JPEG),
            interpolation=Interpolation.BICUBIC if scaled else Interpolation.BILINEAR,
            threads=1,
        )
    except av.FFmpegError:
        raise Unreadable(
            f"its pictures are stored as {picture.format.name}, which cannot be converted here: convert it to H.264"
        ) from None
    rows = _rows(converted.planes[0], height)
    if pq:
        deep = np.ascontiguousarray(rows.view("<u2")[:, : width * 3]).reshape(height, width, 3)
        return cast(UInt8Array, cv2.LUT(deep, _pq_curve()))
    # A view where the rows lie close together (no copy), else one copy: both keep what they need alive.
    image = np.ascontiguousarray(rows[:, : width * 3]).reshape(height, width, 3)
    if picture.format.name.startswith("gray") and int(picture.color_range) != int(ColorRange.JPEG):
        image = cast(UInt8Array, cv2.LUT(image, _limited_range()))  # swscale takes every grey for full range
    return image


def centred(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """An RGB image centred on a black one of a size that is not less."""
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _rows(plane: VideoPlane, height: int) -> UInt8Array:
    """The bytes of a plane as (``height``, bytes a row), padding included; no copy."""
    size = plane.line_size * height
    view: UInt8Array = np.frombuffer(plane, np.uint8, count=size)  # type: ignore[call-overload]  # it is a buffer
    return view.reshape(height, plane.line_size)


def _sample(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """``shape`` evenly spaced samples of a plane (H, W)."""
    rows, columns = _sample_points(plane.shape[0], shape[0]), _sample_points(plane.shape[1], shape[1])
    return plane[rows[:, None], columns]


@functools.lru_cache(maxsize=64)
def _sample_points(length: int, count: int) -> NDArray[np.intp]:
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


@functools.cache
def _luma_layout(name: str) -> tuple[np.dtype[Any], int] | None:
    """Sample type of a pixel format's Y plane, and the right shift to 8 bits; None where Y has no plane to itself."""
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
    # P010 and its kin hold their bits at the top of the word, the planar formats at the bottom.
    shift = 8 if name.startswith(("p0", "p2", "p4")) else bits - 8
    return np.dtype(">u2" if pixel_format.is_big_endian else "<u2"), shift


@functools.cache
def _limited_range() -> UInt8Array:
    """The 256 full-range values of limited-range luma."""
    return np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


@functools.cache
def _pq_curve() -> UInt8Array:
    """8-bit values for 16-bit PQ code values, (1, 65536): ST 2084 to light, a soft knee under white, gamma 2.2."""
    code = np.arange(65536) / 65535
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    light = nits / _REFERENCE_WHITE_NITS
    above = _KNEE + (1 - _KNEE) * (1 - np.exp(-np.maximum(light - _KNEE, 0) / (1 - _KNEE)))
    shown = np.where(light < _KNEE, light, above) ** (1 / 2.2)
    return np.round(shown * 255).astype(np.uint8)[None]

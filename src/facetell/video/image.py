"""Read, write and resize images. OpenCV gets bytes: on a path that is not UTF-8 it aborts the process."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from facetell.files import write_bytes
from facetell.types import Frame, UInt8Array
from facetell.video.frame import MOST_PIXELS, STRICTEST, THUMBNAIL_SIDE, centred

_JPEG = b"\xff\xd8\xff"


class ImageFrame(Frame):
    """A frame read from an image, with the methods of :class:`facetell.video.frame.RawFrame`."""

    __slots__ = ()

    def rgb(self) -> UInt8Array:
        """Return the image, uint8 RGB (H, W, 3)."""
        return self.image

    def luma_thumbnail(self) -> UInt8Array:
        """Return a small luma image for change detection, uint8 (h, w), long side at most 128."""
        return luma(self.image, THUMBNAIL_SIDE, cv2.INTER_NEAREST_EXACT)


def luma(image: UInt8Array, side: int, interpolation: int) -> UInt8Array:
    """Return the luma of an RGB image, uint8 (h, w), reduced to a long side of at most ``side`` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=interpolation)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def fit_into(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """Scale an RGB image to fit into a size, keeping its aspect ratio, and centre it on black."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return centred(np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8), width, height)


def read_image(path: Path) -> UInt8Array | None:
    """Return an image as upright uint8 RGB (H, W, 3); None if damaged, incomplete or beyond MOST_PIXELS."""
    try:
        data = path.read_bytes()
        if not _is_readable(data) or (data.startswith(_JPEG) and not _is_undamaged(data)):
            return None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # cannot be opened, or is empty
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _is_readable(data: bytes) -> bool:
    """Whether the header of an image states a size that may be decoded, and a PNG has all its chunks, undamaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is MOST_PIXELS
            with Image.open(io.BytesIO(data)) as image:
                image.verify()  # only PNG: for a wrong length of a chunk, OpenCV allocates up to 4 GB
                return image.width * image.height <= MOST_PIXELS
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _is_undamaged(data: bytes) -> bool:
    """Whether FFmpeg finds no error in a JPEG: OpenCV conceals some."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": STRICTEST}
    try:
        decoder.decode(av.Packet(data))
    except av.FFmpegError as error:  # others: of a kind that FFmpeg does not decode
        return not isinstance(error, av.error.InvalidDataError)
    return True


def write_image(path: Path, image: UInt8Array) -> None:
    """Write uint8 RGB (H, W, 3) in the format of the suffix; create the folder. FacetellError if it cannot."""
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_bytes(path, data.tobytes())

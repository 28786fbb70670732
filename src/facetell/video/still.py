"""Read and write image files.

Only bytes are handed to OpenCV: given a path that is not UTF-8 it ends the process, and given the path of a truncated
file it reports no error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from facetell.types import FacetellError, UInt8Array
from facetell.video.picture import THUMBNAIL_SIDE, centred

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Still:
    """A frame that was read from an image: ``image`` is uint8 RGB (H, W, 3).

    See :class:`facetell.video.pictures.Picture`.
    """

    index: int
    time: float
    image: UInt8Array

    def rgb(self) -> UInt8Array:
        """The image."""
        return self.image

    def luma_thumbnail(self) -> UInt8Array:
        """A small uint8 (h, w) image for change detection."""
        return luma(self.image, THUMBNAIL_SIDE, cv2.INTER_NEAREST_EXACT)


class StillReader:
    """Base of readers of image files, which hold nothing open: the context manager that every reader is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""


def luma(image: UInt8Array, side: int, interpolation: int) -> UInt8Array:
    """The luma of an RGB image, uint8 (h, w), reduced so that its long side is at most ``side`` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=interpolation)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def fitted(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """An RGB image in another size: scaled to fit, its aspect ratio kept, and centred on black."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return centred(np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8), width, height)


def read_picture(path: Path) -> UInt8Array | None:
    """The image in a file as uint8 RGB (H, W, 3), upright; None if it cannot be read, or only in part.

    An image of more pixels than a frame of a video may have (see ``facetell/__init__.py``) is not decoded.
    """
    try:
        data = path.read_bytes()
        if data.startswith(_PNG) and not _has_complete_chunks(data):
            return None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # cannot be opened, is empty, or is too large
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _has_complete_chunks(png: bytes) -> bool:
    """Whether each chunk lies within the file: OpenCV allocates up to 4 GB for a length that is wrong."""
    place = len(_PNG)
    while place + 12 <= len(png):
        kind = png[place + 4 : place + 8]
        place += 12 + int.from_bytes(png[place : place + 4])
        if kind == b"IEND":
            return place <= len(png)
    return False


def write_picture(path: Path, image: UInt8Array) -> None:
    """Write uint8 RGB (H, W, 3) in the format that the name ends in, such as .png; its folder is created.

    Raises:
        FacetellError: the file cannot be written.
    """
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise FacetellError(f"cannot write {path}: {error.strerror}; choose another place") from None

"""Folders of pictures read like videos: some benchmarks come as the frames of theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import cv2
import numpy as np

from facetell.media.find import pictures_in
from facetell.media.picture import THUMBNAIL_SIDE
from facetell.media.reader import Unreadable, VideoInfo, VideoReader
from facetell.media.still import read_picture
from facetell.types import UInt8Array

RATE = 25.0
"""Pictures a second that are assumed: a folder does not tell."""


class Picture(Protocol):
    """What a reader gives for each picture; see :class:`facetell.media.picture.RawFrame`."""

    @property
    def index(self) -> int:
        """Number in order of time, from 0."""

    @property
    def time(self) -> float:
        """Seconds from the first one."""

    def rgb(self) -> UInt8Array:
        """Uint8 RGB (H, W, 3)."""

    def luma_thumbnail(self) -> UInt8Array:
        """A small uint8 (h, w) image for change detection."""


class PictureSource(Protocol):
    """What videos and folders of pictures have in common."""

    path: Path
    info: VideoInfo

    @property
    def errors(self) -> tuple[str, ...]:
        """Short sentences on what has been found damaged so far."""

    def __iter__(self) -> Iterator[Picture]:
        """The pictures in order of time."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


def open_video(path: Path | str, *, threads: int = 2) -> PictureSource:
    """A reader of a video file or of a folder of pictures.

    Raises:
        Unreadable: there is neither, or no picture can be decoded from it.
    """
    path = Path(path)
    # Unlike Path.is_dir it takes what may not be looked at.
    is_folder = os.path.isdir(path)  # noqa: PTH112
    return PictureFolder(path) if is_folder else VideoReader(path, threads=threads)


@dataclass(frozen=True, slots=True)
class _File:
    index: int
    time: float
    image: UInt8Array

    def rgb(self) -> UInt8Array:
        return self.image

    def luma_thumbnail(self) -> UInt8Array:
        height, width = self.image.shape[:2]
        scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(self.image, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


class PictureFolder:
    """The pictures of a folder in the order of the numbers in their names, as a video of 25 frames a second.

    Pictures of another size than the first are scaled to it. One that cannot be read is left out and told of; its
    place in time stays empty.

    Args:
        path: the folder; folders in it are not looked into.

    Raises:
        Unreadable: it holds no picture that can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._files = pictures_in(self.path)
        except OSError as error:
            raise Unreadable(f"{self.path} may not be read ({error.strerror}): change its permissions") from None
        self._bad = 0
        first = next((image for file in self._files if (image := read_picture(file)) is not None), None)
        if first is None:
            raise Unreadable(f"{self.path} is a folder without a picture that can be read: name a folder of frames")
        height, width = first.shape[:2]
        count = len(self._files)
        self.info = VideoInfo(self.path, width, height, RATE, count / RATE, 0, "pictures", False, count)

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be read so far."""
        noun = "picture" if self._bad == 1 else "pictures"
        return (f"{self._bad} {noun} could not be read and left out",) if self._bad else ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""

    def __iter__(self) -> Iterator[Picture]:
        self._bad = 0
        size = (self.info.width, self.info.height)
        for index, file in enumerate(self._files):
            image = read_picture(file)
            if image is None:
                self._bad += 1
                continue
            if image.shape[1::-1] != size:
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            yield _File(index, index / RATE, image)

"""Read animated WebP images, which FFmpeg cannot decode."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image

from facetell.types import UInt8Array
from facetell.video.frame import Unreadable
from facetell.video.image import ImageFrame
from facetell.video.kinds import animated_webp_size
from facetell.video.reader import MOST_PIXELS, VideoInfo, VideoSource

_UNTIMED_MS = 100  # duration of a frame that states none, as in web browsers


class AnimatedWebP(VideoSource):
    """The frames of an animated WebP image, at the times that their durations give.

    Raises:
        Unreadable: the file is cut off, its frames are too large, or they cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Unreadable(f"{path} cannot be read ({error.strerror}): change its permissions") from None
        durations = _durations(data)
        size = animated_webp_size(data)
        if not durations or size is None:
            raise Unreadable(f"{path} is an animated WebP image that is cut off: get the file again")
        width, height = size
        if width * height > MOST_PIXELS:
            raise Unreadable(f"the frames of {path} are {width} x {height}: scale it down")
        *self._times, duration = (end / 1000 for end in accumulate(durations, initial=0))
        self._read = len(durations)  # frames that were decoded, once all were tried
        self.info = VideoInfo(path, width, height, len(durations) / duration, duration, 0, "webp", False)
        if next(self._decoded(), None) is None:
            raise Unreadable(f"no frame of {path} can be decoded (it is damaged): get the file again")

    @property
    def damage(self) -> tuple[str, ...]:
        """A message if frames cannot be decoded, once they have been read."""
        total = len(self._times)
        return () if self._read == total else (f"the file is damaged after {self._read} of {total} frames",)

    def __iter__(self) -> Iterator[ImageFrame]:
        count = 0
        for image, time in zip(self._decoded(), self._times, strict=False):
            yield ImageFrame(count, time, image)
            count += 1
        self._read = count

    def _decoded(self) -> Iterator[UInt8Array]:
        """Yield the frames as uint8 RGB, up to the first that cannot be decoded."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is MOST_PIXELS
                image = Image.open(self.path, formats=["WEBP"])
            with image:
                for number in range(len(self._times)):
                    image.seek(number)
                    yield np.asarray(image.convert("RGB"))
        except (OSError, EOFError, ValueError, Image.DecompressionBombError):
            return


def _durations(data: bytes) -> list[int]:
    """Return the durations of the frames in milliseconds; empty where the file is shorter than it states."""
    durations, place = [], 12
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        return []
    while place + 8 <= len(data):
        if data[place : place + 4] == b"ANMF":
            durations.append(int.from_bytes(data[place + 20 : place + 23], "little") or _UNTIMED_MS)
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return durations

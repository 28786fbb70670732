"""Read animated WebP images, which FFmpeg cannot decode."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from facetell.types import UInt8Array
from facetell.video.kinds import animated_webp_size
from facetell.video.picture import Unreadable
from facetell.video.reader import MOST_PIXELS, VideoInfo
from facetell.video.still import Still, StillReader

_UNTIMED_MS = 100  # duration of a frame that states none, as in web browsers


class AnimatedWebP(StillReader):
    """The frames of an animated WebP image in order of time, at the times that their durations give.

    Args:
        path: the file.

    Raises:
        Unreadable: it is cut off, its frames are too large, or they cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: tuple[str, ...] = ()
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
        ends = np.cumsum(durations) / 1000
        self._times = [0.0, *ends[:-1].tolist()]
        self.duration = float(ends[-1])
        self.info = VideoInfo(path, width, height, len(durations) / self.duration, self.duration, 0, "webp", False)
        if next(self._decoded(), None) is None:
            raise Unreadable(f"no frame of {path} can be decoded (it is damaged): get the file again")

    @property
    def errors(self) -> tuple[str, ...]:
        """Messages on frames that cannot be decoded, as far as they have been read."""
        return self.damage

    def __iter__(self) -> Iterator[Still]:
        self.damage = ()
        index = -1
        for index, (image, time) in enumerate(zip(self._decoded(), self._times, strict=False)):
            yield Still(index, time, image)
        if index + 1 < len(self._times):
            self.damage = (f"the file is damaged after {index + 1} of {len(self._times)} frames",)

    def _decoded(self) -> Iterator[UInt8Array]:
        """The frames as uint8 RGB, up to the first that cannot be decoded."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is that of MOST_PIXELS
                image = Image.open(self.path, formats=["WEBP"])
            with image:
                for number in range(len(self._times)):
                    image.seek(number)
                    yield np.asarray(image.convert("RGB"))
        except (OSError, EOFError, ValueError, Image.DecompressionBombError):
            return


def _durations(data: bytes) -> list[int]:
    """Durations of the frames in milliseconds; empty where the file ends before its last frame does."""
    durations, place = [], 12
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        return []
    while place + 8 <= len(data):
        if data[place : place + 4] == b"ANMF":
            durations.append(int.from_bytes(data[place + 20 : place + 23], "little") or _UNTIMED_MS)
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return durations

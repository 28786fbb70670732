"""Read animated WebP images, which FFmpeg cannot decode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from facetell.media.kinds import animated_webp_size
from facetell.media.picture import Unreadable
from facetell.media.reader import MOST_PIXELS, VideoInfo
from facetell.media.still import Still
from facetell.types import UInt8Array

_DECODED = 1 << 26  # bytes of frames that are decoded at once
_UNTIMED_MS = 100  # duration of a frame that states none, as in web browsers


class AnimatedWebP:
    """The frames of an animated WebP image in order of time, at the times that their durations give.

    Args:
        path: the file.

    Raises:
        Unreadable: it is cut off, its frames are too large, or they cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: tuple[str, ...] = ()
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise Unreadable(f"{path} cannot be read ({error.strerror}): change its permissions") from None
        durations = _durations(self._data)
        size = animated_webp_size(self._data)
        if not durations or size is None:
            raise Unreadable(f"{path} is an animated WebP image that is cut off: get the file again")
        width, height = size
        if width * height > MOST_PIXELS:
            raise Unreadable(f"the frames of {path} are {width} x {height}: scale it down")
        ends = np.cumsum(durations) / 1000
        self._times = [0.0, *ends[:-1].tolist()]
        seconds = float(ends[-1])
        self.info = VideoInfo(path, width, height, len(durations) / seconds, seconds, 0, "webp", False, len(durations))
        if not self._decode(0, 1):
            raise Unreadable(f"no frame of {path} can be decoded (it is damaged): get the file again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[Still]:
        self.errors = ()
        count = max(1, _DECODED // (4 * self.info.width * self.info.height))
        for start in range(0, len(self._times), count):
            wanted = min(count, len(self._times) - start)
            images = self._decode(start, wanted)
            for index, image in enumerate(images, start):
                yield Still(index, self._times[index], image)
            if len(images) < wanted:
                self.errors = (f"the file is damaged after {start + len(images)} of {len(self._times)} frames",)
                return

    def _decode(self, start: int, count: int) -> list[UInt8Array]:
        """Frames as uint8 RGB; fewer than ``count`` where the file is damaged."""
        found, animation = cv2.imdecodeanimation(np.frombuffer(self._data, np.uint8), start=start, count=count)
        frames = animation.frames if found else ()
        return [np.ascontiguousarray(np.asarray(frame, np.uint8)[:, :, 2::-1]) for frame in frames]


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

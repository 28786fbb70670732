"""Open a video file, an animated image or a folder of images: all give frames in order of time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from facetell.files import file_sha256
from facetell.types import UInt8Array
from facetell.video.container import LONGEST_PAUSE_S
from facetell.video.find import pictures_in
from facetell.video.kinds import animated_webp_size, read_head
from facetell.video.reader import Unreadable, VideoInfo, VideoReader
from facetell.video.sequence import SHORTEST_RUN, NotConsecutive, follow, runs, steps_between
from facetell.video.still import Still, StillReader, fitted, read_picture
from facetell.video.webp import AnimatedWebP

RATE = 25.0
"""Frames per second that are assumed of a folder of images, which states none."""
_PAUSE = 0.2  # seconds: longer than facetell.faces.clips.HOLE, so no clip reaches across a missing image


class Picture(Protocol):
    """One frame of a reader; see :class:`facetell.video.picture.RawFrame`."""

    @property
    def index(self) -> int:
        """Number in order of time, from 0."""

    @property
    def time(self) -> float:
        """Seconds from the first frame."""

    def rgb(self) -> UInt8Array:
        """Uint8 RGB (H, W, 3)."""

    def luma_thumbnail(self) -> UInt8Array:
        """A small uint8 (h, w) image for change detection."""


class PictureSource(Protocol):
    """A video file or a folder of images that is open for reading."""

    path: Path
    info: VideoInfo

    @property
    def duration(self) -> float | None:
        """Seconds, as far as the frames have been read; None while it is unknown."""

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on frames that are damaged or missing, as far as they have been read."""

    @property
    def errors(self) -> tuple[str, ...]:
        """:attr:`damage`, and messages on what else is unusual."""

    def __iter__(self) -> Iterator[Picture]:
        """The frames in order of time."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


def open_video(path: Path | str, *, threads: int = 2, image_rate: float | None = None) -> PictureSource:
    """A reader of a video file, an animated WebP image, or a folder of images.

    Args:
        path: the file or folder.
        threads: decoder threads.
        image_rate: frames per second of a folder of images, see :class:`PictureFolder`.

    Raises:
        NotConsecutive: the images of a folder are not consecutive frames.
        Unreadable: there is no such file, or no frame can be decoded from it.
    """
    path = Path(path)
    # Unlike Path.is_dir it accepts folders that are closed.
    if os.path.isdir(path):  # noqa: PTH112
        return PictureFolder(path, image_rate)
    return AnimatedWebP(path) if _is_animated_webp(path) else VideoReader(path, threads=threads)


def _is_animated_webp(path: Path) -> bool:
    try:
        return path.is_file() and animated_webp_size(read_head(path)) is not None
    except OSError:  # the video reader reports it
        return False


class PictureFolder(StillReader):
    """The images of a folder, in the order of the numbers in their names, as the frames of a video.

    Images of another size than the first are scaled to fit into it and centred on black. One that cannot be read is
    left out and reported. After a missing image time goes on by at least 0.2 s, so that no clip reaches across it.

    Args:
        path: the folder; folders in it are not searched.
        rate: frames per second, if they are known to be consecutive frames; their numbers may then go up by any
            regular step. If it is None, 25 are assumed, and the images are checked.

    Raises:
        NotConsecutive: fewer than 8 images in a row are numbered without a gap, or the images change as if frames were
            missing between them (only if ``rate`` is None).
        Unreadable: there is no image that can be read.
    """

    def __init__(self, path: Path | str, rate: float | None = None) -> None:
        self.path = Path(path)
        try:
            self._files = pictures_in(self.path)
        except OSError as error:
            raise Unreadable(f"{self.path} may not be read ({error.strerror}): change its permissions") from None
        self._bad = 0
        self._steps = steps_between(self._files, any_step=rate is not None)
        if rate is None:
            self._check()
        first = next((image for file in self._files if (image := read_picture(file)) is not None), None)
        if first is None:
            raise Unreadable(f"{self.path} is a folder without an image that can be read: name a folder of frames")
        self._interval = 1 / (rate or RATE)
        height, width = first.shape[:2]
        self.duration = sum(self._time_after(step) for step in [1, *self._steps])
        self.info = VideoInfo(self.path, width, height, rate or RATE, self.duration, 0, "images", False)

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on missing and unreadable images, as far as they have been read."""
        messages = []
        if missing := sum(step > 1 for step in self._steps):
            noun = "gap" if missing == 1 else "gaps"
            messages.append(f"its images are numbered with {missing} {noun}: no clip reaches across")
        if self._bad:
            noun = "image" if self._bad == 1 else "images"
            messages.append(f"{self._bad} {noun} could not be read and left out")
        return tuple(messages)

    errors = damage

    def __iter__(self) -> Iterator[Still]:
        self._bad = 0
        time = -self._interval
        passed = 0  # images and missing numbers since the last frame
        for index, (file, step) in enumerate(zip(self._files, [1, *self._steps], strict=True)):
            passed += step
            image = read_picture(file)
            if image is None:
                self._bad += 1
                continue
            time += self._time_after(passed)
            passed = 0
            yield Still(index, time, fitted(image, self.info.width, self.info.height))

    def _time_after(self, step: int) -> float:
        """Seconds from one image to the next, given the step between their numbers."""
        seconds = step * self._interval
        # As in a video file, a longer gap is no pause: the numbers after it are of another kind, such as dates.
        return seconds if step == 1 or _PAUSE <= seconds <= LONGEST_PAUSE_S else _PAUSE

    def _check(self) -> None:
        """Raise if the images are not consecutive frames."""
        stretches = [places for places in runs(self._steps) if len(places) >= SHORTEST_RUN]
        if len(self._files) < 2 or (not stretches and max(self._steps) == 1):
            return
        if not stretches:
            least, most = min(self._steps), max(self._steps)
            why = f"their numbers go up by {least}" + (f" to {most}" if most > least else "")
        elif not follow(self._files, stretches):
            why = "they change as if most frames were missing between them"
        else:
            return
        raise NotConsecutive(
            f"the images in {self.path} are not consecutive frames ({why}): name the video itself or a folder of all "
            "its frames, or state their rate with --fps if they are consecutive"
        )


def content_sha256(path: Path | str) -> str | None:
    """sha256 of a file, or of the names and contents of a folder's images; None where it cannot be read."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112  # unlike those of Path, these accept what may not be looked at
            return file_sha256(Path(path)) if os.path.isfile(path) else None  # noqa: PTH113  # a pipe may never end
        digest = hashlib.sha256()
        for file in sorted(pictures_in(Path(path))):
            if file.is_file():
                digest.update(os.fsencode(file.name) + b"\0" + file_sha256(file).encode() + b"\n")
    except OSError:
        return None
    return digest.hexdigest()

"""Image sequences: a folder of consecutive numbered images, and animated WebP, which FFmpeg cannot decode."""

from __future__ import annotations

import re
import statistics
import warnings
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facetell.types import N_, FloatArray, Status, UInt8Array
from facetell.video.container import LONGEST_PAUSE_S
from facetell.video.find import images_in
from facetell.video.frame import MOST_PIXELS, Damaged, Unreadable
from facetell.video.image import ImageFrame, fit_into, luma, read_image
from facetell.video.kinds import animated_webp_size
from facetell.video.reader import VideoInfo, VideoSource

RATE = 25.0
"""Frames per second of a folder of images whose rate is not given."""
_PAUSE = 0.2  # seconds: longer than facetell.faces.clips.HOLE, so no clip reaches across a missing image
_SHORTEST_RUN = 8  # images in a row that make a folder a video: no released model takes shorter clips
_STRETCHES, _STRETCH = 3, 9  # stretches that are compared, and the images in each
_SIDE = 32  # long side of the grey images that are compared, in pixels: noise and coding hardly change these
_BORDER = 3  # pixels at the edges that are not compared: alignment leaves them undefined
# In consecutive frames motion goes on: over two frames an image changes by nearly twice as much as over one. Where most
# frames are missing, an image differs much from the next one, and little more from the one after that. A stretch of
# images is not consecutive if neighbours differ by more than _FAST grey levels on average and images two apart by less
# than _GROWTH times as much. This refuses 1 % of 453 face clips, and 60 % (75 %) of them at 2 (1) frames per second.
_FAST = 6.0
_GROWTH = 1.5
_UNTIMED_MS = 100  # duration of a frame of an animation that states none, as in web browsers


class NotConsecutive(Unreadable):
    """The images of a folder are not consecutive frames of a video."""

    status = Status.NOT_CONSECUTIVE


class ImageSequence(VideoSource):
    """The images of a folder, in the order of the numbers in their names, as the frames of a video.

    Images of another size than the first are scaled to fit into it and centred on black. One that cannot be read is
    left out and reported. After a missing image time goes on by at least 0.2 s, so that no clip reaches across it.

    A ``rate`` in frames per second states that the images are consecutive frames; their numbers may then go up by any
    regular step. None assumes 25 and raises NotConsecutive if fewer than 8 images in a row are numbered without a gap,
    or the images change as if frames were missing between them. Unreadable: no image can be read.
    """

    def __init__(self, path: Path | str, rate: float | None = None) -> None:
        self.path = Path(path)
        try:
            self._files = images_in(self.path)
        except OSError as error:
            raise Unreadable(f"{self.path} may not be read ({error.strerror}): change its permissions") from None
        self._bad = 0
        self._steps = steps_between(self._files, any_step=rate is not None)
        if rate is None and (why := _why_not_consecutive(self._files, self._steps)):
            raise NotConsecutive(
                f"the images in {self.path} are not consecutive frames ({why}): name the video itself or a folder of "
                "all its frames, or state their rate with --fps if they are consecutive"
            )
        first = next((image for file in self._files if (image := read_image(file)) is not None), None)
        if first is None:
            kind = Damaged if self._files else Unreadable
            raise kind(N_(f"{self.path} is a folder without an image that can be read: name a folder of frames"))
        self._interval = 1 / (rate or RATE)
        height, width = first.shape[:2]
        duration = sum(self._time_after(step) for step in [1, *self._steps])
        self.info = VideoInfo(width, height, rate or RATE, duration)

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages on missing and unreadable images, so far."""
        messages = []
        if missing := sum(step > 1 for step in self._steps):
            gaps = N_(f"its images are numbered with {missing} gaps: no clip reaches across")
            messages.append(gaps if missing > 1 else N_("its images are numbered with 1 gap: no clip reaches across"))
        if self._bad:
            bad = N_(f"{self._bad} images could not be read and were left out")
            messages.append(bad if self._bad > 1 else N_("1 image could not be read and was left out"))
        return tuple(messages)

    @property
    def lost(self) -> float:
        """Share of the images that could not be read, so far."""
        return self._bad / len(self._files)

    def __iter__(self) -> Iterator[ImageFrame]:
        self._bad = 0
        time = -self._interval
        passed = 0  # images and missing numbers since the last frame
        for index, (file, step) in enumerate(zip(self._files, [1, *self._steps], strict=True)):
            passed += step
            if (image := read_image(file)) is None:
                self._bad += 1
                continue
            time += self._time_after(passed)
            passed = 0
            yield ImageFrame(index, time, fit_into(image, self.info.width, self.info.height))

    def _time_after(self, step: int) -> float:
        """Seconds from one image to the next, given the step between their numbers."""
        seconds = step * self._interval
        # As in a video file, a longer gap is not a pause: the numbers after it are of another kind, such as dates.
        return seconds if step == 1 or _PAUSE <= seconds <= LONGEST_PAUSE_S else _PAUSE


def steps_between(files: Sequence[Path], *, any_step: bool = False) -> list[int]:
    """Return the steps of the numbers in the names of sorted images; all 1 where the names hold no frame number.

    A name holds a frame number if exactly one of the numbers in it changes from image to image, and goes up.
    ``any_step`` counts in units of the median step, for names in milliseconds and for every n-th frame of a video.
    """
    numbers = [[int(part) for part in re.findall("[0-9]+", file.stem)] for file in files]
    unknown = [1] * (len(files) - 1)
    if len({len(parts) for parts in numbers}) != 1:
        return unknown
    changing = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(changing) != 1:
        return unknown
    steps = [after - before for before, after in pairwise(changing[0])]
    if min(steps) < 1:
        return unknown
    return [max(1, round(step / statistics.median(steps))) for step in steps] if any_step else steps


def _why_not_consecutive(files: Sequence[Path], steps: Sequence[int]) -> str:
    """Return why images are not consecutive frames, given the steps between their numbers; empty if they may be."""
    starts = [0, *(place for place, step in enumerate(steps, 1) if step > 1)]
    runs = [range(start, end) for start, end in pairwise([*starts, len(files)]) if end - start >= _SHORTEST_RUN]
    if len(files) < 2 or (not runs and max(steps) == 1):
        return ""
    if not runs:
        least, most = min(steps), max(steps)
        varied = N_(f"their numbers go up by {least} to {most}")
        return varied if most > least else N_(f"their numbers go up by {least}")
    stretches = [
        files[start : min(start + _STRETCH, run.stop)]
        for run in runs
        for start in range(run.start, max(run.start, run.stop - _STRETCH) + 1)
    ]
    chosen = sorted({round(place) for place in np.linspace(0, len(stretches) - 1, _STRETCHES)})
    found = [_looks_consecutive(stretches[place]) for place in chosen]
    follow = found.count(False) <= found.count(True)
    return "" if follow else N_("they change as if most frames were missing between them")


def _looks_consecutive(files: Sequence[Path]) -> bool | None:
    """Whether one stretch of images looks like consecutive frames; None where one cannot be read."""
    images = [image for file in files if (image := read_image(file)) is not None]
    if len(images) < len(files):
        return None
    height, width = images[0].shape[:2]
    small = [luma(fit_into(image, width, height), _SIDE, cv2.INTER_AREA).astype(np.float32) for image in images]
    one, two = (np.mean([_change(a, b) for a, b in zip(small[:-lag], small[lag:], strict=True)]) for lag in (1, 2))
    return bool(one <= _FAST or two >= _GROWTH * one)


def _change(before: FloatArray, after: FloatArray) -> float:
    """Return the mean absolute difference of two grey images, without alignment or after it, whichever is less.

    Affine alignment leaves out camera motion, and that of face crops which a detector placed in each frame.
    """
    inner = (slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    plain = float(np.abs(before - after)[inner].mean())
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 1e-3)
    motion, everywhere = np.eye(2, 3, dtype=np.float32), np.ones(before.shape, np.uint8)
    try:
        cv2.findTransformECC(before, after, motion, cv2.MOTION_AFFINE, criteria, everywhere, 1)
    except cv2.error:  # no alignment was found
        return plain
    size, flags = (before.shape[1], before.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    aligned = cv2.warpAffine(after, motion, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return min(plain, float(np.abs(before - aligned)[inner].mean()))


class AnimatedWebP(VideoSource):
    """The frames of an animated WebP image by their durations; Unreadable if cut off, too large or not decodable."""

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
        self.info = VideoInfo(width, height, len(durations) / duration, duration)
        if next(self._decoded(), None) is None:
            raise Damaged(f"no frame of {path} can be decoded (it is damaged): get the file again")

    @property
    def damage(self) -> tuple[str, ...]:
        """A message if frames cannot be decoded, once they have been read."""
        lost = self._read < len(self._times)
        return (N_(f"the file is damaged after {self._read} of {len(self._times)} frames"),) if lost else ()

    @property
    def lost(self) -> float:
        """Share of the frames that cannot be decoded, once they have been read."""
        return 1 - self._read / len(self._times)

    def __iter__(self) -> Iterator[ImageFrame]:
        count = 0
        for count, (image, time) in enumerate(zip(self._decoded(), self._times, strict=False), 1):
            yield ImageFrame(count - 1, time, image)
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

"""Does a model lean on shortcuts? Treatments of a video under which one cue is gone, or alike in both classes.

What should hardly matter: the coding, the frame rate and size, the background. What should matter: the order of the
frames, for a model that judges by motion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from facetell.evaluate.scoring_faces import FacePlaces, Pictures
from facetell.evaluate.treatments import Treatment, untreated
from facetell.types import Pose, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import reencode

RATE, SIDE = 25.0, 256  # pictures a second and pixels of the shorter side that all videos are brought to
REACH = 1.1  # the background begins so many half face boxes away from the middle of the face
_PIECE = 100  # pictures sent through a coder at once: bounds memory


def _recoded(reader: VideoReader, places: FacePlaces, crf: int) -> tuple[Pictures, float | None]:
    """All pictures through H.264 of one quality."""
    fps = reader.info.fps or RATE

    def coded(times: list[float], images: list[UInt8Array]) -> Pictures:
        for time, image in zip(times, reencode(np.stack(images), fps, crf=str(crf)), strict=True):
            yield time, partial(_same, image)

    def stream() -> Pictures:
        times: list[float] = []
        images: list[UInt8Array] = []
        for raw in reader:
            times.append(raw.time)
            images.append(raw.rgb())
            if len(images) == _PIECE:
                yield from coded(times, images)
                times, images = [], []
        if images:
            yield from coded(times, images)

    return stream(), reader.info.fps


def _same_rate_and_size(reader: VideoReader, places: FacePlaces) -> tuple[Pictures, float | None]:
    """The nearest picture to each of 25 moments a second, its shorter side brought to 256 pixels."""

    def stream() -> Pictures:
        moment, before = 0, None
        for raw in reader:
            while before is not None and moment / RATE < (before.time + raw.time) / 2:
                yield moment / RATE, partial(_sized, before.rgb())
                moment += 1
            before = raw
        if before is not None:
            yield moment / RATE, partial(_sized, before.rgb())

    return stream(), RATE


def _sized(image: UInt8Array) -> UInt8Array:
    scale = SIDE / min(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), dtype=np.uint8)


def _without_background(reader: VideoReader, places: FacePlaces) -> tuple[Pictures, float | None]:
    """What lies outside an ellipse around each face is blurred."""
    return ((raw.time, partial(_blurred, raw.rgb, list(places.at(raw.time).values()))) for raw in reader), (
        reader.info.fps
    )


def _blurred(picture: Callable[[], UInt8Array], poses: list[Pose]) -> UInt8Array:
    image = picture()
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for pose in poses:
        axes = (REACH * pose.width, REACH * pose.height)
        cv2.ellipse(mask, ((pose.x, pose.y), axes, math.degrees(pose.roll)), 1.0, cv2.FILLED)
    face = max((pose.width for pose in poses), default=width / 4)
    near = cv2.GaussianBlur(mask, (0, 0), face / 30)[..., None]
    soft = cv2.GaussianBlur(image, (0, 0), face / 8)
    return np.asarray(near * image + (1 - near) * soft + 0.5, dtype=np.uint8)


def _same(image: UInt8Array) -> UInt8Array:
    return image


def _shuffled(frames: int) -> list[int]:
    """An order without two neighbours side by side in their own order: even frames from the end, then odd ones.

    >>> _shuffled(8)
    [6, 2, 4, 0, 7, 3, 5, 1]
    """
    half = [*range(0, frames, 2)]
    mixed = half[::-2] + half[-2::-2]
    return mixed + [index + 1 for index in mixed if index + 1 < frames]


def _held(frames: int) -> list[int]:
    """The middle frame throughout.

    >>> _held(4)
    [2, 2, 2, 2]
    """
    return [frames // 2] * frames


SHORTCUTS: dict[str, Treatment] = {
    "crf23": Treatment("re-encoded, H.264 crf 23", partial(_recoded, crf=23)),
    "crf32": Treatment("re-encoded, H.264 crf 32", partial(_recoded, crf=32)),
    "crf40": Treatment("re-encoded, H.264 crf 40", partial(_recoded, crf=40)),
    "resampled": Treatment("25 pictures a second, 256 pixels", _same_rate_and_size),
    "background": Treatment("background blurred", _without_background),
    "shuffled": Treatment("frames of each clip shuffled", untreated, _shuffled),
    "held": Treatment("middle frame of each clip held", untreated, _held),
}
"""By the name that stands in the column ``distortion``."""

"""How a model scores corrupted versions of videos: shortcut cues removed, frames reordered, faces smaller or blurred.

Faces are located on the clean video, once. The frames of a corrupted version are scored at these places.

:data:`SHORTCUTS` test what a model relies on. Coding, frame rate and size, and background should hardly matter; the
order of the frames should, for a model of motion. :data:`LIMITS` test down to which face width and sharpness it works.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any

import cv2
import numpy as np

from facetell.datasets.manifest import Manifest
from facetell.detector import Detector
from facetell.engine import Engine
from facetell.evaluate.sample import sample_of
from facetell.evaluate.scores import VIDEO, Scores, VideoScores, from_rows, keys_of
from facetell.evaluate.summary import summarise
from facetell.metrics.intervals import DRAWS, Estimate, wilson
from facetell.places import FacePlaces, Pictures, score_at
from facetell.types import FloatArray, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import reencode

RATE, SIDE = 25.0, 256  # frames per second and pixels of the shorter side that all videos are resampled to
REACH = 1.1  # the background begins so many half face boxes away from the centre of the face
CHUNK = 100  # frames encoded at once: bounds memory
WIDTHS = (128, 96, 80, 64, 48, 32)  # pixels
BLURS = (0.01, 0.02, 0.04)  # standard deviation in face widths
SECONDS = (1, 2, 3)
LOSS = 0.05
"""What a smaller face may take from the AUC, and add to the false positive rate, and still be scored."""


Frames = Callable[[VideoReader, FacePlaces], Pictures]
"""From an open video and the places of its faces to corrupted frames."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """A way to corrupt a video, or the clips of it.

    Attributes:
        about: description, for tables.
        frames: what is done to the video.
        order: for the frames of each clip, from T to indices of T frames.
        rate: frames per second of the result; None: that of the video.
    """

    about: str
    frames: Frames = lambda reader, places: ((raw.time, raw.rgb) for raw in reader)
    order: Callable[[int], list[int]] = lambda frames: list(range(frames))
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one corruption, over ``reals`` and ``fakes`` videos.

    ``false_positives`` is the false positive rate at the model's threshold, with its Wilson interval.
    """

    about: str
    reals: int
    fakes: int
    auc: Estimate
    false_positives: Estimate


def score_corrupted(detector: Detector, manifest: Manifest, corruptions: Mapping[str, Corruption]) -> Scores:
    """Score each labelled video of a manifest clean and under every corruption.

    Returns:
        One row per clip; ``distortion`` is the name of the corruption, "" for the clean video.
    """
    rows: list[dict[str, Any]] = []
    for entry in manifest:
        known = {name: getattr(entry, name) for name in ("video", "split", "identity", "method", "dataset")}
        known["label"] = -1 if entry.label is None else entry.label
        places = FacePlaces()
        clean = places.read_clean(detector, manifest.file(entry))
        versions = {"": clean.tracks}
        for name, corruption in corruptions.items() if places else ():
            reordering = copy.copy(detector)
            reordering.engine = _Reordered(detector.engine, corruption.order)
            with VideoReader(manifest.file(entry)) as reader:
                fps, frames = corruption.rate or reader.info.fps, corruption.frames(reader, places)
                versions[name] = score_at(places, frames, fps, reordering, lambda t0, t1: True)
        for name in ("", *corruptions):
            scored: list[dict[str, Any]] = [
                {"track": track.track_id, "clip": number, "t0": clip.t0, "t1": clip.t1, "logit": clip.logit}
                for track in versions.get(name, ())
                for number, clip in enumerate(track.clips)
            ]
            rows += [{**known, "distortion": name, **row} for row in scored or [{"status": clean.status.value}]]
    info = detector.engine.info
    model = {"name": info.name, "sha256": detector.engine.sha256}
    return from_rows(rows, {"model": model, "calibration": asdict(info.calibration)})


class _Reordered(Engine):
    """An engine that is given the frames of each clip in another order."""

    def __init__(self, engine: Engine, order: Callable[[int], list[int]]) -> None:
        self.name, self.version, self.precision = engine.name, engine.version, engine.precision
        self.path, self.info, self.sha256 = engine.path, engine.info, engine.sha256
        self._engine, self._order = engine, order(engine.info.clip_frames)

    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """See :meth:`Engine.run`."""
        return self._engine.run(np.ascontiguousarray(clips[:, self._order]), output)


def outcomes(scores: Scores, corruptions: Mapping[str, Corruption], *, draws: int = DRAWS) -> dict[str, Outcome]:
    """The figures by corruption, "" (clean) first, of the videos that :func:`score_corrupted` scored under all."""
    videos = scores.videos()
    about = {"": "as it is"} | {name: corruption.about for name, corruption in corruptions.items()}
    common = set.intersection(*(set(keys_of(videos.select(distortion=name).scored, VIDEO)) for name in about))
    kept = videos.where(np.array([key in common for key in keys_of(videos, VIDEO)], dtype=bool))
    return {name: outcome(kept.select(distortion=name), text, draws=draws) for name, text in about.items()}


def outcome(videos: VideoScores, about: str, *, draws: int = DRAWS) -> Outcome:
    """The figures of some videos."""
    summary, sample = summarise(videos, draws=draws), sample_of(videos)
    called = (sample.probabilities >= sample.thresholds)[sample.labels == 0]
    rate = Estimate(float(called.mean()) if len(called) else math.nan, *wilson(int(called.sum()), len(called)))
    return Outcome(about, summary.counts.real, summary.counts.fake, summary["auc"], rate)


def by_length(scores: Scores) -> dict[str, Outcome]:
    """The figures of the first clips of each face only; there is one clip per second."""
    clean = scores.select(distortion="")
    return {
        f"seconds{count}": outcome(
            clean.where(clean["clip"] < count).videos(), f"the first {count} s of each face alone"
        )
        for count in SECONDS
    }


def least_face_width(found: Mapping[str, Outcome]) -> int:
    """The least of :data:`WIDTHS` that, as all larger ones, costs at most :data:`LOSS`; the largest if none does."""
    clean, least = found[""], WIDTHS[0]
    for width in WIDTHS:
        narrow = found[f"width{width}"]
        lost = clean.auc.value - narrow.auc.value
        more = narrow.false_positives.value - clean.false_positives.value
        if lost > LOSS or more > LOSS:
            break
        least = width
    return least


def _recode(reader: VideoReader, places: FacePlaces, crf: int) -> Pictures:
    """All frames through H.264 of one quality."""
    frames = ((raw.time, raw.rgb()) for raw in reader)
    while chunk := list(islice(frames, CHUNK)):
        times, images = zip(*chunk, strict=True)
        coded = reencode(np.stack(images), reader.info.fps or RATE, crf=str(crf))
        yield from ((time, partial(np.asarray, image)) for time, image in zip(times, coded, strict=True))


def _resample(reader: VideoReader, places: FacePlaces) -> Pictures:
    """The nearest frame to each of 25 times per second, its shorter side resized to 256 pixels."""
    number, before = 0, None
    for raw in reader:
        while before is not None and number / RATE < (before.time + raw.time) / 2:
            yield number / RATE, partial(_resize_side, before.rgb())
            number += 1
        before = raw
    if before is not None:
        yield number / RATE, partial(_resize_side, before.rgb())


def _resize_side(image: UInt8Array) -> UInt8Array:
    scale = SIDE / min(image.shape[:2])
    return _resize(image, scale, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _resize(image: UInt8Array, scale: float, how: int = cv2.INTER_AREA) -> UInt8Array:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), dtype=np.uint8)


def _blur_background(image: UInt8Array, places: FacePlaces, time: float) -> UInt8Array:
    """Blur outside an ellipse around each face."""
    height, width = image.shape[:2]
    poses = places.at(time).values()
    mask = np.zeros((height, width), np.float32)
    for pose in poses:
        axes = (REACH * pose.width, REACH * pose.height)
        cv2.ellipse(mask, ((pose.x, pose.y), axes, math.degrees(pose.roll)), 1.0, cv2.FILLED)
    face = max((pose.width for pose in poses), default=width / 4)
    near = cv2.GaussianBlur(mask, (0, 0), face / 30)[..., None]
    soft = cv2.GaussianBlur(image, (0, 0), face / 8)
    return np.asarray(near * image + (1 - near) * soft + 0.5, dtype=np.uint8)


def _shrink(image: UInt8Array, places: FacePlaces, time: float, width: int) -> UInt8Array:
    """Reduce the image so that the face is ``width`` pixels wide; unchanged where it is no wider."""
    return _resize(image, width / places.face_width) if width < places.face_width else image


def _blur(image: UInt8Array, places: FacePlaces, time: float, share: float) -> UInt8Array:
    """Gaussian blur in proportion to the face."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * places.face_width), dtype=np.uint8)


def _each(change: Callable[[UInt8Array, FacePlaces, float], UInt8Array]) -> Frames:
    """Apply a function of image, places and time to every frame."""
    return lambda reader, places: (
        (raw.time, partial(lambda raw: change(raw.rgb(), places, raw.time), raw)) for raw in reader
    )


def _shuffled(frames: int) -> list[int]:
    """An order in which no two consecutive frames are neighbours: even frames from the end, then odd ones.

    >>> _shuffled(8)
    [6, 2, 4, 0, 7, 3, 5, 1]
    """
    half = [*range(0, frames, 2)]
    mixed = half[::-2] + half[-2::-2]
    return mixed + [index + 1 for index in mixed if index + 1 < frames]


SHORTCUTS: dict[str, Corruption] = {
    "crf23": Corruption("re-encoded, H.264 crf 23", partial(_recode, crf=23)),
    "crf32": Corruption("re-encoded, H.264 crf 32", partial(_recode, crf=32)),
    "crf40": Corruption("re-encoded, H.264 crf 40", partial(_recode, crf=40)),
    "resampled": Corruption("25 frames per second, 256 pixels", _resample, rate=RATE),
    "background": Corruption("background blurred", _each(_blur_background)),
    "shuffled": Corruption("frames of each clip shuffled", order=_shuffled),
    "held": Corruption("middle frame of each clip held", order=lambda frames: [frames // 2] * frames),
}
"""By the name in the column ``distortion``."""

LIMITS: dict[str, Corruption] = {
    f"width{width}": Corruption(f"faces {width} pixels wide", _each(partial(_shrink, width=width))) for width in WIDTHS
} | {
    f"blur{share:g}": Corruption(f"blurred by {share:.0%} of the face's width", _each(partial(_blur, share=share)))
    for share in BLURS
}
"""By the name in the column ``distortion``."""

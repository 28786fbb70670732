"""Does a model lean on shortcuts? The same videos, treated so that one cue is gone or alike in both classes.

What should hardly matter: the coding, the frame rate and size, the background. What should matter: the order of the
frames, for a model that judges by motion. Faces are located on the untreated video, once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facetell.datasets.manifest import Manifest
from facetell.detector import Detector, Watch
from facetell.engine import Engine
from facetell.evaluate.intervals import DRAWS
from facetell.evaluate.scores import Scores, from_rows
from facetell.evaluate.scoring_faces import FacePlaces, Pictures, score_at
from facetell.evaluate.summary import Summary, summarise
from facetell.media.reader import VideoReader
from facetell.media.writer import reencode
from facetell.types import Box, FloatArray, TrackVerdict, UInt8Array

RATE, SIDE = 25.0, 256  # pictures a second and pixels of the shorter side that all videos are brought to
REACH = 1.1  # the background begins so many half face boxes away from the middle of the face
_PIECE = 100  # pictures sent through a coder at once: bounds memory


Treated = Callable[[VideoReader, FacePlaces], tuple[Pictures, float | None]]
"""From an open video and the places of its faces to pictures and their rate."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One way to treat a video, or the clips cut from it.

    Attributes:
        about: in words, for the table.
        matters: whether a model that judges by motion should suffer from it.
        pictures: what is done to the whole video.
        order: what is done to each clip: from T to the indices of T of its frames.
    """

    about: str
    matters: bool
    pictures: Treated
    order: Callable[[int], list[int]] = lambda frames: list(range(frames))


def check_shortcuts(detector: Detector, manifest: Manifest) -> Scores:
    """Score each video untreated and under every treatment.

    Args:
        detector: with the model to be checked.
        manifest: of videos (not of prepared clips), labelled.

    Returns:
        One row a clip; ``distortion`` is the key of :data:`TREATMENTS`, "" of the untreated video.
    """
    rows: list[dict[str, Any]] = []
    for entry in manifest:
        known = {name: getattr(entry, name) for name in ("video", "split", "identity", "method", "dataset")}
        known["label"] = -1 if entry.label is None else entry.label
        for treatment, status, tracks in _score(detector, manifest.file(entry)):
            clips = [(track.track_id, number, clip) for track in tracks for number, clip in enumerate(track.clips)]
            rows += [
                {**known, "distortion": treatment, "track": track, "clip": number}
                | {"t0": clip.t0, "t1": clip.t1, "logit": clip.logit}
                for track, number, clip in clips
            ] or [{**known, "distortion": treatment, "status": status}]
    info = detector.engine.info
    model = {"name": info.name, "sha256": detector.engine.sha256}
    return from_rows(rows, {"model": model, "calibration": asdict(info.calibration)})


def summaries(scores: Scores, *, draws: int = DRAWS) -> dict[str, Summary]:
    """The standard figures by treatment, "" (untreated) first, of the videos that were scored under all of them."""
    videos = scores.videos()
    names = ("", *TREATMENTS)
    common = set.intersection(*(set(videos.select(distortion=name).scored["video"].tolist()) for name in names))
    kept = videos.where(np.isin(videos["video"].astype(str), sorted(common)))
    return {name: summarise(kept.select(distortion=name), draws=draws) for name in names}


def _score(detector: Detector, path: Path) -> Iterator[tuple[str, str, tuple[TrackVerdict, ...]]]:
    """Treatment, status and tracks of every reading of a video."""
    places = FacePlaces()
    watch = Watch(located=lambda time, faces: places.add(time, {track: face.box for track, face in faces.items()}))
    clean = detector(path, watch=watch)
    yield "", clean.status.value, clean.tracks
    places.width, places.height = clean.width or 0, clean.height or 0
    for name, treatment in TREATMENTS.items():
        tracks: tuple[TrackVerdict, ...] = ()
        if places:
            with VideoReader(path) as reader:
                pictures, fps = treatment.pictures(reader, places)
                tracks = score_at(places, pictures, fps, _reordering(detector, treatment), lambda t0, t1: True)
        yield name, clean.status.value, tracks


class _Reordered(Engine):
    """An engine that sees the frames of each clip in another order."""

    def __init__(self, engine: Engine, order: Callable[[int], list[int]]) -> None:
        self.name, self.version, self.precision = engine.name, engine.version, engine.precision
        self.path, self.info, self.sha256 = engine.path, engine.info, engine.sha256
        self._engine, self._order = engine, order(engine.info.clip_frames)

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`Engine.run`."""
        return self._engine.run(np.ascontiguousarray(clips[:, self._order]))


def _reordering(detector: Detector, treatment: Treatment) -> Detector:
    other = copy.copy(detector)
    other.engine = _Reordered(detector.engine, treatment.order)
    return other


def _untreated(reader: VideoReader, places: FacePlaces) -> tuple[Pictures, float | None]:
    return ((raw.time, raw.rgb) for raw in reader), reader.info.fps


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


def _blurred(picture: Callable[[], UInt8Array], boxes: list[Box]) -> UInt8Array:
    image = picture()
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for box in boxes:
        axes = (REACH * box.width / 2, REACH * box.height / 2)
        cv2.ellipse(mask, (box.center, (2 * axes[0], 2 * axes[1]), 0.0), 1.0, cv2.FILLED)
    face = max((box.width for box in boxes), default=width / 4)
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


TREATMENTS: dict[str, Treatment] = {
    "crf23": Treatment("re-encoded, H.264 crf 23", False, partial(_recoded, crf=23)),
    "crf32": Treatment("re-encoded, H.264 crf 32", False, partial(_recoded, crf=32)),
    "crf40": Treatment("re-encoded, H.264 crf 40", False, partial(_recoded, crf=40)),
    "resampled": Treatment("25 pictures a second, 256 pixels", False, _same_rate_and_size),
    "background": Treatment("background blurred", False, _without_background),
    "shuffled": Treatment("frames of each clip shuffled", True, _untreated, _shuffled),
    "held": Treatment("middle frame of each clip held", True, _untreated, _held),
}
"""By the name that stands in the column ``distortion``."""

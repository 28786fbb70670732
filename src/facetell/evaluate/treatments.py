"""The same videos, treated: what changes when a cue is gone, a face is smaller, the frames stand in another order.

Faces are located on the untreated video, once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetell.datasets.manifest import Manifest
from facetell.detector import Detector
from facetell.engine import Engine
from facetell.evaluate.scores import VIDEO, Scores, VideoScores, from_rows, keys_of
from facetell.evaluate.scoring_faces import FacePlaces, Pictures, score_at
from facetell.evaluate.summary import summarise
from facetell.metrics.intervals import DRAWS, Estimate, wilson
from facetell.metrics.measures import sample_of
from facetell.types import FloatArray, TrackVerdict
from facetell.video.reader import VideoReader

Treated = Callable[[VideoReader, FacePlaces], tuple[Pictures, float | None]]
"""From an open video and the places of its faces to pictures and their rate."""


def untreated(reader: VideoReader, places: FacePlaces) -> tuple[Pictures, float | None]:
    """The pictures as they are."""
    return ((raw.time, raw.rgb) for raw in reader), reader.info.fps


@dataclass(frozen=True, slots=True)
class Treatment:
    """One way to treat a video, or the clips cut from it.

    Attributes:
        about: in words, for the table.
        pictures: what is done to the whole video.
        order: what is done to each clip: from T to the indices of T of its frames.
    """

    about: str
    pictures: Treated
    order: Callable[[int], list[int]] = lambda frames: list(range(frames))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one treatment, over ``reals`` and ``fakes`` videos.

    ``false_positives`` is the share of the reals called forged at the model's threshold, with Wilson's interval.
    """

    about: str
    reals: int
    fakes: int
    auc: Estimate
    false_positives: Estimate


def score_treated(detector: Detector, manifest: Manifest, treatments: Mapping[str, Treatment]) -> Scores:
    """Score each video untreated and under every treatment.

    Args:
        detector: with the model to be looked into.
        manifest: of videos (not of prepared clips), labelled.
        treatments: by name.

    Returns:
        One row a clip; ``distortion`` is the treatment's name, "" of the untreated video.
    """
    rows: list[dict[str, Any]] = []
    for entry in manifest:
        known = {name: getattr(entry, name) for name in ("video", "split", "identity", "method", "dataset")}
        known["label"] = -1 if entry.label is None else entry.label
        for treatment, status, tracks in _score(detector, manifest.file(entry), treatments):
            clips = [(track.track_id, number, clip) for track in tracks for number, clip in enumerate(track.clips)]
            rows += [
                {**known, "distortion": treatment, "track": track, "clip": number}
                | {"t0": clip.t0, "t1": clip.t1, "logit": clip.logit}
                for track, number, clip in clips
            ] or [{**known, "distortion": treatment, "status": status}]
    info = detector.engine.info
    model = {"name": info.name, "sha256": detector.engine.sha256}
    return from_rows(rows, {"model": model, "calibration": asdict(info.calibration)})


def outcomes(scores: Scores, treatments: Mapping[str, Treatment], *, draws: int = DRAWS) -> dict[str, Outcome]:
    """The figures by treatment, "" (untreated) first, of the videos that were scored under all of them.

    Args:
        scores: of :func:`score_treated`.
        treatments: those asked for.
        draws: of the bootstrap over identities.
    """
    videos = scores.videos()
    names = ("", *treatments)
    common = set.intersection(*(set(keys_of(videos.select(distortion=name).scored, VIDEO)) for name in names))
    kept = videos.where(np.array([key in common for key in keys_of(videos, VIDEO)], dtype=bool))
    about = {name: treatment.about for name, treatment in treatments.items()} | {"": "as it is"}
    return {name: outcome(kept.select(distortion=name), about[name], draws=draws) for name in names}


def outcome(videos: VideoScores, about: str, *, draws: int = DRAWS) -> Outcome:
    """The figures of some videos."""
    summary, sample = summarise(videos, draws=draws), sample_of(videos)
    called = (sample.probabilities >= sample.thresholds)[sample.labels == 0]
    share = float(called.mean()) if len(called) else float("nan")
    return Outcome(
        about, summary.real, summary.fake, summary.auc, Estimate(share, *wilson(int(called.sum()), len(called)))
    )


def _score(
    detector: Detector, path: Path, treatments: Mapping[str, Treatment]
) -> Iterator[tuple[str, str, tuple[TrackVerdict, ...]]]:
    """Treatment, status and tracks of every reading of a video."""
    places = FacePlaces()
    clean = places.read_clean(detector, path)
    yield "", clean.status.value, clean.tracks
    for name, treatment in treatments.items():
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

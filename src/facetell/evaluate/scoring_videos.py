"""Score one video of a manifest under every condition; faces are located once, on the clean video."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from facetell.detector import Detector
from facetell.distort import KINDS, distort_stream, parameter
from facetell.distort.kinds import Family
from facetell.distort.video import distort_picture
from facetell.evaluate.scoring_faces import FacePlaces, Pictures, score_at, snapped
from facetell.evaluate.scoring_jobs import (
    CLEAN,
    ClipRow,
    Condition,
    Job,
    Outcome,
    ScoringSettings,
    failed,
    rows_of,
    span_test,
)
from facetell.evaluate.scoring_prepared import score_prepared
from facetell.types import NOT_READ, UInt8Array, VideoVerdict
from facetell.video.source import SourceFrame, VideoSource, open_video

SEED = 0
"""Of the distortions' chance: that of ``facetell distort`` where it is told none."""


def score_job(job: Job, root: Path, detector: Detector, settings: ScoringSettings) -> Outcome:
    """All rows of one video; whatever is wrong with it becomes a row that says so, never an exception.

    Args:
        job: the video.
        root: the manifest's folder.
        detector: scores it.
        settings: under which conditions.
    """
    try:
        if job.entries[0].is_clip:
            return Outcome(tuple(score_prepared(job, root, detector)))
        return _score_video(job, root / job.entries[0].path, detector, settings)
    except Exception as error:  # whatever it is: hours of other videos must not end with this one
        rows = (row for condition in settings.conditions for row in failed(job, condition))
        return Outcome(tuple(rows), (f"{job.video}: {_sentence(error)}",))


def _score_video(job: Job, path: Path, detector: Detector, settings: ScoringSettings) -> Outcome:
    places, info = FacePlaces(), detector.engine.info
    # Scored also where the clean scores are not wanted: which faces and clips are left out depends on it.
    verdict = places.read_clean(detector, path, span_test(job), job.until)
    if verdict.status in NOT_READ:
        rows = [row for condition in settings.conditions for row in failed(job, condition, verdict.status)]
        return Outcome(tuple(rows), (verdict.message,))
    rows = rows_of(job, verdict.tracks, CLEAN, info, verdict.duration) if settings.clean else []
    faults = []
    for condition in settings.distortions:
        try:
            rows += _score_distorted(job, path, detector, places, condition, verdict)
        except Exception as error:  # as above: one distortion that fails leaves the others
            rows += failed(job, condition)
            faults.append(f"{job.video} under {condition[0]}:{condition[1]}: {_sentence(error)}")
    return Outcome(tuple(rows), tuple(faults))


def _score_distorted(
    job: Job, path: Path, detector: Detector, places: FacePlaces, condition: Condition, clean: VideoVerdict
) -> list[ClipRow]:
    tracks = clean.tracks
    if places:
        with open_video(path, image_rate=detector.settings.image_rate) as reader:
            fps = reader.info.fps
            pictures = distorted(reader, condition, fps, job.until)
            if condition[0] == "FPS":
                fps = min(parameter(*condition), fps or np.inf)
            tracks = score_at(places, pictures, fps, detector, span_test(job))
    return rows_of(job, tracks, condition, detector.engine.info, clean.duration)


def distorted(reader: VideoSource, condition: Condition, fps: float | None, until: float = np.inf) -> Pictures:
    """The pictures of a video under a distortion, as :func:`facetell.distort.distort_stream` makes them.

    Distortions of single pictures are carried out only where a picture is wanted: two of three are not. Pictures that
    went through a coder get their times back to the last bit.

    Args:
        reader: of the clean video.
        condition: code and level.
        fps: of the clean video, None if unknown.
        until: seconds; what comes later is left out.
    """
    code, level = condition
    raws = _before(reader, until)
    if KINDS[code].family is Family.PICTURE:
        for number, raw in enumerate(raws):
            yield raw.time, partial(_distort_one, raw, condition, number)
        return
    times: list[float] = []
    stream = ((raw.rgb(), _noted(times, raw.time)) for raw in raws)
    for image, time in distort_stream(stream, code, level, fps=fps or 25.0, seed=SEED):
        exact = snapped(times, time) if KINDS[code].family is Family.CODER else time
        yield exact, partial(_as_it_is, image)


def _before(reader: VideoSource, until: float) -> Iterator[SourceFrame]:
    for raw in reader:
        if raw.time >= until:
            return
        yield raw


def _distort_one(raw: SourceFrame, condition: Condition, number: int) -> UInt8Array:
    # The source of chance of a picture is set by its number alone, as distort_stream does it.
    return distort_picture(raw.rgb(), *condition, np.random.Generator(np.random.SFC64([SEED, number])))


def _noted(times: list[float], time: float) -> float:
    times.append(time)
    return time


def _as_it_is(image: UInt8Array) -> UInt8Array:
    return image


def _sentence(error: Exception) -> str:
    text = str(error).strip().splitlines() or [""]
    known = type(error).__module__.startswith("facetell")
    return text[0] if known else f"{type(error).__name__}: {text[0]}"

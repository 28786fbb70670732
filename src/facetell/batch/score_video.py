"""Score one video of a manifest, or its prepared clips, clean and under distortions; faces are located once, clean."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from facetell.batch.rows import (
    CLEAN,
    ClipRow,
    Condition,
    ScoringSettings,
    VideoRows,
    failed,
    inside,
    rows_of,
)
from facetell.batch.run import describe
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import PreparedClip, read_clip
from facetell.detector import Detector
from facetell.distort import KINDS, distort_stream, parameter
from facetell.distort.kinds import Family
from facetell.distort.video import distort_picture
from facetell.faces.crop import face_pose
from facetell.places import FacePlaces, Pictures, score_at, snapped
from facetell.types import NOT_READ, Status, TrackVerdict, UInt8Array, VideoVerdict
from facetell.verdict import why_not_scored
from facetell.video.source import SourceFrame, VideoSource, open_video

SEED = 0
"""Of the random distortions: the default of ``facetell distort``."""


def score_video(
    video: VideoRows, root: Path, detector: Detector, settings: ScoringSettings
) -> tuple[list[ClipRow], list[str]]:
    """The rows of one video under each condition, and a message for each fault; never raises.

    ``root`` is the manifest's folder.
    """
    try:
        if video.entries[0].is_clip:
            return _score_prepared(video, root, detector), []
        return _score_whole(video, root / video.entries[0].path, detector, settings)
    except Exception as error:  # of any kind: one video must not end a run of hours
        rows = [row for condition in settings.conditions for row in failed(video, condition)]
        return rows, [f"{video.name}: {describe(error)}"]


def _score_whole(
    video: VideoRows, path: Path, detector: Detector, settings: ScoringSettings
) -> tuple[list[ClipRow], list[str]]:
    places = FacePlaces()
    # Also scored if the clean scores are not wanted: they decide which faces and clips are left out.
    verdict = places.read_clean(detector, path, video.holds, video.until)
    if verdict.status in NOT_READ or verdict.status is Status.DAMAGED:
        rows = [row for condition in settings.conditions for row in failed(video, condition, verdict.status)]
        return rows, [verdict.message] if verdict.status in NOT_READ else []
    rows = rows_of(video, verdict.tracks, CLEAN, detector.engine.info, verdict.duration) if settings.clean else []
    faults = []
    for condition in settings.distortions:
        try:
            rows += _score_distorted(video, path, detector, places, condition, verdict)
        except Exception as error:  # as above: the other distortions are still scored
            rows += failed(video, condition)
            faults.append(f"{video.name} under {condition[0]}:{condition[1]}: {describe(error)}")
    return rows, faults


def _score_distorted(
    video: VideoRows, path: Path, detector: Detector, places: FacePlaces, condition: Condition, clean: VideoVerdict
) -> list[ClipRow]:
    tracks = clean.tracks
    if places:
        with open_video(path, image_rate=detector.settings.image_rate) as reader:
            fps = reader.info.fps
            frames = distorted(reader, condition, fps, video.until)
            if condition[0] == "FPS":
                fps = min(parameter(*condition), fps or np.inf)
            tracks = score_at(places, frames, fps, detector, video.holds)
    return rows_of(video, tracks, condition, detector.engine.info, clean.duration)


def distorted(reader: VideoSource, condition: Condition, fps: float | None, until: float = np.inf) -> Pictures:
    """The frames of a clean video under a distortion, as :func:`facetell.distort.distort_stream` makes them.

    Distortions of single frames are applied only to the frames that are used, about one in three. Frames that were
    encoded and decoded get the exact times of the clean video back.

    Args:
        reader: of the clean video.
        condition: code and level.
        fps: of the clean video, None if unknown.
        until: seconds; later frames are left out.
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
        yield exact, partial(_same, image)


def _before(reader: VideoSource, until: float) -> Iterator[SourceFrame]:
    for raw in reader:
        if raw.time >= until:
            return
        yield raw


def _distort_one(raw: SourceFrame, condition: Condition, number: int) -> UInt8Array:
    # The random generator of a frame depends on its number only, as in distort_stream.
    return distort_picture(raw.rgb(), *condition, np.random.Generator(np.random.SFC64([SEED, number])))


def _noted(times: list[float], time: float) -> float:
    times.append(time)
    return time


def _same(image: UInt8Array) -> UInt8Array:
    return image


def _score_prepared(video: VideoRows, root: Path, detector: Detector) -> list[ClipRow]:
    """The rows of one video from its prepared clips, by track and time; if none was scored, one row with the reason."""
    tracks = [score_clip(read_clip(root / entry.path), entry, detector) for entry in video.entries]
    found = sorted(
        (entry.track, clip.t0, clip.t1, number, clip.logit)
        for number, (entry, of_clip) in enumerate(zip(video.entries, tracks, strict=True))
        for track in of_clip
        for clip in track.clips
    )
    if not found:
        status, _ = why_not_scored([track for of_clip in tracks for track in of_clip], detector.engine.info)
        return [ClipRow(0, status, *CLEAN)]
    before: dict[int, int] = {}  # clips of each track so far: several prepared clips may show one track
    rows = []
    for track, t0, t1, number, logit in found:
        before[track] = before.get(track, -1) + 1
        rows.append(ClipRow(number, Status.SCORED, *CLEAN, track, before[track], t0, t1, logit))
    return rows


def score_clip(clip: PreparedClip, entry: Entry, detector: Detector) -> tuple[TrackVerdict, ...]:
    """Score one prepared clip at the landmarks stored with it; times and face widths are those of its video.

    Clips of the model begin as in detection, and those without motion or of a pixelated face are left out. If none is
    scored, the track has the status that says why.
    """
    height, width = clip.frames.shape[1:3]
    scale = clip.square.width / width
    places = FacePlaces(width * scale, height * scale)
    for time, points in zip(clip.times, clip.landmarks, strict=True):
        places.add(float(time), {entry.track: face_pose(points * np.float32(scale))})
    steps = np.diff(clip.times)
    fps = 1 / float(np.median(steps)) if len(steps) else None
    frames = ((float(time), partial(_same, image)) for time, image in zip(clip.times, clip.frames, strict=True))
    return score_at(places, frames, fps, detector, partial(inside, entry), clean=True)

"""Score the videos of a manifest into a score file, clean and under distortions: ``facetell score``.

Faces are located once, in the clean video. A run that was stopped is resumed from the journal in ``OUT.partial``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from facetell import __version__
from facetell.batch.journal import Journal
from facetell.batch.rows import (
    CLEAN,
    ClipRow,
    Condition,
    ScoringSettings,
    VideoRows,
    cells,
    failed,
    inside,
    rows_of,
    videos_of,
)
from facetell.batch.run import (
    LOST,
    Job,
    Outcome,
    Progress,
    Show,
    Work,
    claimed,
    complete,
    describe,
    difference,
    local_engine,
)
from facetell.datasets.manifest import Entry, Manifest, fingerprint
from facetell.datasets.prepared import PreparedClip, read_clip
from facetell.detector import Detector, Settings
from facetell.distort import KINDS, distort_stream, parameter
from facetell.distort.kinds import Family
from facetell.distort.video import distort_frame
from facetell.evaluate.scores import COLUMNS, Scores, from_columns, read_scores, write_scores
from facetell.faces.crop import face_pose
from facetell.files import check_writable, short_name
from facetell.places import FacePlaces, TimedFrames, score_at, snapped
from facetell.types import NOT_READ, FacetellError, Status, TrackVerdict, UInt8Array, VideoVerdict
from facetell.verdict import why_not_scored
from facetell.video.container import address_in, missing_file
from facetell.video.source import SourceFrame, VideoSource, open_video

RECORD, JOURNAL = "run.json", "journal.jsonl"
SEED = 0
"""Of the random distortions: the default of ``facetell distort``."""


def score_manifest(
    manifest: Manifest,
    model: Path | str | None = None,
    settings: ScoringSettings | None = None,
    *,
    out: Path | None = None,
    workers: int = 1,
    progress: Show = lambda state: None,
    fault: Callable[[str], None] = lambda message: None,
) -> Scores:
    """Score every video of a manifest, or its prepared clips.

    Args:
        manifest: of videos, or of prepared clips.
        model: see :func:`facetell.engine.model_path`.
        settings: what is scored.
        out: score file to write. If it exists and was made from the same inputs, it is read and nothing is scored.
        workers: processes, each with its own model and its share of the cores; 1 works in the current process.
        progress: called at the start and after each video.
        fault: called at the end with one message for each video that could not be read, and each failed distortion.

    Returns:
        One row per clip, in the order of the manifest; a video without a clip has one row with its status. Identical,
        to the last bit, for any number of workers (except for the distortion VC, see ``docs/scoring.md``).

    Raises:
        FacetellError: the model or manifest is unfit, ``out`` exists or was begun with other inputs, or it cannot be
            written.
    """
    settings = settings or ScoringSettings()
    if settings.splits:
        manifest = manifest.where(lambda entry: entry.split in settings.splits)
    videos = videos_of(manifest)
    _check(manifest, settings)
    threads = max(1, (os.cpu_count() or 1) // workers)
    detector = Detector(model, replace(settings.detection, threads=threads, threshold=None))
    about = _about(detector, manifest, settings)
    with contextlib.ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facetell-")))
        else:
            folder = out.with_name(f"{short_name(out.name, len('.partial'))}.partial")
            if out.is_file():
                scores = read_scores(out)
                if scores.about != about:
                    other = difference(scores.about, about) or "something else"
                    raise FacetellError(f"{out} exists already, made with {other}: choose another name")
                shutil.rmtree(folder, ignore_errors=True)
                return scores
            check_writable(out)
        stack.enter_context(claimed(folder, folder / RECORD, about, "score"))
        journal = stack.enter_context(contextlib.closing(Journal(folder / JOURNAL, itemgetter("video"))))
        jobs = [Job(video.name, video) for video in videos if video.number not in journal]
        found = Progress("scoring", done=len(journal), total=len(videos), found=len(journal))
        make: Callable[..., Callable[[Job], Outcome]] = _make
        arguments: tuple[Any, ...] = (detector.engine.path, detector.settings, manifest.root, settings)
        if workers == 1:
            make, arguments = (lambda: partial(_score, detector, manifest.root, settings)), ()
        engine = local_engine(0 if workers == 1 else min(workers, len(jobs)))
        for _ in complete(Work(make, arguments, partial(_lost, settings)), jobs, engine, journal, found, progress):
            pass
        rows = []
        for video in videos:
            line = journal.get(video.number)
            assert line is not None, "every job was completed"
            for message in line["faults"]:
                fault(message)
            rows += [cells(video, ClipRow(*values)) for values in line["rows"]]
        scores = from_columns({name: [row.get(name) for row in rows] for name in COLUMNS}, about)
        if out is not None:
            write_scores(scores, out)
            shutil.rmtree(folder, ignore_errors=True)
    return scores


def _check(manifest: Manifest, settings: ScoringSettings) -> None:
    """Raise for inputs that hours of work would not fix."""
    if not len(manifest):
        raise FacetellError(f"the manifest has no row of the split {', '.join(settings.splits)}; choose another")
    if not settings.conditions:
        raise FacetellError("there is nothing to score: name distortions, or do not leave out the clean videos")
    if settings.distortions and any(entry.is_clip for entry in manifest):
        raise FacetellError(
            "distortions apply to whole frames, and prepared clips hold faces only; give the manifest of the videos"
        )
    if not any(manifest.file(entry).exists() for entry in manifest):
        first = manifest.entries[0]
        if address_in(first.path):
            raise FacetellError(missing_file(first.path))
        raise FacetellError(
            f"none of the manifest's {len(manifest)} files exists (the first: {manifest.file(first)}); "
            "paths are relative to the manifest's folder"
        )


def _about(detector: Detector, manifest: Manifest, settings: ScoringSettings) -> dict[str, Any]:
    """What the scores depend on: nothing about when, where or by how many processes they were computed."""
    about = about_model(detector) | {
        "settings": replace(settings, detection=detector.settings).about(),
        "manifest": fingerprint(manifest),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about))  # as it is read back
    return plain


def about_model(detector: Detector) -> dict[str, Any]:
    """What a score file records of the model and its engine."""
    engine = detector.engine
    return {
        "model": {"name": engine.info.name, "sha256": engine.sha256},
        "calibration": asdict(engine.info.calibration),
        "min_face_width": engine.info.min_face_width,
        "facetell": __version__,
        "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
    }


def _make(model: Path, detection: Settings, root: Path, settings: ScoringSettings) -> Callable[[Job], Outcome]:
    return partial(_score, Detector(model, detection), root, settings)


def _score(detector: Detector, root: Path, settings: ScoringSettings, job: Job) -> Outcome:
    """Score one video under each condition; never raises. ``root`` is the manifest's folder."""
    video: VideoRows = job.task
    try:
        if video.entries[0].is_clip:
            return _outcome(job, _score_prepared(video, root, detector), [])
        return _outcome(job, *_score_whole(video, root / video.entries[0].path, detector, settings))
    except Exception as error:  # of any kind: one video must not end a run of hours
        return _lost(settings, job, describe(error))


def _lost(settings: ScoringSettings, job: Job, reason: str = LOST) -> Outcome:
    rows = [row for condition in settings.conditions for row in failed(job.task, condition)]
    return _outcome(job, rows, [f"{job.name}: {reason}"])


def _outcome(job: Job, rows: list[ClipRow], faults: list[str]) -> Outcome:
    return Outcome(job, ({"video": job.task.number, "rows": rows, "faults": faults},))


def _score_whole(
    video: VideoRows, path: Path, detector: Detector, settings: ScoringSettings
) -> tuple[list[ClipRow], list[str]]:
    """The rows of a video, and a message for each fault."""
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


def distorted(reader: VideoSource, condition: Condition, fps: float | None, until: float = np.inf) -> TimedFrames:
    """The frames of a clean video under a distortion, as :func:`facetell.distort.distort_stream` makes them.

    Distortions of single frames are applied only to the frames that are used, about one in three. Frames that were
    encoded and decoded get the exact times of the clean video back. Frames after ``until`` seconds are left out.
    """
    code, level = condition
    raws = takewhile(lambda raw: raw.time < until, reader)
    if KINDS[code].family is Family.FRAME:
        for number, raw in enumerate(raws):
            yield raw.time, partial(_distort_one, raw, condition, number)
        return
    times: list[float] = []

    def frames() -> Iterator[tuple[UInt8Array, float]]:
        for raw in raws:
            times.append(raw.time)
            yield raw.rgb(), raw.time

    for image, time in distort_stream(frames(), code, level, fps=fps or 25.0, seed=SEED):
        yield snapped(times, time) if KINDS[code].family is Family.CODER else time, partial(_same, image)


def _distort_one(raw: SourceFrame, condition: Condition, number: int) -> UInt8Array:
    # The random generator of a frame depends on its number only, as in distort_stream.
    return distort_frame(raw.rgb(), *condition, np.random.Generator(np.random.SFC64([SEED, number])))


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

"""Score the videos of a manifest, clean and distorted, at the clean video's faces; resumed from ``OUT.partial``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetell import __version__
from facetell.batch.journal import Journal
from facetell.batch.run import LOST, Job, Outcome, Progress, Work, claimed, complete, difference, local_engine
from facetell.datasets.manifest import Entry, Manifest, Split, fingerprint
from facetell.detector import Detector, Settings
from facetell.distort import BEYOND, KINDS, PUBLISHED, distort_stream, parameter
from facetell.distort.frames import FUNCTIONS, TIME_FUNCTIONS
from facetell.distort.kinds import LEVELS
from facetell.distort.video import distort_frame
from facetell.engine import ModelInfo
from facetell.evaluate.scores import Scores, from_rows, read_scores, row_of, write_scores
from facetell.files import check_all_writable, short_name
from facetell.places import FacePlaces, TimedFrames, score_at, snapped
from facetell.types import NOT_READ, FacetellError, Status, TrackVerdict, UInt8Array, VideoVerdict, describe
from facetell.verdict import why_not_scored
from facetell.video.container import address_in, missing_file
from facetell.video.source import SourceFrame, VideoSource, open_video

Condition = tuple[str, int]
"""A distortion's code and level."""
CLEAN: Condition = ("", 0)
RECORD, JOURNAL = "run.json", "journal.jsonl"
SEED = 0  # of the random distortions: the default of ``facetell distort``


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """What is scored of a manifest."""

    detection: Settings = field(default_factory=Settings)  # ``threads`` and ``threshold`` are ignored
    distortions: tuple[Condition, ...] = ()  # see :func:`conditions`
    clean: bool = True  # score the clean videos as well
    splits: tuple[Split, ...] = ()  # score only these; empty for all

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions under which each video is scored, the clean one first."""
        return (CLEAN,) * self.clean + self.distortions

    def about(self) -> dict[str, Any]:
        """The settings as they are recorded in a score file."""
        values = asdict(self.detection)
        return {
            "clips_per_second": self.detection.clips_per_second,
            "max_faces": self.detection.max_faces,
            **{name: values[name] for name in ("max_clips", "image_rate", "given") if values[name]},
            **({"device": values["device"]} if values["device"] != "cpu" else {}),
            "distortions": [f"{code}:{level}" for code, level in self.distortions],
            "clean": self.clean,
            "splits": list(self.splits),
        }


def conditions(words: Sequence[str]) -> tuple[Condition, ...]:
    """Distortions by name: ``GB:3``, ``VC:1-5``, ``GNC`` (all levels), ``all`` (the published), ``own`` (the others).

    They are in the order of :data:`facetell.distort.KINDS`, each once. FacetellError: no such distortion or level.

    >>> conditions(["VC:4-5", "GB:3"])
    (('GB', 3), ('VC', 4), ('VC', 5))
    """
    wanted: set[Condition] = set()
    for word in words:
        code, colon, levels = word.partition(":")
        codes = {"all": PUBLISHED, "own": BEYOND}.get(code, (code.upper(),))
        if not set(codes) <= set(KINDS):
            raise FacetellError(f"'{code}' is not a distortion: write all, own, or some of {', '.join(KINDS)}")
        found = re.fullmatch(r"([1-5])(?:-([1-5]))?", levels)
        if colon and (found is None or found[1] > (found[2] or found[1])):
            raise FacetellError(f"'{word}' names no level: write {code}:3 or {code}:1-5 (levels are 1 to 5)")
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (LEVELS[0], LEVELS[-1])
        wanted |= {(code, level) for code in codes for level in range(first, last + 1)}
    return tuple((code, level) for code in KINDS for level in LEVELS if (code, level) in wanted)


class ClipRow(NamedTuple):
    """A row of a score file without the columns of the manifest."""

    status: Status
    distortion: str = ""
    level: int = 0
    track: int = -1
    clip: int = -1
    t0: float | None = None
    t1: float | None = None
    logit: float | None = None


def score_manifest(
    manifest: Manifest,
    model: Path | str | None = None,
    settings: ScoringSettings | None = None,
    *,
    out: Path | None = None,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda state: None,
    fault: Callable[[str], None] = lambda message: None,
) -> Scores:
    """Score every video of a manifest with a model (:func:`facetell.engine.model_path`).

    Returns one row per clip, in the order of the manifest; a video without a clip has one row with its status. It is
    identical, to the last bit, for any number of ``workers`` (except under the distortion VC, see ``docs/scoring.md``):
    processes, each with its own model and its share of the cores; 1 works in the current process.

    If the score file ``out`` exists and is of the same inputs, it is read and nothing is scored. ``progress`` is called
    at the start and after each video, ``fault`` at the end with a message for each video that could not be read and
    each failed distortion. FacetellError: the model or manifest is unfit, or ``out`` is of other inputs or unwritable.
    """
    settings = settings or ScoringSettings()
    if settings.splits:
        manifest = manifest.where(lambda entry: entry.split in settings.splits)
    _check(manifest, settings)
    threads = max(1, (os.cpu_count() or 1) // workers)
    detector = Detector(model, replace(settings.detection, threads=threads, threshold=None))
    about = about_scores(detector, settings, manifest)
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
            check_all_writable([out])
        stack.enter_context(claimed(folder, folder / RECORD, about, "score"))
        journal = stack.enter_context(contextlib.closing(Journal(folder / JOURNAL, itemgetter("video"))))
        jobs = [Job(entry.path, (number, entry)) for number, entry in enumerate(manifest) if number not in journal]
        found = Progress("scoring", done=len(journal), total=len(manifest), found=len(journal))
        make: Callable[..., Callable[[Job], Outcome]] = _make
        arguments: tuple[Any, ...] = (detector.engine.path, detector.settings, manifest.root, settings)
        if workers == 1:
            make, arguments = (lambda: partial(_score, detector, manifest.root, settings)), ()
        engine = local_engine(0 if workers == 1 else min(workers, len(jobs)))
        for _ in complete(Work(make, arguments, partial(_lost, settings)), jobs, engine, journal, found, progress):
            pass
        rows = []
        for number, entry in enumerate(manifest):
            line = journal.get(number)
            assert line is not None, "every job was completed"
            for message in line["faults"]:
                fault(message)
            rows += [_cells(entry, ClipRow(*values)) for values in line["rows"]]
        scores = from_rows(rows, about)
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
    if any(entry.is_clip for entry in manifest):
        raise FacetellError("the manifest names prepared clips; give the manifest of the videos")
    names = Counter((entry.dataset, entry.video) for entry in manifest)
    if twice := next((name for (_, name), count in names.items() if count > 1), None):
        raise FacetellError(f"the manifest names {twice} twice: leave out one of the rows")
    if not any(manifest.file(entry).exists() for entry in manifest):
        first = manifest.entries[0]
        if address_in(first.path):
            raise FacetellError(missing_file(first.path))
        raise FacetellError(
            f"none of the manifest's {len(manifest)} files exists (the first: {manifest.file(first)}); "
            "paths are relative to the manifest's folder"
        )


def about_scores(detector: Detector, settings: ScoringSettings, entries: Iterable[Entry]) -> dict[str, Any]:
    """What scores depend on: nothing about when, where or by how many processes they were computed."""
    engine = detector.engine
    about = {
        "model": {"name": engine.info.name, "sha256": engine.sha256},
        "calibration": asdict(engine.info.calibration),
        "min_face_width": engine.info.min_face_width,
        "facetell": __version__,
        "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
        "settings": replace(settings, detection=detector.settings).about(),
        "manifest": fingerprint(entries),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about))  # as it is read back
    return plain


def _make(model: Path, detection: Settings, root: Path, settings: ScoringSettings) -> Callable[[Job], Outcome]:
    return partial(_score, Detector(model, detection), root, settings)


def _score(detector: Detector, root: Path, settings: ScoringSettings, job: Job) -> Outcome:
    """Score one video under each condition; never raises. ``root`` is the manifest's folder."""
    _, entry = job.task
    path, info, places = root / entry.path, detector.engine.info, FacePlaces()
    try:
        # Also scored if the clean scores are not wanted: they decide which faces and clips are left out.
        verdict = places.read_clean(detector, path)
        if verdict.status in NOT_READ or verdict.status is Status.DAMAGED:
            rows = [ClipRow(verdict.status, *condition) for condition in settings.conditions]
            return _outcome(job, rows, [verdict.message] if verdict.status in NOT_READ or verdict.has_no_frame else [])
        rows = rows_of(verdict.tracks, CLEAN, info) if settings.clean else []
        faults = []
        for condition in settings.distortions:
            try:
                rows += rows_of(_distorted_tracks(path, detector, places, condition, verdict), condition, info)
            except Exception as error:  # of any kind: the other distortions are still scored
                rows.append(ClipRow(Status.UNREADABLE, *condition))
                faults.append(f"{entry.path} under {condition[0]}:{condition[1]}: {describe(error)}")
        return _outcome(job, rows, faults)
    except Exception as error:  # of any kind: one video must not end a run of hours
        return _lost(settings, job, describe(error))


def _lost(settings: ScoringSettings, job: Job, reason: str = LOST) -> Outcome:
    rows = [ClipRow(Status.UNREADABLE, *condition) for condition in settings.conditions]
    return _outcome(job, rows, [f"{job.name}: {reason}"])


def _outcome(job: Job, rows: list[ClipRow], faults: list[str]) -> Outcome:
    return Outcome(job, ({"video": job.task[0], "rows": rows, "faults": faults},))


def rows_of(tracks: Sequence[TrackVerdict], condition: Condition, info: ModelInfo) -> list[ClipRow]:
    """The rows of one video under one condition: its clips by track and time, or one row with the reason."""
    rows = [
        ClipRow(Status.SCORED, *condition, track.track_id, number, clip.t0, clip.t1, clip.logit)
        for track in tracks
        for number, clip in enumerate(sorted(track.clips, key=lambda clip: clip.t0))
    ]
    return rows or [ClipRow(why_not_scored(tracks, info)[0], *condition)]


def _cells(entry: Entry, row: ClipRow) -> dict[str, Any]:
    """The columns of a row of a score file; those without a value are missing."""
    own = {name: value for name, value in row._asdict().items() if value is not None and value == value}  # not NaN
    return row_of(entry) | own | {"status": str(row.status)}


def _distorted_tracks(
    path: Path, detector: Detector, places: FacePlaces, condition: Condition, clean: VideoVerdict
) -> tuple[TrackVerdict, ...]:
    """The faces of the clean video, scored under a distortion."""
    if not places:
        return clean.tracks
    with open_video(path, image_rate=detector.settings.image_rate) as reader:
        fps = reader.info.fps
        frames = distorted(reader, condition, fps)
        if condition[0] == "FPS":
            fps = min(parameter(*condition), fps or np.inf)
        return score_at(places, frames, fps, detector)


def distorted(reader: VideoSource, condition: Condition, fps: float | None) -> TimedFrames:
    """The frames of a clean video under a distortion, as :func:`facetell.distort.distort_stream` makes them.

    Distortions of single frames are applied only to the frames that are used, about one in three. Frames that were
    encoded and decoded get the exact times of the clean video back.
    """
    code, level = condition
    if code in FUNCTIONS:
        for number, raw in enumerate(reader):
            yield raw.time, partial(_distort_one, raw, condition, number)
        return
    times: list[float] = []

    def frames() -> Iterator[tuple[UInt8Array, float]]:
        for raw in reader:
            times.append(raw.time)
            yield raw.rgb(), raw.time

    for image, time in distort_stream(frames(), code, level, fps=fps or 25.0, seed=SEED):
        yield time if code in TIME_FUNCTIONS else snapped(times, time), partial(np.asarray, image)


def _distort_one(raw: SourceFrame, condition: Condition, number: int) -> UInt8Array:
    # The random generator of a frame depends on its number only, as in distort_stream.
    return distort_frame(raw.rgb(), *condition, np.random.Generator(np.random.SFC64([SEED, number])))

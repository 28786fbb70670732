"""Score the videos of a manifest into a score file: ``facetell score``.

Results are kept in the folder ``OUT.partial`` beside the score file, which is written at the end, in the order of the
manifest. Its bytes do not depend on how often the run was stopped or on how many processes worked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from facetell import __version__
from facetell.batch.journal import Journal
from facetell.batch.local import local_engine
from facetell.batch.rows import ClipRow, ScoringSettings, cells, failed, videos_of
from facetell.batch.run import LOST, Job, Outcome, Progress, Show, Work, claimed, complete, difference
from facetell.batch.score_video import score_video
from facetell.datasets.manifest import Manifest
from facetell.detector import Detector, Settings
from facetell.evaluate.scores import COLUMNS, Scores, from_columns, read_scores, write_scores
from facetell.files import check_writable, short_name
from facetell.types import FacetellError
from facetell.video.container import address_in, missing_file

RECORD, JOURNAL = "run.json", "journal.jsonl"


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
    """Score every video of a manifest.

    Args:
        manifest: of videos, or of prepared clips.
        model: see :func:`facetell.engine.model_path`.
        settings: what is scored.
        out: score file to write. A run that was stopped is resumed from ``OUT.partial``. If the file exists and was
            made from the same inputs, it is read and nothing is scored.
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
                scores = _finished(out, about)
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
            rows += [cells(video, ClipRow.from_json(values)) for values in line["rows"]]
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
    engine = detector.engine
    about = {
        "model": {"name": engine.info.name, "sha256": engine.sha256},
        "calibration": asdict(engine.info.calibration),
        "min_face_width": engine.info.min_face_width,
        "facetell": __version__,
        "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
        "settings": replace(settings, detection=detector.settings).about(),
        "manifest": manifest.fingerprint(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about))  # as it is read back
    return plain


def _finished(out: Path, about: Mapping[str, Any]) -> Scores:
    scores = read_scores(out)
    if scores.about != about:
        found = difference(scores.about, about) or "something else"
        raise FacetellError(f"{out} exists already, made with {found}: choose another name")
    return scores


def _make(model: Path, detection: Settings, root: Path, settings: ScoringSettings) -> Callable[[Job], Outcome]:
    return partial(_score, Detector(model, detection), root, settings)


def _score(detector: Detector, root: Path, settings: ScoringSettings, job: Job) -> Outcome:
    return _outcome(job, *score_video(job.task, root, detector, settings))


def _lost(settings: ScoringSettings, job: Job) -> Outcome:
    rows = [row for condition in settings.conditions for row in failed(job.task, condition)]
    return _outcome(job, rows, [f"{job.name}: {LOST}"])


def _outcome(job: Job, rows: list[ClipRow], faults: list[str]) -> Outcome:
    return Outcome(job, ({"video": job.task.number, "rows": rows, "faults": faults},))

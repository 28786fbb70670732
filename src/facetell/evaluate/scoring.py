"""Score the videos of a manifest into a score file, with many processes, so that any run can be stopped and taken up.

Each finished video is one small file in the folder ``OUT.partial`` beside the score file; the score file itself is
put together at the end, in the manifest's order, and the folder goes. So the file is the same to the last byte
whatever stopped the run in between and however many processes worked on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from facetell import __version__
from facetell.datasets.manifest import Manifest
from facetell.detector import Detector
from facetell.evaluate.scores import REAL, WORDS, Scores, from_columns, read_scores, write_scores
from facetell.evaluate.scoring_jobs import ClipRow, Job, Outcome, ScoringSettings, jobs_of
from facetell.evaluate.scoring_videos import score_job
from facetell.files import check_writable, short_name, write_text
from facetell.processes import unordered
from facetell.types import FacetellError
from facetell.video.container import address_in, missing_file

ABOUT = "about.json"
_OF_ENTRY = tuple(name for name in WORDS if name not in ("status", "distortion"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: videos ``done`` of ``total``, ``found`` of these from an earlier run, the ``last`` one."""

    done: int
    total: int
    found: int
    last: str = ""


def score_manifest(
    manifest: Manifest,
    model: Path | str | None = None,
    settings: ScoringSettings | None = None,
    *,
    out: Path | None = None,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda state: None,
    fault: Callable[[str], None] = lambda sentence: None,
) -> Scores:
    """Score every video of a manifest.

    Args:
        manifest: of videos, or of prepared clips.
        model: see :func:`facetell.engine.model_path`.
        settings: what is scored, see :class:`ScoringSettings`.
        out: score file to write. A run that was stopped is taken up from ``OUT.partial``; where the file is there
            already, made of the same things, it is read and nothing is scored.
        workers: processes, each with a model of its own and its share of the cores; 1 works in this very process.
        progress: called at the start and after each video.
        fault: called at the end with one sentence for each thing that went wrong.

    Returns:
        One row a clip, in the manifest's order; a video without a clip has one row with its status. The same, to the
        last bit, whatever the number of workers (but for the distortion VC, see ``docs/scoring.md``).

    Raises:
        FacetellError: the model or manifest is unfit, ``out`` is there or begun and made of other things, or it
            cannot be written.
    """
    settings = settings or ScoringSettings()
    if settings.splits:
        manifest = manifest.where(lambda entry: entry.split in settings.splits)
    jobs = jobs_of(manifest)
    _check(manifest, settings)
    detector = Detector(model, _detection(settings, workers))
    about = _about(detector, manifest, settings)
    with contextlib.ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facetell-")))
        else:
            if out.is_file():
                scores = _finished(out, about)
                shutil.rmtree(_partial(out), ignore_errors=True)
                return scores
            check_writable(out)
            folder = _partial(out)
            _claim(folder, about, out)
        _score_missing(jobs, manifest.root, detector, settings, folder, workers, progress)
        scores = _gather(jobs, folder, about, fault)
    if out is not None:
        write_scores(scores, out)
        shutil.rmtree(folder, ignore_errors=True)
    return scores


def _check(manifest: Manifest, settings: ScoringSettings) -> None:
    """Refuse what hours of work would not mend."""
    if not len(manifest):
        raise FacetellError(f"the manifest has no row of the split {', '.join(settings.splits)}; choose another")
    if not settings.conditions:
        raise FacetellError("there is nothing to score: name distortions, or let the clean videos be scored")
    if settings.distortions and any(entry.is_clip for entry in manifest):
        raise FacetellError(
            "distortions act on whole pictures, and prepared clips hold faces only; give the manifest of the videos"
        )
    if not any(manifest.file(entry).exists() for entry in manifest):
        if address_in(manifest.entries[0].path):
            raise FacetellError(missing_file(manifest.entries[0].path))
        raise FacetellError(
            f"none of the manifest's {len(manifest)} files is there (the first: {manifest.file(manifest.entries[0])}); "
            "paths are relative to the manifest's folder"
        )


def _detection(settings: ScoringSettings, workers: int) -> Any:
    threads = max(1, (os.cpu_count() or 1) // workers)
    return replace(settings.detection, threads=threads, threshold=None)


def _about(detector: Detector, manifest: Manifest, settings: ScoringSettings) -> dict[str, Any]:
    """What made the scores: nothing of when, where or by how many processes."""
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


def _partial(out: Path) -> Path:
    return out.with_name(f"{short_name(out.name, len('.partial'))}.partial")


def _finished(out: Path, about: Mapping[str, Any]) -> Scores:
    scores = read_scores(out)
    if scores.about != about:
        raise FacetellError(f"{out} is there already, {_difference(scores.about, about)}: choose another name")
    return scores


def _claim(folder: Path, about: Mapping[str, Any], out: Path) -> None:
    """Make the folder of a run, or make sure that the one that is there is of the same run."""
    path = folder / ABOUT
    if not path.exists():
        write_text(path, json.dumps(about, indent=1) + "\n")
        return
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise FacetellError(f"{path} is damaged: delete {folder} to score anew") from None
    if begun != about:
        raise FacetellError(
            f"{out} was begun {_difference(begun, about).removeprefix('made ')}: "
            f"finish it as it was begun, or delete {folder}"
        )


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What an older file was made with, in words."""
    words = {
        "model": "another model",
        "calibration": "another calibration of the model",
        "min_face_width": "another minimum face width of the model",
        "facetell": "another version of facetell",
        "engine": "another engine or precision",
        "settings": "other settings",
        "manifest": "another manifest",
    }
    return "made with " + next((word for key, word in words.items() if old.get(key) != new[key]), "something else")


def _score_missing(
    jobs: Sequence[Job],
    root: Path,
    detector: Detector,
    settings: ScoringSettings,
    folder: Path,
    workers: int,
    progress: Callable[[Progress], None],
) -> None:
    there = {path.name for path in folder.iterdir()}
    missing = [job for job in jobs if _name(job) not in there]
    found = len(jobs) - len(missing)
    progress(Progress(found, len(jobs), found))
    if workers == 1:
        finished: Iterator[Job] = (_work(job, root, detector, settings, folder) for job in missing)
    else:
        finished = _in_processes(missing, root, detector, settings, folder, min(workers, len(missing)))
    for done, job in enumerate(finished, found + 1):
        progress(Progress(done, len(jobs), found, job.video))


def _name(job: Job) -> str:
    return f"{job.number:07d}.json"


def _work(job: Job, root: Path, detector: Detector, settings: ScoringSettings, folder: Path) -> Job:
    write_text(folder / _name(job), score_job(job, root, detector, settings).to_json() + "\n")
    return job


def _in_processes(
    jobs: Sequence[Job], root: Path, detector: Detector, settings: ScoringSettings, folder: Path, workers: int
) -> Iterator[Job]:
    """Jobs as they are finished, in any order."""
    start = (detector.engine.path, detector.settings, root, settings, folder)
    return unordered(_work_here, jobs, workers, _start_worker, start, lambda job: job.video)


_here: tuple[Path, Detector, ScoringSettings, Path] | None = None


def _start_worker(model: Path, detection: Any, root: Path, settings: ScoringSettings, folder: Path) -> None:
    """Load the model."""
    global _here
    _here = (root, Detector(model, detection), settings, folder)


def _work_here(job: Job) -> Job:
    assert _here is not None
    root, detector, settings, folder = _here
    return _work(job, root, detector, settings, folder)


def _gather(jobs: Sequence[Job], folder: Path, about: Mapping[str, Any], fault: Callable[[str], None]) -> Scores:
    """The table of all jobs in their order."""
    columns: dict[str, list[Any]] = {}
    for job in jobs:
        path = folder / _name(job)
        try:
            outcome = Outcome.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError):  # the machine may have stopped before it was on disk
            raise FacetellError(f"{path} is damaged: delete it, and run the same command again") from None
        for sentence in outcome.faults:
            fault(sentence)
        for row in outcome.rows:
            for name, value in _cells(job, row).items():
                columns.setdefault(name, []).append(value)
    return from_columns(columns, about)


def _cells(job: Job, row: ClipRow) -> dict[str, Any]:
    """Every column of a row."""
    entry = job.entries[row.entry]
    own = {name: getattr(row, name) for name in ("distortion", "level", "track", "clip")}
    real = {name: float("nan") if getattr(row, name) is None else getattr(row, name) for name in REAL}
    of_entry = {name: getattr(entry, name) for name in _OF_ENTRY}
    label = -1 if entry.label is None else entry.label
    return of_entry | own | real | {"status": row.status.value, "label": label}

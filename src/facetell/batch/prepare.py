"""Crop the faces of all videos of a manifest into clips: ``facetell prepare``.

A real and the forgeries made from it are one job: the faces of the real are located, and the forgeries are cropped by
the same squares and get the same landmarks, so that they differ in the manipulation only. A video gets its line in the
ledger after its clips are in place; the manifest of the clips is written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from operator import itemgetter
from pathlib import Path

from facetell import __version__
from facetell.assets import ASSETS
from facetell.batch.journal import Journal, Line
from facetell.batch.locate import FaceFinder, Located, PrepareSettings, crop_segments, move_clips
from facetell.batch.run import LOST, Job, Outcome, Progress, Show, Work, claimed, complete, local_engine
from facetell.datasets.manifest import Entry, Manifest, fingerprint, write_manifest
from facetell.datasets.prepared import ABOUT, CLIPS, LEDGER, MANIFEST
from facetell.files import write_text
from facetell.types import FacetellError, describe

# Pixels; players assume another colour matrix for larger frames (high definition).
SMALLEST, LARGEST = 64, 640
NETWORKS = ("face_detector", "face_mesh")
LIBRARIES = ("av", "cv2", "openvino")
CUTTING = "3"  # increased when the same video gives other clips, so that no folder mixes both
WORK = ".work"
ITSELF = "itself"
PROBE_BYTES = 1 << 20
AGREED = 0.8  # share of the checks at which the faces of a real and of its forgery must agree

Rows = tuple[tuple[int, Entry], ...]
"""Rows of the manifest with their numbers. Faces are located in the first; the others, forgeries of it, are cropped by
the same squares. A job's task are such rows and the numbers of those that have no line in the ledger."""


def prepare(
    manifest: Manifest,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    workers: int = 1,
    progress: Show = lambda state: None,
) -> list[Line]:
    """Crop the faces of every video of a manifest into clips; resumes an earlier run into the same folder.

    Returns the ledger: one line per row of the manifest, in its order. ``workers`` is a number of processes; 1 works in
    the current process. FacetellError: the manifest holds prepared clips or a video twice, or ``out`` is of another
    manifest or other settings, is in use, or cannot be written.
    """
    settings = settings or PrepareSettings()
    if any(entry.is_clip for entry in manifest):
        raise FacetellError("the manifest names clips that are prepared already; give the manifest of the videos")
    if count := len(manifest) - len({entry.path for entry in manifest}):
        raise FacetellError(f"the manifest names {count} video{'s' * (count != 1)} twice; keep one row of each")
    if not SMALLEST <= settings.size <= LARGEST:
        raise FacetellError(f"clips have {SMALLEST} to {LARGEST} pixels a side, not {settings.size}; use another size")
    about = {
        "settings": asdict(settings),
        "manifest": fingerprint(manifest),
        "versions": {"facetell": __version__, "cutting": CUTTING}
        | {name: import_module(name).__version__ for name in LIBRARIES},
        "assets": {name: ASSETS[name].sha256 for name in NETWORKS},
    }
    with claimed(out, out / ABOUT, about, "prepare"):
        for folder in (CLIPS, WORK):
            (out / folder).mkdir(exist_ok=True)
        with contextlib.closing(Journal(out / LEDGER, itemgetter("row"))) as journal:
            jobs = []
            for rows in groups_of(manifest):
                if missing := {number for number, _ in rows if number not in journal}:
                    jobs.append(Job(rows[0][1].path, (rows, missing), videos=len(missing)))
            found = Progress("preparing", done=len(journal), total=len(manifest), found=len(journal))
            engine = local_engine(0 if workers == 1 else min(workers, len(jobs)))
            work = Work(Worker, (manifest.root.resolve(), out.resolve(), settings), _lost)
            for _ in complete(work, jobs, engine, journal, found, progress):
                pass
            ledger = [line for number in range(len(manifest)) if (line := journal.get(number))]
        write_text(out / LEDGER, "".join(json.dumps(line) + "\n" for line in ledger))
        write_manifest(Manifest(out, tuple(_rows(manifest, ledger, out))), out / MANIFEST)
        shutil.rmtree(out / WORK, ignore_errors=True)
    return ledger


def groups_of(manifest: Manifest) -> list[Rows]:
    """Reals with the forgeries made from them, in the order in which the manifest first names one of them."""
    reals = {entry.path: number for number, entry in enumerate(manifest) if entry.label == 0}
    groups: dict[int, list[int]] = {}
    for number, entry in enumerate(manifest):
        head = reals.get(entry.source, number) if entry.label == 1 else number
        group = groups.setdefault(head, [head])
        if number != head:
            group.append(number)
    return [tuple((number, manifest.entries[number]) for number in group) for group in groups.values()]


def _rows(manifest: Manifest, ledger: Sequence[Line], out: Path) -> Iterator[Entry]:
    """The rows of the clips; a video without a clip keeps its own row."""
    clips = {line["path"]: {clip["number"]: clip["path"] for clip in line["clips"]} for line in ledger}
    base = out.resolve()
    for entry, line in zip(manifest, ledger, strict=True):
        if not line["clips"]:
            where = manifest.file(entry).resolve()
            path = where.relative_to(base) if where.is_relative_to(base) else where
            yield replace(entry, path=path.as_posix(), origin=entry.path, source="")
        for clip in line["clips"]:
            same = {name: clip[name] for name in ("path", "track", "start", "end")}
            source = "" if line["located"] == ITSELF else clips[line["located"]].get(clip["number"], "")
            yield replace(entry, origin=entry.path, source=source, **same)


class Worker:
    """Does jobs in one process for the prepared folder ``out``; ``root`` is the folder of the manifest."""

    def __init__(self, root: Path, out: Path, settings: PrepareSettings) -> None:
        self._root, self._out, self._settings = root, out, settings
        self._finder = FaceFinder()

    def __call__(self, job: Job) -> Outcome:
        """The lines of the rows that have none, after their clips are in place and on disk.

        OSError: the prepared folder cannot be written; a fault of a video is recorded in its line.
        """
        rows, missing = job.task
        (number, first), *others = rows
        folder = self._out / WORK / f"{number:07d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            line, located = self._located(folder, number, first, "")
            lines = [line, *(self._like_real(folder, n, entry, first, located) for n, entry in others)]
            return Outcome(job, tuple(line for line in lines if line["row"] in missing))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _located(self, folder: Path, number: int, entry: Entry, note: str) -> tuple[Line, Located]:
        """Locate and crop the faces of one video."""
        path, points = self._root / entry.path, folder / str(number)
        points.mkdir()
        try:
            located = self._finder.locate(path, self._settings, points)
            clips = crop_segments(path, located.segments, points, self._settings.image_rate)
            if [clip["frames"] for clip in clips] != [segment.frames for segment in located.segments]:
                raise FacetellError("it is not decoded alike twice: copy it again")
            records = move_clips(clips, self._out / CLIPS, _name(entry))
        except Exception as error:  # of any kind: one video must not end a run of hours
            return _line(number, entry, note=note, reason=self._reason(error)), Located(())
        note = "; ".join(part for part in (note, *located.notes) if part)
        return _line(number, entry, note=note, reason=located.reason) | {"clips": records}, located

    def _like_real(self, folder: Path, number: int, entry: Entry, real: Entry, located: Located) -> Line:
        """Crop a forgery by the squares of its real; by its own faces if the two are not the same frame for frame."""
        checks: list[bool] = []
        path, rate, agrees = self._root / entry.path, self._settings.image_rate, self._finder.agrees
        try:
            if not located.segments:
                raise FacetellError("its real has no clip")
            if located.is_damaged:
                raise FacetellError("that one is damaged")
            clips = crop_segments(
                path, located.segments, folder, rate, located.info, lambda *seen: checks.append(agrees(*seen))
            )
            if not clips:
                raise FacetellError("it ends before the first face")
            if sum(checks) < AGREED * len(checks):
                raise FacetellError("its faces are elsewhere")
            records = move_clips(clips, self._out / CLIPS, _name(entry))
            return _line(number, entry, located=real.path) | {"clips": records}
        except Exception as error:  # reported again when its own faces are located
            note = f"not cropped like {real.path}: {self._reason(error)}"
        return self._located(folder, number, entry, note)[0]

    def _reason(self, error: Exception) -> str:
        """What is wrong with a video. OSError: the folder cannot be written, which an encoder may not report."""
        probe = self._out / WORK / f"probe-{os.getpid()}"
        probe.write_bytes(bytes(PROBE_BYTES))
        probe.unlink()
        return describe(error)


def _lost(job: Job) -> Outcome:
    """The outcome of a job at which processes were ended."""
    rows, missing = job.task
    return Outcome(job, tuple(_line(number, entry, reason=LOST) for number, entry in rows if number in missing))


def _line(number: int, entry: Entry, *, located: str = ITSELF, note: str = "", reason: str = "") -> Line:
    return {"row": number, "path": entry.path, "located": located, "note": note, "reason": reason, "clips": []}


def _name(entry: Entry) -> str:
    """Begins the names of a video's clips: its own name, and a hash, as several videos may have that name."""
    digest = hashlib.sha256(json.dumps([entry.path, entry.start, entry.end]).encode()).hexdigest()[:10]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(entry.path).stem)[:60]
    return f"{stem}-{digest}"

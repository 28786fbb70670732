"""Cut the faces of all videos of a manifest into clips: ``facetell prepare``.

A real and the forgeries made from it are one job: the faces of the real are located, and the forgeries are cropped by
the same squares and get the same landmarks, so that they differ in the manipulation only. A video gets its line in the
ledger after its clips are in place; the manifest of the clips is written last.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from operator import itemgetter
from pathlib import Path

from facetell import __version__
from facetell.assets import ASSETS, locate
from facetell.batch.cut import Cut, cut_kept, cut_stretches, move_cuts
from facetell.batch.journal import Journal, Line
from facetell.batch.local import local_engine
from facetell.batch.locate import Agreement, FaceFinder, Located, PrepareSettings, Stretch
from facetell.batch.run import LOST, Job, Outcome, Progress, Show, Work, claimed, complete, describe
from facetell.datasets.manifest import Entry, Manifest, write_manifest
from facetell.datasets.prepared import ABOUT, CLIPS, LEDGER, MANIFEST
from facetell.files import write_text
from facetell.types import FacetellError, UInt8Array
from facetell.video.source import open_video

# Pixels; players assume another colour matrix for larger frames (high definition).
SMALLEST, LARGEST = 64, 640
NETWORKS = ("face_detector", "face_mesh")
LIBRARIES = ("av", "cv2", "openvino")
CUTTING = "2"  # increased when the same video gives other clips, so that no folder mixes both
WORK = ".work"
ITSELF = "itself"
PROBE_BYTES = 1 << 20
FOLDER_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

Rows = tuple[tuple[int, Entry], ...]
"""The task of a job: rows of the manifest with their numbers. Faces are located in the first; the others, forgeries of
it, are cropped by the same squares."""


def prepare(
    manifest: Manifest,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    workers: int = 1,
    progress: Show = lambda state: None,
) -> list[Line]:
    """Cut the faces of every video of a manifest into clips; resumes an earlier run into the same folder.

    Args:
        manifest: of videos.
        out: folder for the clips, the ledger and the manifest of the clips.
        settings: how to cut.
        workers: processes; 1 works in the current process.
        progress: called at the start and after each job.

    Returns:
        The ledger: one line per row of the manifest, in its order.

    Raises:
        FacetellError: the manifest holds prepared clips or a video twice, or ``out`` is of another manifest or other
            settings, is in use, or cannot be written.
    """
    settings = settings or PrepareSettings()
    if any(entry.is_clip for entry in manifest):
        raise FacetellError("the manifest names clips that are prepared already; give the manifest of the videos")
    if count := manifest.doubled:
        raise FacetellError(f"the manifest names {count} video{'s' * (count != 1)} twice; keep one row of each")
    if not SMALLEST <= settings.size <= LARGEST:
        raise FacetellError(f"clips have {SMALLEST} to {LARGEST} pixels a side, not {settings.size}; use another size")
    for network in NETWORKS:
        locate(network)
    about = {
        "settings": asdict(settings),
        "manifest": manifest.fingerprint(),
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
                if missing := sum(number not in journal for number, _ in rows):
                    jobs.append(Job(rows[0][1].path, rows, videos=missing))
            found = Progress("preparing", done=len(journal), total=len(manifest), found=len(journal))
            engine = local_engine(0 if workers == 1 else min(workers, len(jobs)))
            work = Work(Worker, (manifest.root.resolve(), out.resolve(), settings), _lost)

            def new(work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
                for done in engine(work, jobs):  # a group is done again as a whole: what is in the ledger stays
                    yield replace(done, lines=tuple(line for line in done.lines if line["row"] not in journal))

            for _ in complete(work, jobs, new, journal, found, progress):
                pass
            ledger = [line for number in range(len(manifest)) if (line := journal.get(number))]
        write_text(out / LEDGER, "".join(json.dumps(line) + "\n" for line in ledger))
        write_manifest(Manifest(out, tuple(_rows(manifest, ledger, out))), out / MANIFEST)
        shutil.rmtree(out / WORK, ignore_errors=True)
    return ledger


def groups_of(manifest: Manifest) -> list[Rows]:
    """Reals with the forgeries made from them, in the order in which the manifest first names one of them."""
    reals = {(e.path, e.start, e.end): number for number, e in enumerate(manifest) if e.label == 0}
    groups: dict[int, list[int]] = {}
    for number, entry in enumerate(manifest):
        head = reals.get((entry.source, entry.start, entry.end), number) if entry.label == 1 else number
        group = groups.setdefault(head, [head])
        if number != head:
            group.append(number)
    return [tuple((number, manifest.entries[number]) for number in group) for group in groups.values()]


def _rows(manifest: Manifest, ledger: Sequence[Line], out: Path) -> Iterator[Entry]:
    """The rows of the clips; a video without a clip keeps its own row, so that it is counted when clips are scored."""
    real_clips = {
        (entry.path, entry.start, entry.end): {clip["number"]: clip["path"] for clip in line["clips"]}
        for entry, line in zip(manifest, ledger, strict=True)
        if line["located"] == ITSELF
    }
    base = out.resolve()
    for entry, line in zip(manifest, ledger, strict=True):
        if not line["clips"]:
            where = manifest.file(entry).resolve()
            path = where.relative_to(base) if where.is_relative_to(base) else where
            yield replace(entry, path=path.as_posix(), origin=entry.path, source="")
        like_real = line["located"] != ITSELF
        sources = real_clips[line["located"], entry.start, entry.end] if like_real else {}
        for clip in line["clips"]:
            same = {name: clip[name] for name in ("path", "track", "start", "end")}
            yield replace(entry, origin=entry.path, source=sources.get(clip["number"], ""), **same)


class Worker:
    """Does jobs in one process; the fields of the lines are described in ``docs/preparing.md``.

    ``root`` is the folder of the manifest, ``out`` the prepared folder.
    """

    def __init__(self, root: Path, out: Path, settings: PrepareSettings) -> None:
        self._root, self._out, self._settings = root, out, settings
        self._finder = FaceFinder()

    def __call__(self, job: Job) -> Outcome:
        """One line per row, after its clips are in place and on disk.

        Raises:
            OSError: the prepared folder cannot be written; a fault of a video is recorded in its line.
        """
        (number, first), *others = job.task
        folder = self._out / WORK / f"{number:07d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            line, located = self._located(folder, number, first, "")
            rest = [self._like_real(folder, other_number, other, first, located) for other_number, other in others]
            return Outcome(job, (line, *rest))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _located(self, folder: Path, number: int, entry: Entry, note: str) -> tuple[Line, Located]:
        """Locate and cut the faces of one video."""
        path, codec, rate = self._root / entry.path, self._settings.codec, self._settings.image_rate
        points = folder / str(number)
        points.mkdir()
        kept: dict[Path, Cut] = {}

        def keep(stretch: Stretch, parts: UInt8Array, fps: float | None) -> None:
            kept[stretch.points] = cut_kept(stretch, parts, fps, folder, codec)

        try:
            end = math.inf if entry.end is None else entry.end
            located = self._finder.locate(path, self._settings, points, entry.start or 0.0, end, keep)
            cuts, _ = cut_stretches(path, located.stretches, folder, codec, made=kept, image_rate=rate)
            if [cut.frames for cut in cuts] != [stretch.frames for stretch in located.stretches]:
                raise FacetellError("it is decoded differently each time; copy it again")
            clips = move_cuts(cuts, self._out / CLIPS, _name(entry))
        except Exception as error:  # of any kind: one video must not end a run of hours
            return _line(number, entry, note=note, reason=self._reason(error)), Located(())
        note = "; ".join(part for part in (note, *located.notes) if part)
        return _line(number, entry, note=note, reason=located.reason) | {"clips": clips}, located

    def _like_real(self, folder: Path, number: int, entry: Entry, real: Entry, located: Located) -> Line:
        """Cut a forgery by the squares of its real; by its own faces if the two are not the same frame for frame."""
        note = "its real has no clip"
        if located.stretches:
            try:
                note = self._differs(entry, real, located)
                if not note:
                    agreement = Agreement(self._finder.mesh)
                    cut = partial(cut_stretches, look=agreement.look, image_rate=self._settings.image_rate)
                    cuts, damage = cut(self._root / entry.path, located.stretches, folder, self._settings.codec)
                    if damage:
                        note = damage[0]
                    elif not cuts:
                        note = "it ends before the first face"
                    elif not agreement.holds:
                        note = "its faces are elsewhere"
                    else:
                        clips = move_cuts(cuts, self._out / CLIPS, _name(entry))
                        return _line(number, entry, located=real.path) | {"clips": clips}
            except Exception as error:  # reported again when its own faces are located
                note = self._reason(error)
        return self._located(folder, number, entry, f"not cut like {real.path}: {note}")[0]

    def _differs(self, entry: Entry, real: Entry, located: Located) -> str:
        """How a forgery differs from its real, as far as the file headers tell; "" if it does not."""
        if located.is_damaged:
            return "that one is damaged"
        rate = self._settings.image_rate
        with (
            open_video(self._root / real.path, threads=1, image_rate=rate) as one,
            open_video(self._root / entry.path, threads=1, image_rate=rate) as other,
        ):
            a, b = one.info, other.info
        if (a.width, a.height) != (b.width, b.height):
            return f"its frames are {b.width}x{b.height}, not {a.width}x{a.height}"
        if abs((a.fps or 0) - (b.fps or 0)) > 0.01 * (a.fps or 1):
            return f"it has {b.fps or 0:.5g} frames per second, not {a.fps or 0:.5g}"
        return ""

    def _reason(self, error: Exception) -> str:
        """What is wrong with a video.

        Raises:
            OSError: the fault is that of the prepared folder, not of the video.
        """
        cause: BaseException | None = error
        while cause is not None:
            number = getattr(cause, "errno", None)
            if number in FOLDER_FAULTS:
                raise OSError(number, os.strerror(number)) from None
            cause = cause.__cause__
        probe = self._out / WORK / f"probe-{os.getpid()}"  # the error of an encoder may not tell that the disk is full
        probe.write_bytes(bytes(PROBE_BYTES))
        probe.unlink()
        return describe(error)


def _lost(job: Job) -> Outcome:
    """The outcome of a job at which processes were ended."""
    return Outcome(job, tuple(_line(number, entry, reason=LOST) for number, entry in job.task))


def _line(number: int, entry: Entry, *, located: str = ITSELF, note: str = "", reason: str = "") -> Line:
    return {"row": number, "path": entry.path, "located": located, "note": note, "reason": reason, "clips": []}


def _name(entry: Entry) -> str:
    """Begins the names of a video's clips: its own name, and a hash, as several videos may have that name."""
    digest = hashlib.sha256(json.dumps([entry.path, entry.start, entry.end]).encode()).hexdigest()[:10]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(entry.path).stem)[:60]
    return f"{stem}-{digest}"

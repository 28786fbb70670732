"""Cut the faces out of all videos of a manifest, once: ``facetell prepare``.

A real and the forgeries that were made from it are one task. The real's faces are located; the forgeries are cut by the
real's squares and carry its landmarks, so that nothing but the forging tells them apart. Each video that is done has a
line in the ledger, written after its clips lie in their places; the manifest comes last. So a run may end at any moment
and go on later, and what it makes does not depend on when it ended or on how many processes worked.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path

from facetell import __version__
from facetell.assets import ASSETS, locate
from facetell.datasets.ledger import append_line, open_ledger, write_ledger
from facetell.datasets.manifest import Entry, Manifest, write_manifest
from facetell.datasets.prepare_faces import PrepareSettings
from facetell.datasets.prepare_work import ITSELF, WORK, Line, Task, Worker, failed, start_worker, work
from facetell.datasets.prepared import ABOUT, CLIPS, LEDGER, MANIFEST
from facetell.files import write_text
from facetell.processes import ProcessEnded, unordered
from facetell.types import FacetellError

# Pixels; players take larger pictures for high definition, whose colours are coded otherwise.
SMALLEST, LARGEST = 64, 640
ADVICE = "make room in memory, and run the same command again to go on"
NETWORKS = ("face_detector", "face_mesh")
LIBRARIES = ("av", "cv2", "openvino")
CUTTING = "2"  # raised when the same video comes to give other clips, so that no folder mixes both


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: videos ``done`` of ``total``, ``found`` of these from an earlier run, the ``last`` one."""

    done: int
    total: int
    found: int
    last: str = ""


def prepare(
    manifest: Manifest,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda state: None,
) -> list[Line]:
    """Cut the faces out of every video of a manifest; goes on where an earlier run of the same stopped.

    Args:
        manifest: of videos.
        out: folder for the clips, the ledger and the manifest of the clips.
        settings: how to cut.
        workers: processes; 1 works in this very process.
        progress: called at the start and after each task.

    Returns:
        The ledger: one line a row of the manifest, in its order.

    Raises:
        FacetellError: the manifest holds clips that were cut already or a video twice, ``out`` is of another manifest
            or of other settings, is at work in another run, or cannot be written.
    """
    settings = settings or PrepareSettings()
    if any(entry.is_clip for entry in manifest):
        raise FacetellError("the manifest names clips that are prepared already; give the manifest of the videos")
    if count := manifest.doubled:
        raise FacetellError(f"the manifest names {count} video{'s' * (count != 1)} twice; keep one row of each")
    if not SMALLEST <= settings.size <= LARGEST:
        raise FacetellError(f"clips have {SMALLEST} to {LARGEST} pixels a side, not {settings.size}; take another size")
    try:
        with _claimed(out, manifest, settings):
            return _run(manifest, out, settings, workers, progress)
    except OSError as error:
        reason = error.strerror or error
        raise FacetellError(f"{out} cannot be written ({reason}); mend that, and run the same command again") from None


def _run(
    manifest: Manifest, out: Path, settings: PrepareSettings, workers: int, progress: Callable[[Progress], None]
) -> list[Line]:
    for folder in (CLIPS, WORK):
        (out / folder).mkdir(exist_ok=True)
    lines = {line["row"]: line for line in open_ledger(out / LEDGER)}
    tasks = [task for task in tasks_of(manifest) if any(number not in lines for number, _ in task.rows)]
    found = len(lines)
    progress(Progress(found, len(manifest), found))
    places = (manifest.root.resolve(), out.resolve(), settings)
    for done in _one_by_one(tasks, places) if workers == 1 else _side_by_side(tasks, places, workers):
        for line in done:
            if line["row"] not in lines:
                append_line(out / LEDGER, line)
                lines[line["row"]] = line
        progress(Progress(len(lines), len(manifest), found, done[0]["path"]))
    ledger = [lines[number] for number in sorted(lines)]
    write_ledger(out / LEDGER, ledger)
    write_manifest(Manifest(out, tuple(_rows(manifest, ledger, out))), out / MANIFEST)
    shutil.rmtree(out / WORK, ignore_errors=True)
    return ledger


def tasks_of(manifest: Manifest) -> list[Task]:
    """Reals with the forgeries made from them, in the order in which the manifest first names one of them."""
    reals = {(e.path, e.start, e.end): number for number, e in enumerate(manifest) if e.label == 0}
    groups: dict[int, list[int]] = {}
    for number, entry in enumerate(manifest):
        head = reals.get((entry.source, entry.start, entry.end), number) if entry.label == 1 else number
        group = groups.setdefault(head, [head])
        if number != head:
            group.append(number)
    return [Task(tuple((number, manifest.entries[number]) for number in group)) for group in groups.values()]


@contextlib.contextmanager
def _claimed(out: Path, manifest: Manifest, settings: PrepareSettings) -> Iterator[None]:
    """Make the folder of a run, or make sure that the one that is there is of the same run and that nobody is at it."""
    for network in NETWORKS:
        locate(network)
    if out.exists() and not out.is_dir():
        raise FacetellError(f"{out} is a file; name a folder for the clips")
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however that ends
        except BlockingIOError:
            raise FacetellError(f"another `facetell prepare` is at work in {out}; wait for its end") from None
        for left in out.glob(".*.tmp"):  # of a file that was being written when a run was ended
            left.unlink()
        _compare(out, manifest, settings)
        yield
    finally:
        os.close(handle)


def _compare(out: Path, manifest: Manifest, settings: PrepareSettings) -> None:
    """Write down what the run is of, or compare it with what stands there."""
    about = {
        "settings": asdict(settings),
        "manifest": manifest.fingerprint(),
        "versions": {"facetell": __version__, "cutting": CUTTING}
        | {name: import_module(name).__version__ for name in LIBRARIES},
        "assets": {name: ASSETS[name].sha256 for name in NETWORKS},
    }
    path = out / ABOUT
    if not path.exists():
        if any(out.iterdir()):
            raise FacetellError(f"{out} holds something else already; choose a new folder")
        write_text(path, json.dumps(about, indent=1) + "\n")
        return
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
        differs = next((key for key in about if begun[key] != about[key]), None)
    except (ValueError, KeyError, TypeError):
        raise FacetellError(f"{path} is not what `facetell prepare` wrote; choose a new folder") from None
    if differs is not None:
        words = {"settings": "other settings", "manifest": "another manifest", "versions": "other versions of software"}
        raise FacetellError(
            f"{out} was begun with {words.get(differs, 'other networks')} (see {ABOUT} there); "
            "go on as it was begun, or choose a new folder"
        )


Places = tuple[Path, Path, PrepareSettings]


def _one_by_one(tasks: list[Task], places: Places) -> Iterator[list[Line]]:
    if tasks:
        worker = Worker(*places)
        yield from (worker(task) for task in tasks)


def _side_by_side(tasks: list[Task], places: Places, workers: int) -> Iterator[list[Line]]:
    """The lines of each task, as they are done.

    Where a process is ended from outside, the tasks that were at work are done again one at a time: there may have been
    too little memory for several. One over which a process of its own ends, too, has failed.

    Raises:
        FacetellError: that happened to two in a row: the fault is not theirs.
    """
    waiting = {task.rows[0][0]: task for task in tasks}
    suspects: list[Task] = []
    lost = ""
    while waiting:
        alone = suspects.pop(0) if suspects else None
        batch = [alone] if alone else list(waiting.values())
        try:
            for lines in unordered(work, batch, min(workers, len(batch)), start_worker, places, lambda task: task.name):
                del waiting[lines[0]["row"]]
                lost = ""
                yield lines
        except ProcessEnded as error:
            if alone is None:
                suspects = [task for task in error.tasks if task.rows[0][0] in waiting]
            elif lost:
                raise ProcessEnded(
                    f"processes were ended from outside at {lost} and at {alone.name}; {ADVICE}"
                ) from None
            else:
                lost = alone.name
                del waiting[alone.rows[0][0]]
                yield failed(alone, "its process was ended from outside; there may be too little memory for it")


def _rows(manifest: Manifest, ledger: list[Line], out: Path) -> Iterator[Entry]:
    """The manifest of the clips; a video without one stands there itself, so that it is counted where it is scored."""
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
        beside = line["located"] != ITSELF
        sources = real_clips[line["located"], entry.start, entry.end] if beside else {}
        for clip in line["clips"]:
            yield replace(
                entry,
                path=clip["path"],
                origin=entry.path,
                track=clip["track"],
                start=clip["start"],
                end=clip["end"],
                source=sources.get(clip["number"], ""),
            )

"""Cut the faces out of all videos of a manifest, once: ``facetell prepare``.

A real and the forgeries that were made from it are one task. The real's faces are located; the forgeries are cut by the
real's squares and carry its landmarks, so that nothing but the forging tells them apart. Each video that is done has a
line in the ledger, written after its clips lie in their places; the manifest comes last. So a run may end at any moment
and go on later, and what it makes does not depend on when it ended or on how many processes worked.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from facetell import __version__
from facetell.assets import ASSETS
from facetell.datasets.ledger import append_line, open_ledger, write_ledger
from facetell.datasets.manifest import Entry, Manifest, write_manifest
from facetell.datasets.prepare_cuts import Cut, Locator, PrepareSettings, Stretch, cut_stretches, move_to
from facetell.datasets.prepared import ABOUT, CLIPS, LEDGER, MANIFEST
from facetell.media.pictures import open_video
from facetell.processes import unordered
from facetell.report.result import write_text
from facetell.types import FacetellError

WORK = ".work"
ALIKE = 0.02  # share by which a forgery's number of pictures may differ from its real's


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: videos ``done`` of ``total``, ``found`` of these from an earlier run, the ``last`` one."""

    done: int
    total: int
    found: int
    last: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows of the manifest, with their numbers there, that are prepared together: the first is located."""

    rows: tuple[tuple[int, Entry], ...]


Line = dict[str, Any]
"""Of the ledger: ``row`` (number in the manifest), ``path``, ``located`` ("itself" or the path of the real whose faces
were taken), ``reason`` ("" or why there is no clip), ``clips`` (``path``, ``track``, ``number``, ``frames``, ``start``,
``end``)."""


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
        FacetellError: the manifest holds clips that were cut already, ``out`` is of another manifest or of other
            settings, or it cannot be written.
    """
    settings = settings or PrepareSettings()
    if any(entry.is_clip for entry in manifest):
        raise FacetellError("the manifest names clips that are prepared already; give the manifest of the videos")
    if settings.size < 64:
        raise FacetellError(f"clips of {settings.size} pixels are too small to be of use; take at least 64")
    _claim(out, manifest, settings)
    lines = {line["row"]: line for line in open_ledger(out / LEDGER)}
    tasks = [task for task in tasks_of(manifest) if any(number not in lines for number, _ in task.rows)]
    found = len(lines)
    progress(Progress(found, len(manifest), found))
    root = manifest.root.resolve()
    for done in _finished(tasks, root, out.resolve(), settings, workers):
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
    reals = {entry.path: number for number, entry in enumerate(manifest) if entry.label == 0}
    groups: dict[int, list[int]] = {}
    for number, entry in enumerate(manifest):
        head = reals.get(entry.source, number) if entry.label == 1 and entry.source != entry.path else number
        other = manifest.entries[head]
        if (other.start, other.end) != (entry.start, entry.end):
            head = number
        groups.setdefault(head, [head])
        if head != number:
            groups[head].append(number)
    return [Task(tuple((number, manifest.entries[number]) for number in group)) for group in groups.values()]


def _claim(out: Path, manifest: Manifest, settings: PrepareSettings) -> None:
    """Make the folder of a run, or make sure that the one that is there is of the same run."""
    about = {
        "settings": asdict(settings),
        "manifest": manifest.fingerprint(),
        "facetell": __version__,
        "assets": {name: ASSETS[name].sha256 for name in ("face_detector", "face_mesh")},
    }
    path = out / ABOUT
    if path.exists():
        begun = json.loads(path.read_text(encoding="utf-8"))
        for key, words in (("settings", "other settings"), ("manifest", "another manifest")):
            if begun.get(key) != about[key]:
                raise FacetellError(f"{out} was begun with {words}: go on as it was begun, or choose another folder")
        if begun != about:
            raise FacetellError(f"{out} was begun by another version of facetell: choose another folder")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FacetellError(f"{out} is there already and holds something else: choose a new folder")
    write_text(path, json.dumps(about, indent=1) + "\n")


def _finished(
    tasks: list[Task], root: Path, out: Path, settings: PrepareSettings, workers: int
) -> Iterator[list[Line]]:
    if not tasks:
        return
    for folder in (CLIPS, WORK):
        (out / folder).mkdir(exist_ok=True)
    start = (root, out, settings)
    if workers == 1:
        _ready(*start)
        yield from (_work(task) for task in tasks)
    else:
        yield from unordered(_work, tasks, min(workers, len(tasks)), _ready, start, lambda task: task.rows[0][1].path)


_here: tuple[Locator, Path, Path, PrepareSettings] | None = None


def _ready(root: Path, out: Path, settings: PrepareSettings) -> None:
    """Load the networks that find faces."""
    global _here
    cv2.setNumThreads(1)  # processes share the cores
    _here = (Locator(), root, out, settings)


def _work(task: Task) -> list[Line]:
    assert _here is not None
    locator, root, out, settings = _here
    (number, first), *others = task.rows
    folder = out / WORK / f"{number:07d}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stretches: list[Stretch] = []
    try:
        line, stretches = _located(locator, root, out, settings, folder, number, first)
        lines = [line]
        for other_number, other in others:
            alike = _alike(root, out, settings, folder, other_number, other, first, stretches)
            lines.append(alike or _located(locator, root, out, settings, folder, other_number, other)[0])
        return lines
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _located(
    locator: Locator, root: Path, out: Path, settings: PrepareSettings, folder: Path, number: int, entry: Entry
) -> tuple[Line, list[Stretch]]:
    """Find and cut the faces of one video; whatever is wrong with it becomes the reason in its line."""
    try:
        path = root / entry.path
        points = folder / f"points-{number}"
        points.mkdir()
        end = math.inf if entry.end is None else entry.end
        stretches, reason = locator.stretches(path, settings, points, entry.start or 0.0, end)
        cuts = cut_stretches(path, stretches, folder, _name(entry), settings.codec) if stretches else []
        return _line(number, entry, "itself", reason, _moved(cuts, out)), stretches
    except Exception as error:  # whatever it is: hours of other videos must not end with this one
        return _line(number, entry, "itself", _sentence(error), []), []


def _alike(
    root: Path,
    out: Path,
    settings: PrepareSettings,
    folder: Path,
    number: int,
    entry: Entry,
    real: Entry,
    stretches: list[Stretch],
) -> Line | None:
    """Cut a forgery where its real was cut; None where they are not the same frame for frame, or it cannot be read."""
    try:
        if not stretches or not _same_frames(root / real.path, root / entry.path):
            return None
        cuts = cut_stretches(root / entry.path, stretches, folder, _name(entry), settings.codec)
        return _line(number, entry, real.path, "", _moved(cuts, out))
    except Exception:  # located for itself, it tells what is wrong with it
        return None


def _same_frames(real: Path, forged: Path) -> bool:
    """Whether two videos have the same size and rate, and (nearly) as many pictures, as far as they tell."""
    with open_video(real, threads=1) as a, open_video(forged, threads=1) as b:
        one, other = a.info, b.info
    counts = one.n_frames, other.n_frames
    return (
        (one.width, one.height) == (other.width, other.height)
        and abs((one.fps or 0) - (other.fps or 0)) <= 0.01 * (one.fps or 1)
        and (None in counts or abs(counts[0] - counts[1]) <= max(2, ALIKE * counts[0]))  # type: ignore[operator]
    )


def _moved(cuts: list[Cut], out: Path) -> list[dict[str, Any]]:
    clips = []
    for number, cut in enumerate(cuts):
        *_, file = move_to(cut, out / CLIPS)
        place = {"path": f"{CLIPS}/{file.name}", "track": cut.track, "number": number}
        clips.append(place | {"frames": cut.frames, "start": cut.start, "end": cut.end})
    return clips


def _line(number: int, entry: Entry, located: str, reason: str, clips: list[dict[str, Any]]) -> Line:
    return {"row": number, "path": entry.path, "located": located, "reason": reason, "clips": clips}


def _name(entry: Entry) -> str:
    """Begins the names of a video's clips: what it is called, and a hash that tells it from its namesakes."""
    digest = hashlib.sha256(json.dumps([entry.path, entry.start, entry.end]).encode()).hexdigest()[:10]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(entry.path).stem)[:60]
    return f"{stem}-{digest}"


def _rows(manifest: Manifest, ledger: list[Line], out: Path) -> Iterator[Entry]:
    """The manifest of the clips; a video without one stands there itself, so that it is counted where it is scored."""
    clips_of = {line["path"]: line["clips"] for line in ledger if line["located"] == "itself"}
    for entry, line in zip(manifest, ledger, strict=True):
        if not line["clips"]:
            where = manifest.file(entry).resolve()
            base = out.resolve()
            path = where.relative_to(base) if where.is_relative_to(base) else where
            yield replace(entry, path=path.as_posix(), origin=entry.path, source="")
        for clip in line["clips"]:
            source = ""
            if line["located"] != "itself":
                source = clips_of[line["located"]][clip["number"]]["path"]
            yield replace(
                entry,
                path=clip["path"],
                origin=entry.path,
                track=clip["track"],
                start=clip["start"],
                end=clip["end"],
                source=source,
            )


def _sentence(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0]
    return text if isinstance(error, FacetellError) else f"{type(error).__name__}: {text}"

"""One task of ``facetell prepare``: a real and the forgeries that were made from it, cut in one process."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from facetell.datasets.manifest import Entry
from facetell.datasets.prepare_cuts import Cut, KeptCuts, cut_stretches, move_cuts
from facetell.datasets.prepare_faces import Agreement, FaceFinder, Located, PrepareSettings
from facetell.datasets.prepared import CLIPS
from facetell.types import FacetellError
from facetell.video.source import open_video

WORK = ".work"
ITSELF = "itself"
PROBE_BYTES = 1 << 20
FOLDER_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

Line = dict[str, Any]
"""Of the ledger, of one row of the manifest: ``row`` (its number), ``path``, ``located`` ("itself", or the path of the
real by which it was cut), ``note`` (what else is to be known), ``reason`` ("" or why there is no clip) and ``clips``:
``path``, ``number`` (a forgery's clip and its real's have the same), ``track``, ``frames``, ``start``, ``end``."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows of the manifest, with their numbers there, that are prepared together: the first is located."""

    rows: tuple[tuple[int, Entry], ...]

    @property
    def name(self) -> str:
        """Path of the first."""
        return self.rows[0][1].path


class Worker:
    """Does tasks; made once a process.

    Args:
        root: folder of the manifest.
        out: folder of the clips.
        settings: how to cut.
    """

    def __init__(self, root: Path, out: Path, settings: PrepareSettings) -> None:
        self._root, self._out, self._settings = root, out, settings
        self._finder = FaceFinder()

    def __call__(self, task: Task) -> list[Line]:
        """One line a row; its clips are in their places and on disk.

        Raises:
            FacetellError: the folder of the clips cannot be written; whatever is wrong with a video is said in its
                line.
        """
        (number, first), *others = task.rows
        folder = self._out / WORK / f"{number:07d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            line, located = self._located(folder, number, first, "")
            lines = [line]
            for other_number, other in others:
                lines.append(self._beside(folder, other_number, other, first, located))
            return lines
        except OSError as error:
            raise _unwritable(self._out, error) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _located(self, folder: Path, number: int, entry: Entry, note: str) -> tuple[Line, Located]:
        """Find and cut the faces of one video."""
        path = self._root / entry.path
        points = folder / str(number)
        points.mkdir()
        located = Located(())
        try:
            now = KeptCuts(folder, self._settings.codec)
            located = self._finder.locate(path, self._settings, points, *_span(entry), now)
            cuts: list[Cut] = []
            if located.stretches:
                name, stretches = _name(entry), located.stretches
                made = now.named(stretches, name)
                codec, rate = self._settings.codec, self._settings.image_rate
                cuts, _ = cut_stretches(path, stretches, folder, name, codec, made=made, image_rate=rate)
                if [cut.frames for cut in cuts] != [stretch.frames for stretch in stretches]:
                    raise FacetellError("it reads differently each time; copy it anew")
            move_cuts(cuts, self._out / CLIPS)
        except Exception as error:  # whatever it is: hours of other videos must not end with this one
            return _line(number, entry, ITSELF, note, self._reason(error), []), Located(())
        note = "; ".join(part for part in (note, *located.notes) if part)
        return _line(number, entry, ITSELF, note, located.reason, cuts), located

    def _beside(self, folder: Path, number: int, entry: Entry, real: Entry, located: Located) -> Line:
        """Cut a forgery where its real was cut; where the two are not the same frame for frame, by its own faces."""
        note = "its real has no clip"
        if located.stretches:
            try:
                note = self._differs(entry, real, located)
                if not note:
                    agreement = Agreement(self._finder.mesh)
                    cuts, damage = cut_stretches(
                        self._root / entry.path,
                        located.stretches,
                        folder,
                        _name(entry),
                        self._settings.codec,
                        agreement.look,
                        image_rate=self._settings.image_rate,
                    )
                    note = _why_apart(cuts, damage, agreement)
                    if not note:
                        move_cuts(cuts, self._out / CLIPS)
                        return _line(number, entry, real.path, "", "", cuts)
            except Exception as error:  # located for itself, it will tell what is wrong with it
                note = self._reason(error)
        return self._located(folder, number, entry, f"not cut like {real.path}: {note}")[0]

    def _differs(self, entry: Entry, real: Entry, located: Located) -> str:
        """In what a forgery differs from its real, as far as the two files tell; "" in nothing."""
        if located.is_damaged:
            return "that one is damaged"
        rate = self._settings.image_rate
        with (
            open_video(self._root / real.path, threads=1, image_rate=rate) as one,
            open_video(self._root / entry.path, threads=1, image_rate=rate) as other,
        ):
            a, b = one.info, other.info
        if (a.width, a.height) != (b.width, b.height):
            return f"its pictures are {b.width}x{b.height}, not {a.width}x{a.height}"
        if abs((a.fps or 0) - (b.fps or 0)) > 0.01 * (a.fps or 1):
            return f"it has {b.fps or 0:.5g} frames a second, not {a.fps or 0:.5g}"
        return ""

    def _reason(self, error: Exception) -> str:
        """What is wrong with a video, in a sentence.

        Raises:
            FacetellError: it is not the video, but the folder of the clips, that fails.
        """
        cause: BaseException | None = error
        while cause is not None:
            if getattr(cause, "errno", None) in FOLDER_FAULTS:
                raise _unwritable(self._out, cause) from None
            cause = cause.__cause__
        probe = self._out / WORK / f"probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
            probe.unlink()
        except OSError as fault:
            raise _unwritable(self._out, fault) from None
        text = (str(error).strip().splitlines() or [""])[0]
        return text if isinstance(error, FacetellError) else f"{type(error).__name__}: {text}"


_worker: Worker | None = None


def start_worker(root: Path, out: Path, settings: PrepareSettings) -> None:
    """Make this process ready for :func:`work`."""
    global _worker
    cv2.setNumThreads(1)  # processes share the cores
    _worker = Worker(root, out, settings)


def work(task: Task) -> list[Line]:
    """Do a task in a process that :func:`start_worker` made ready."""
    assert _worker is not None
    return _worker(task)


def failed(task: Task, reason: str) -> list[Line]:
    """The lines of a task that could not be done."""
    return [_line(number, entry, ITSELF, "", reason, []) for number, entry in task.rows]


def _span(entry: Entry) -> tuple[float, float]:
    return entry.start or 0.0, math.inf if entry.end is None else entry.end


def _why_apart(cuts: Sequence[Cut], damage: tuple[str, ...], agreement: Agreement) -> str:
    """Why a forgery that was cut like its real should not have been; "" where all is well."""
    if damage:
        return damage[0]
    if not cuts:
        return "it ends before the first face"
    return "" if agreement.holds else "its faces are elsewhere"


def _line(number: int, entry: Entry, located: str, note: str, reason: str, cuts: Sequence[Cut]) -> Line:
    clips = [
        {
            "path": f"{CLIPS}/{cut.file.name}",
            "number": cut.number,
            "track": cut.track,
            "frames": cut.frames,
            "start": cut.start,
            "end": cut.end,
        }
        for cut in cuts
    ]
    return {"row": number, "path": entry.path, "located": located, "note": note, "reason": reason, "clips": clips}


def _name(entry: Entry) -> str:
    """Begins the names of a video's clips: what it is called, and a hash that tells it from its namesakes."""
    digest = hashlib.sha256(json.dumps([entry.path, entry.start, entry.end]).encode()).hexdigest()[:10]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(entry.path).stem)[:60]
    return f"{stem}-{digest}"


def _unwritable(out: Path, error: BaseException) -> FacetellError:
    text = getattr(error, "strerror", None) or error
    return FacetellError(f"{out} cannot be written ({text}); make room there, and run the same command again to go on")

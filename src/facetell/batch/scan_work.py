"""What is done with one video of a scan, in any process on any machine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from facetell.batch.journal import Line
from facetell.batch.run import LOST, Job, Outcome
from facetell.batch.scan_source import Item, look
from facetell.detector import Detector, Settings
from facetell.engine import DEFAULT_MODEL
from facetell.processes import ended_if_silent
from facetell.report.words import plain_text
from facetell.types import FacetellError, Status, Verdict, VideoVerdict, describe
from facetell.video.frame import Unreadable
from facetell.video.source import content_sha256, open_video

CHANGED = "it changed while it was being scanned: run the same command again once it is complete"
HERE = "\0"
"""Stands for the name of the video in messages: no name holds it, and one content may have several names."""
SILENT = 600.0  # seconds without a frame after which a process is considered stuck
SLOWEST = 10e6  # bytes per second: for its hash, a file is read to its end without a frame, which may take longer
_VERDICT = TypeAdapter(VideoVerdict)
COLUMNS = (
    *("video", "status", "verdict", "probability", "low", "high", "threshold", "logit", "faces", "clips"),
    *("worst_t0", "worst_t1", "worst_probability", "duration", "width", "height", "fps", "sha256", "duplicate_of"),
    *("message", "warnings"),
)


def make_detector(model: Path | str = DEFAULT_MODEL, settings: Settings | None = None) -> Detector:
    """The detector of a process that shares the cores with others: always with one thread."""
    return Detector(model, replace(settings or Settings(), threads=1))


def make_scorer(model: Path, settings: Settings, provenance: Mapping[str, object]) -> Callable[[Job], Outcome]:
    """The function that scores videos. FacetellError: this process has another ``provenance`` than that of the scan."""
    detector = make_detector(model, settings)
    here = detector(Path(os.devnull)).provenance
    for name, expected in provenance.items():
        if here.get(name) != expected:
            raise FacetellError(
                f"the machine {os.uname().nodename} has another {name} than the one that started the scan "
                f"({here.get(name)}, not {expected}); install the same on both"
            )
    return partial(score, detector)


def score(detector: Detector, job: Job) -> Outcome:
    """Score a video; never raises. This process ends if no frame is decoded for :data:`SILENT` s (more if large)."""
    item: Item = job.task
    if fault := _why_gone(item):
        return Outcome(job, fault=fault)
    try:
        with ended_if_silent(SILENT + job.size / SLOWEST) as alive:
            verdict = detector(item.path, lambda seconds, duration: alive())
    except Exception as error:  # of any kind: one video must not end a run of days
        verdict = unreadable(item.path, f"{item.path} cannot be decoded ({describe(error)})", {})
    if (content := verdict.sha256 or content_sha256(item.path)) is None:
        return Outcome(job, fault=verdict.message.replace(item.path, item.name))
    if fault := _why_gone(item):
        return Outcome(job, fault=fault)
    return _found(job, content, to_record(verdict))


def hash_content(job: Job) -> Outcome:
    """Hash the content of a video, without decoding it."""
    content = content_sha256(job.task.path)
    if fault := _why_gone(job.task, content):
        return Outcome(job, fault=fault)
    return Outcome(job, (_file_line(job.task, content),))


def lost(job: Job) -> Outcome:
    """The outcome of a video at which processes were ended."""
    if (hashed := hash_content(job)).fault:
        return hashed
    return _found(job, hashed.lines[0]["content"], to_record(unreadable(HERE, f"{HERE}: {LOST}", {})))


def _found(job: Job, content: str | None, record: dict[str, Any]) -> Outcome:
    item: Item = job.task
    verdict = {"content": content, "suffix": item.suffix, "size": item.size, "verdict": record}
    return Outcome(job, (_file_line(item, content), verdict), record["message"] if is_unreadable(verdict) else "")


def _file_line(item: Item, content: str | None) -> Line:
    return {"file": item.name, "stamp": item.stamp, "content": content}


def is_unreadable(line: Line) -> bool:
    """Whether a line of the journal is the verdict on a video of which no frame could be read."""
    record = line.get("verdict", {"status": Status.SCORED, "width": None})
    return VideoVerdict("", Status(record["status"]), Verdict.NONE, None, None, width=record["width"]).has_no_frame


def to_record(verdict: VideoVerdict) -> dict[str, Any]:
    """The verdict as plain JSON values of full precision, without path, provenance and time spent."""
    fields = asdict(replace(verdict, provenance={}))
    fields["message"] = verdict.message.replace(verdict.path, HERE)
    fields["warnings"] = [warning.replace(verdict.path, HERE) for warning in verdict.warnings]
    for name in ("path", "seconds_spent", "provenance"):
        del fields[name]
    record: dict[str, Any] = json.loads(json.dumps(fields, default=lambda value: value.item()))  # NumPy numbers
    return record


def from_record(record: Mapping[str, Any], name: str, provenance: Mapping[str, object]) -> VideoVerdict:
    """Undo :func:`to_record`, for a video called ``name``."""
    verdict = _VERDICT.validate_python({**record, "path": name, "provenance": dict(provenance)})
    warnings = tuple(warning.replace(HERE, name) for warning in verdict.warnings)
    return replace(verdict, message=verdict.message.replace(HERE, name), warnings=warnings)


def unreadable(name: str, message: str, provenance: Mapping[str, object]) -> VideoVerdict:
    """The verdict on a video that could not be read."""
    return VideoVerdict(name, Status.UNREADABLE, Verdict.NONE, None, None, message=message, provenance=dict(provenance))


def _why_gone(item: Item, content: str | None = "") -> str:
    """Why a file is not as it was listed, or has no ``content`` although it is; "" if neither."""
    try:
        if look(item.path)[1] != item.stamp:
            return f"{item.name}: {CHANGED}"
        if content is not None:
            return ""
        with open_video(item.path):
            pass
    except Unreadable as error:
        return str(error).replace(item.path, item.name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{item.name} was there and is gone ({reason}): fix that, and run the same command again"
    return f"{item.name} cannot be read: check the disk or the network, and run the same command again"


def cells(verdict: VideoVerdict, same: str) -> dict[str, Any]:
    """A row of the table; ``same`` is the video of the same content that was scored, "" if this one was."""
    worst, ranked = verdict.most_suspect, verdict.ranked
    low, high = verdict.interval or (None, None)
    names = ("probability", "threshold", "duration", "width", "height", "fps", "sha256")
    return {name: getattr(verdict, name) for name in names} | {
        "video": plain_text(verdict.path),
        "status": verdict.status.value,
        "verdict": verdict.verdict.value,
        "low": low,
        "high": high,
        "logit": ranked[0].logit if ranked else None,
        "faces": len(verdict.tracks),
        "clips": sum(len(track.clips) for track in verdict.tracks),
        "worst_t0": worst.t0 if worst else None,
        "worst_t1": worst.t1 if worst else None,
        "worst_probability": worst.probability if worst else None,
        "duplicate_of": plain_text(same),
        "message": plain_text(verdict.message),
        "warnings": plain_text("; ".join(verdict.warnings)),
    }

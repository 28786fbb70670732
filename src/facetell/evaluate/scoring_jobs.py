"""What there is to score: the videos of a manifest with their parts, the conditions, and the rows that come out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from facetell.datasets.manifest import Entry, Manifest, Split
from facetell.detector import Settings
from facetell.distort import BEYOND, KINDS, PUBLISHED
from facetell.distort.kinds import LEVELS
from facetell.engine import ModelInfo
from facetell.types import FacetellError, Status, TrackVerdict
from facetell.verdict import why_not_scored

Condition = tuple[str, int]
"""A distortion's code and level."""
CLEAN: Condition = ("", 0)
LONGEST_CLIP = 1.0
"""Seconds; a clip that begins before a part's end may last so much longer."""


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """What is scored of a manifest.

    Attributes:
        detection: as for :class:`facetell.detector.Detector`; ``threads`` and ``threshold`` are of no account here.
        distortions: codes and levels, see :func:`conditions`.
        clean: whether the videos are scored as they are, too.
        splits: only these; all where there is none.
    """

    detection: Settings = field(default_factory=Settings)
    distortions: tuple[Condition, ...] = ()
    clean: bool = True
    splits: tuple[Split, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All that each video is scored under, the clean one first."""
        return (CLEAN,) * self.clean + self.distortions

    def about(self) -> dict[str, Any]:
        """What a score file says of the settings."""
        return {
            "clips_per_second": self.detection.clips_per_second,
            "max_faces": self.detection.max_faces,
            **({"max_clips": self.detection.max_clips} if self.detection.max_clips else {}),
            **({"image_rate": self.detection.image_rate} if self.detection.image_rate else {}),
            "distortions": [f"{code}:{level}" for code, level in self.distortions],
            "clean": self.clean,
            "splits": list(self.splits),
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One video: its number in the manifest's order, its name, and its rows there (parts, or prepared faces)."""

    number: int
    video: str
    entries: tuple[Entry, ...]

    def part_of(self, t0: float, t1: float) -> int | None:
        """The entry in which the middle of a clip lies; None where there is none."""
        return next((number for number, entry in enumerate(self.entries) if inside(entry, t0, t1)), None)

    @property
    def until(self) -> float:
        """Seconds from which on no clip belongs to any part; infinity where the last part is the video's end."""
        return max(_end(entry) for entry in self.entries) + LONGEST_CLIP


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A row of a score file, without what its manifest's row says; ``entry`` is that row's place in the job."""

    entry: int
    status: Status
    distortion: str = ""
    level: int = 0
    track: int = -1
    clip: int = -1
    t0: float | None = None
    t1: float | None = None
    logit: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of one job: rows, and one sentence for each thing that went wrong."""

    rows: tuple[ClipRow, ...]
    faults: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line of text; floats keep every bit."""
        rows = [[getattr(row, field.name) for field in fields(row)] for row in self.rows]
        return json.dumps({"rows": rows, "faults": list(self.faults)})

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Undo :meth:`to_json`."""
        content = json.loads(text)
        rows = (ClipRow(entry, Status(status), *rest) for entry, status, *rest in content["rows"])
        return cls(tuple(rows), tuple(content["faults"]))


def conditions(words: Sequence[str]) -> tuple[Condition, ...]:
    """Distortions by name: ``GB:3``, ``VC:1-5``, ``GNC`` (all levels), ``all`` (the published), ``own`` (the others).

    They come in the order of :data:`facetell.distort.KINDS`, each once.

    Raises:
        FacetellError: a word names no distortion or no level.

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


def jobs_of(manifest: Manifest) -> list[Job]:
    """The videos of a manifest, by dataset and path, in order of their first row.

    Raises:
        FacetellError: a video is named twice, or its parts overlap: no moment can have two labels.
    """
    videos: dict[tuple[str, str], list[Entry]] = {}
    for entry in manifest:
        videos.setdefault((entry.dataset, entry.video), []).append(entry)
    jobs = [Job(number, video, tuple(entries)) for number, ((_, video), entries) in enumerate(videos.items())]
    for job in jobs:
        _check(job)
    return jobs


def _check(job: Job) -> None:
    whole = sorted((entry for entry in job.entries if not entry.is_clip), key=_start)
    if whole and len(whole) < len(job.entries):
        raise FacetellError(f"{job.video} is there itself and as prepared clips: leave out one of them")
    if len({entry.path for entry in job.entries if entry.is_clip}) < len(job.entries) - len(whole):
        raise FacetellError(f"{job.video} has a prepared clip that is named twice: leave out one of the rows")
    for before, after in pairwise(whole):
        if _start(after) < _end(before):
            raise FacetellError(
                f"the manifest names {job.video} twice, or parts of it that overlap (at {_start(after):g} s): "
                "leave out one of the rows"
            )


def rows_of(
    job: Job, tracks: Sequence[TrackVerdict], condition: Condition, info: ModelInfo, duration: float | None
) -> list[ClipRow]:
    """The rows of one reading of a video: its clips by track and time, then the parts of which none was scored.

    Args:
        job: the video; a clip belongs to the part in which its middle lies.
        tracks: what was seen and scored.
        condition: of the reading.
        info: of the model, for why a part was not scored.
        duration: of the video in seconds, None if unknown.
    """
    rows, scored = [], set()
    for track in tracks:
        parts = ((job.part_of(clip.t0, clip.t1), clip) for clip in sorted(track.clips, key=lambda clip: clip.t0))
        for number, (part, clip) in enumerate((part, clip) for part, clip in parts if part is not None):
            rows.append(ClipRow(part, Status.SCORED, *condition, track.track_id, number, clip.t0, clip.t1, clip.logit))
            scored.add(part)
    for number, entry in enumerate(job.entries):
        if number not in scored:
            seen = [track for track in tracks if track.t0 < _end(entry) and track.t1 >= _start(entry)]
            over = duration is not None and _start(entry) >= duration
            rows.append(ClipRow(number, Status.TOO_SHORT if over else why_not_scored(seen, info)[0], *condition))
    return rows


def failed(job: Job, condition: Condition, status: Status = Status.UNREADABLE) -> list[ClipRow]:
    """The rows of a video of which nothing was scored, all for one reason."""
    return [ClipRow(number, status, *condition) for number in range(len(job.entries))]


def inside(entry: Entry, t0: float, t1: float) -> bool:
    """Whether the middle of a clip lies in the part that an entry speaks of."""
    return _start(entry) <= (t0 + t1) / 2 < _end(entry)


def span_test(job: Job) -> Callable[[float, float], bool]:
    """Whether a clip belongs to a part of the video."""
    return lambda t0, t1: job.part_of(t0, t1) is not None


def _start(entry: Entry) -> float:
    return entry.start or 0.0


def _end(entry: Entry) -> float:
    return math.inf if entry.end is None else entry.end

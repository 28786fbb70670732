"""What is scored (the videos of a manifest and their parts, the conditions), and the rows of a score file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from facetell.datasets.manifest import Entry, Manifest, Split
from facetell.detector import Settings
from facetell.distort import BEYOND, KINDS, PUBLISHED
from facetell.distort.kinds import LEVELS
from facetell.engine import ModelInfo
from facetell.evaluate.scores import WORDS
from facetell.types import FacetellError, Status, TrackVerdict
from facetell.verdict import why_not_scored

Condition = tuple[str, int]
"""A distortion's code and level."""
CLEAN: Condition = ("", 0)
LONGEST_CLIP = 1.0
"""Seconds; a clip that begins before the end of a part may last this much longer."""
_OF_ENTRY = tuple(name for name in WORDS if name not in ("status", "distortion"))


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """What is scored of a manifest.

    Attributes:
        detection: as for :class:`facetell.detector.Detector`; ``threads`` and ``threshold`` are ignored.
        distortions: codes and levels, see :func:`conditions`.
        clean: score the clean videos as well.
        splits: score only these; empty for all.
    """

    detection: Settings = field(default_factory=Settings)
    distortions: tuple[Condition, ...] = ()
    clean: bool = True
    splits: tuple[Split, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions under which each video is scored, the clean one first."""
        return (CLEAN,) * self.clean + self.distortions

    def about(self) -> dict[str, Any]:
        """The settings as they are recorded in a score file."""
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
class VideoRows:
    """One video: its number in the order of the manifest, its name, and its rows (parts, or prepared clips)."""

    number: int
    name: str
    entries: tuple[Entry, ...]

    def part_of(self, t0: float, t1: float) -> int | None:
        """Number of the entry that holds the middle of a clip; None if there is none."""
        return next((number for number, entry in enumerate(self.entries) if inside(entry, t0, t1)), None)

    def holds(self, t0: float, t1: float) -> bool:
        """Whether a clip belongs to one of the entries."""
        return self.part_of(t0, t1) is not None

    @property
    def until(self) -> float:
        """Seconds from which on no clip belongs to an entry; infinity if the last entry has no end."""
        return max(_end(entry) for entry in self.entries) + LONGEST_CLIP


class ClipRow(NamedTuple):
    """A row of a score file without the columns of the manifest; ``entry`` is the number of the video's entry."""

    entry: int
    status: Status
    distortion: str = ""
    level: int = 0
    track: int = -1
    clip: int = -1
    t0: float | None = None
    t1: float | None = None
    logit: float | None = None


def cells(video: VideoRows, row: ClipRow) -> dict[str, Any]:
    """The columns of a row of a score file; those without a value are missing."""
    entry = video.entries[row.entry]
    own = {name: value for name, value in row._asdict().items() if value is not None and value == value}  # not NaN
    of_entry = {name: getattr(entry, name) for name in _OF_ENTRY}
    return of_entry | own | {"status": str(row.status), "label": -1 if entry.label is None else entry.label}


def conditions(words: Sequence[str]) -> tuple[Condition, ...]:
    """Distortions by name: ``GB:3``, ``VC:1-5``, ``GNC`` (all levels), ``all`` (the published), ``own`` (the others).

    They are in the order of :data:`facetell.distort.KINDS`, each once.

    Raises:
        FacetellError: a name is not that of a distortion, or of a level.

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


def videos_of(manifest: Manifest) -> list[VideoRows]:
    """The videos of a manifest, by dataset and path, in order of their first row.

    Raises:
        FacetellError: a video is named twice, or its parts overlap: no moment can have two labels.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in manifest:
        groups.setdefault((entry.dataset, entry.video), []).append(entry)
    videos = [VideoRows(number, name, tuple(group)) for number, ((_, name), group) in enumerate(groups.items())]
    for video in videos:
        _check(video)
    return videos


def _check(video: VideoRows) -> None:
    parts = sorted((entry for entry in video.entries if not entry.is_clip), key=_start)
    if parts and len(parts) < len(video.entries):
        raise FacetellError(f"the manifest names {video.name} and prepared clips of it: leave out one of them")
    clips = [entry.path for entry in video.entries if entry.is_clip]
    if len({*clips}) < len(clips):
        raise FacetellError(f"{video.name} has a prepared clip that is named twice: leave out one of the rows")
    for before, after in pairwise(parts):
        if _start(after) < _end(before):
            raise FacetellError(
                f"the manifest names {video.name} twice, or parts of it that overlap (at {_start(after):g} s): "
                "leave out one of the rows"
            )


def rows_of(
    video: VideoRows, tracks: Sequence[TrackVerdict], condition: Condition, info: ModelInfo, duration: float | None
) -> list[ClipRow]:
    """The rows of one video under one condition: its clips by track and time, then the parts without a scored clip.

    A clip belongs to the part that holds its middle. ``duration`` is in seconds, None if unknown.
    """
    rows, scored = [], set()
    for track in tracks:
        parts = ((video.part_of(clip.t0, clip.t1), clip) for clip in sorted(track.clips, key=lambda clip: clip.t0))
        for number, (part, clip) in enumerate((part, clip) for part, clip in parts if part is not None):
            rows.append(ClipRow(part, Status.SCORED, *condition, track.track_id, number, clip.t0, clip.t1, clip.logit))
            scored.add(part)
    for number, entry in enumerate(video.entries):
        if number not in scored:
            seen = [track for track in tracks if track.t0 < _end(entry) and track.t1 >= _start(entry)]
            over = duration is not None and _start(entry) >= duration
            rows.append(ClipRow(number, Status.TOO_SHORT if over else why_not_scored(seen, info)[0], *condition))
    return rows


def failed(video: VideoRows, condition: Condition, status: Status = Status.UNREADABLE) -> list[ClipRow]:
    """The rows of a video of which nothing was scored, all with one status."""
    return [ClipRow(number, status, *condition) for number in range(len(video.entries))]


def inside(entry: Entry, t0: float, t1: float) -> bool:
    """Whether the middle of a clip lies in the part of the video that an entry is for."""
    return _start(entry) <= (t0 + t1) / 2 < _end(entry)


def _start(entry: Entry) -> float:
    return entry.start or 0.0


def _end(entry: Entry) -> float:
    return math.inf if entry.end is None else entry.end

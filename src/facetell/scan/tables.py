"""The tables of a scan: one row a video, a face, a clip. Written a piece at a time, whatever their length."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facetell.evaluate.scores import REAL, WHOLE, WORDS
from facetell.evaluate.scoring_jobs import ClipRow, Job
from facetell.report.words import plain_text
from facetell.types import TrackVerdict, VideoVerdict

PIECE = 1 << 12
"""Rows that are turned into columns together."""
GROUP = 1 << 17
"""Rows of a row group of the file."""

VIDEOS = {
    "video": "string",
    "status": "string",
    "verdict": "string",
    "probability": "double",
    "low": "double",
    "high": "double",
    "threshold": "double",
    "logit": "double",
    "faces": "int32",
    "clips": "int32",
    "worst_t0": "double",
    "worst_t1": "double",
    "worst_probability": "double",
    "duration": "double",
    "width": "int32",
    "height": "int32",
    "fps": "double",
    "sha256": "string",
    "duplicate_of": "string",
    "message": "string",
    "warnings": "string",
}
_OF_VIDEO = ("probability", "threshold", "duration", "width", "height", "fps", "sha256")
TRACKS = {
    "video": "string",
    "track": "int32",
    "status": "string",
    "probability": "double",
    "low": "double",
    "high": "double",
    "logit": "double",
    "t0": "double",
    "t1": "double",
    "face_width": "double",
    "clips": "int32",
}
SCORES = {**dict.fromkeys(WORDS, "string"), **dict.fromkeys(WHOLE, "int32"), **dict.fromkeys(REAL, "double")}
"""As :func:`facetell.evaluate.scores.write_scores` has them."""
_OF_ENTRY = tuple(name for name in WORDS if name not in ("status", "distortion"))


class Table:
    """A Parquet file that grows row by row; the same rows give the same bytes.

    Args:
        path: the file.
        columns: names and kinds.
        about: what made it, kept under the metadata key ``facetell``.

    Raises:
        OSError: the file cannot be written (here and later).
    """

    def __init__(self, path: Path, columns: Mapping[str, str], about: Mapping[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        kinds = {"string": pyarrow.string(), "double": pyarrow.float64(), "int32": pyarrow.int32()}
        metadata = {"facetell": json.dumps(about, sort_keys=True)}
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()], metadata)
        self._rows: list[Mapping[str, Any]] = []
        self._pieces: list[Any] = []
        self._waiting = 0
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row, which has every column; None is an empty cell."""
        self._rows.append(row)
        if len(self._rows) == PIECE:
            self._gather()
            if self._waiting == GROUP:
                self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left."""
        if kind is None:
            self._gather()
            self._flush()
        self._writer.close()

    def _gather(self) -> None:
        columns = [
            self._arrow.array([row[field.name] for row in self._rows], type=field.type) for field in self._schema
        ]
        self._pieces.append(self._arrow.table(columns, schema=self._schema))
        self._waiting += len(self._rows)
        self._rows = []

    def _flush(self) -> None:
        # In one piece: how rows were gathered must not show in the file.
        self._writer.write_table(self._arrow.concat_tables(self._pieces).combine_chunks(), row_group_size=GROUP)
        self._pieces, self._waiting = [], 0


def video_cells(verdict: VideoVerdict, same: str) -> dict[str, Any]:
    """A row of the table of videos; ``same`` is the video that was scored in its stead, "" where itself was."""
    worst = verdict.most_suspect
    logits = [track.logit for track in verdict.tracks if track.logit is not None]
    cells = {name: getattr(verdict, name) for name in _OF_VIDEO}
    return cells | {
        "video": plain_text(verdict.path),
        "status": verdict.status.value,
        "verdict": verdict.verdict.value,
        "low": verdict.interval[0] if verdict.interval else None,
        "high": verdict.interval[1] if verdict.interval else None,
        "logit": max(logits, default=None),
        "faces": len(verdict.tracks),
        "clips": sum(len(track.clips) for track in verdict.tracks),
        "worst_t0": worst.t0 if worst else None,
        "worst_t1": worst.t1 if worst else None,
        "worst_probability": worst.probability if worst else None,
        "duplicate_of": plain_text(same),
        "message": plain_text(verdict.message),
        "warnings": plain_text("; ".join(verdict.warnings)),
    }


def track_cells(verdict: VideoVerdict, track: TrackVerdict) -> dict[str, Any]:
    """A row of the table of faces."""
    cells = {name: getattr(track, name) for name in ("probability", "logit", "t0", "t1", "face_width")}
    return cells | {
        "video": plain_text(verdict.path),
        "track": track.track_id,
        "status": track.status.value,
        "low": track.interval[0] if track.interval else None,
        "high": track.interval[1] if track.interval else None,
        "clips": len(track.clips),
    }


def score_cells(job: Job, row: ClipRow) -> dict[str, Any]:
    """A row of the score file."""
    entry = job.entries[row.entry]
    own = {name: getattr(row, name) for name in ("distortion", "level", "track", "clip")}
    real = {name: _number(getattr(row, name)) for name in REAL}
    of_entry = {name: getattr(entry, name) for name in _OF_ENTRY}
    label = -1 if entry.label is None else entry.label
    return of_entry | own | real | {"status": row.status.value, "label": label}


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value

"""Write the results of a scan from its journal: one video after the other, in the order of the corpus."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from facetell.batch.rows import CLEAN, ScoringSettings, VideoRows, cells, failed, rows_of
from facetell.batch.scan_source import Item
from facetell.batch.scan_work import from_record, unreadable
from facetell.batch.score import about_model
from facetell.datasets.manifest import Entry, fingerprint
from facetell.detector import Detector
from facetell.evaluate.scores import COLUMNS, WHOLE, WORDS
from facetell.report.page import Summary
from facetell.report.result import to_result
from facetell.report.words import plain_text
from facetell.types import NOT_READ, Status, TrackVerdict, VideoVerdict

if TYPE_CHECKING:
    from facetell.batch.scan import Corpus

ERRORS, VERDICTS, SUMMARY, ABOUT = "errors.csv", "results.jsonl", "summary.html", "about.json"
FILES = ("videos.parquet", "tracks.parquet", "scores.parquet", VERDICTS, ERRORS, SUMMARY, ABOUT)
MISSED = "it was not scored: run the same command again"

GROUP = 1 << 14  # rows that are held in memory and written together, as a row group of the file

VIDEOS = (
    *("video", "status", "verdict", "probability", "low", "high", "threshold", "logit", "faces", "clips"),
    *("worst_t0", "worst_t1", "worst_probability", "duration", "width", "height", "fps", "sha256", "duplicate_of"),
    *("message", "warnings"),
)
TRACKS = ("video", "track", "status", "probability", "low", "high", "logit", "t0", "t1", "face_width", "clips")
_STRINGS = {*WORDS, "verdict", "sha256", "duplicate_of", "message", "warnings"}
_INTEGERS = {*WHOLE, "faces", "clips", "width", "height"}


@dataclass(slots=True)
class Counts:
    """Numbers of videos by status and by verdict, of duplicates, and of rows of the error table.

    ``left_out`` says which other files the folder holds, see :class:`facetell.video.find.LeftOut`.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    errors: int = 0
    left_out: str = ""

    def summary(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "videos": self.statuses.total(),
            "statuses": dict(sorted(self.statuses.items())),
            "verdicts": dict(sorted(self.verdicts.items())),
            "duplicates": self.duplicates,
            "errors": self.errors,
        }


def write_results(corpus: Corpus, out: Path, detector: Detector, provenance: Mapping[str, Any]) -> Counts:
    """Write all result files; they replace earlier ones when the last of them is complete.

    Raises:
        OSError: the folder cannot be written.
    """
    temporary = {name: out / f".{name}.tmp" for name in FILES}
    try:
        with ExitStack() as stack:
            counts = _write(corpus, temporary, detector, provenance, stack)
        for name, path in temporary.items():
            path.replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return counts


def _write(
    corpus: Corpus, paths: Mapping[str, Path], detector: Detector, provenance: Mapping[str, Any], stack: ExitStack
) -> Counts:
    counts = Counts(left_out=str(corpus.left_out))
    in_manifest = corpus.source.rows()

    def rows_for(item: Item) -> VideoRows:
        """The rows of the manifest for a video; without a manifest one row, which has its name only."""
        return in_manifest.get(item.name) or VideoRows(0, item.name, (Entry(plain_text(item.name), None, "test"),))

    entries = (entry for item in corpus if not item.is_search for entry in rows_for(item).entries)
    about = about_model(detector) | {
        "settings": ScoringSettings(detector.settings).about(),
        "manifest": fingerprint(entries),
    }
    if corpus.shard.count > 1:
        about["shard"] = str(corpus.shard)
    videos, tracks, scores = (
        stack.enter_context(closing(Table(paths[f"{name}.parquet"], columns, about)))
        for name, columns in (("videos", VIDEOS), ("tracks", TRACKS), ("scores", COLUMNS))
    )
    lines = _text(stack, paths[VERDICTS])
    errors = csv.writer(_text(stack, paths[ERRORS]), lineterminator="\n", quoting=csv.QUOTE_ALL)  # or "\r" breaks lines
    errors.writerow(("path", "reason"))
    page = Summary(about, detector.threshold)
    for item, record, same in corpus.verdicts():
        if record is None:
            verdict = unreadable(item.name, corpus.faults.get(item.name, f"{item.name}: {MISSED}"), provenance)
        else:
            verdict = from_record(record, item.name, provenance)
        if verdict.status is Status.UNREADABLE:
            # The exact path, even if a spreadsheet would take it for a formula: it must name the file.
            errors.writerow((plain_text(item.name), plain_text(verdict.message)))
            counts.errors += 1
        if item.is_search:
            continue
        counts.statuses[verdict.status.value] += 1
        counts.verdicts[verdict.verdict.value] += 1
        counts.duplicates += bool(same)
        lines.write(json.dumps(to_result([verdict])["videos"][0], ensure_ascii=False) + "\n")
        videos.add(video_cells(verdict, same))
        for track in verdict.tracks:
            tracks.add(track_cells(verdict, track))
        video = rows_for(item)
        if verdict.status in NOT_READ:
            rows = failed(video, CLEAN, verdict.status)
        else:
            rows = rows_of(video, verdict.tracks, CLEAN, detector.engine.info, verdict.duration)
        for row in rows:
            scores.add(cells(video, row))
        page.add(verdict, same)
    _text(stack, paths[SUMMARY]).write(page.html(counts.summary()))
    _text(stack, paths[ABOUT]).write(json.dumps(about | {"counts": counts.summary()}, indent=1) + "\n")
    return counts


def _text(stack: ExitStack, path: Path) -> TextIO:
    return stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))


class Table:
    """A Parquet file that grows row by row; the same rows give the same bytes.

    ``about`` is stored under the metadata key ``facetell``.

    Raises:
        OSError: the file cannot be written (here and later).
    """

    def __init__(self, path: Path, columns: Sequence[str], about: Mapping[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        strings, integers, reals = pyarrow.string(), pyarrow.int32(), pyarrow.float64()
        kinds = [(n, strings if n in _STRINGS else integers if n in _INTEGERS else reals) for n in columns]
        self._schema = pyarrow.schema(kinds, {"facetell": json.dumps(about, sort_keys=True)})
        self._rows: list[dict[str, Any]] = []
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._table = pyarrow.Table

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; a cell that is missing or None is null."""
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def video_cells(verdict: VideoVerdict, same: str) -> dict[str, Any]:
    """A row of the table of videos; ``same`` is the video of the same content that was scored, "" if this one was."""
    worst = verdict.most_suspect
    logits = [track.logit for track in verdict.tracks if track.logit is not None]
    names = ("probability", "threshold", "duration", "width", "height", "fps", "sha256")
    return {name: getattr(verdict, name) for name in names} | {
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
    names = ("probability", "logit", "t0", "t1", "face_width")
    return {name: getattr(track, name) for name in names} | {
        "video": plain_text(verdict.path),
        "track": track.track_id,
        "status": track.status.value,
        "low": track.interval[0] if track.interval else None,
        "high": track.interval[1] if track.interval else None,
        "clips": len(track.clips),
    }

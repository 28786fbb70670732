"""Write the results of a scan from its journal: one video after the other, in the order of the corpus."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from facetell.batch.scan_work import COLUMNS, cells, from_record, unreadable
from facetell.batch.score import ScoringSettings, about_scores
from facetell.datasets.manifest import Entry
from facetell.detector import Detector
from facetell.report.page import Summary
from facetell.report.result import to_result
from facetell.report.words import plain_text

if TYPE_CHECKING:
    from facetell.batch.scan import Corpus

FILES = ("videos.parquet", "results.jsonl", "errors.csv", "summary.html", "about.json")
TABLE, VERDICTS, ERRORS, SUMMARY, ABOUT = FILES
MISSED = "it was not scored: run the same command again"
GROUP = 1 << 14  # rows that are held in memory and written together, as a row group of the file
_STRINGS = ("video", "status", "verdict", "sha256", "duplicate_of", "message", "warnings")
_INTEGERS = ("faces", "clips", "width", "height")


@dataclass(slots=True)
class Counts:
    """Numbers of videos by status and by verdict, of duplicates, and of rows of the error table."""

    statuses: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    errors: int = 0
    left_out: str = ""  # other files of the folder, see facetell.video.find.LeftOut

    def summary(self) -> dict[str, Any]:
        """As JSON values."""
        counts = {name: dict(sorted(getattr(self, name).items())) for name in ("statuses", "verdicts")}
        return {"videos": self.statuses.total(), **counts, "duplicates": self.duplicates, "errors": self.errors}


def write_results(
    corpus: Corpus, out: Path, detector: Detector, provenance: Mapping[str, Any], language: str
) -> Counts:
    """Write all result files, which replace earlier ones once all are complete. OSError: the folder is not writable."""
    temporary = {name: out / f".{name}.tmp" for name in FILES}
    try:
        counts = _write(corpus, temporary, detector, provenance, language)
        for name, path in temporary.items():
            path.replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return counts


def _write(
    corpus: Corpus, paths: Mapping[str, Path], detector: Detector, provenance: Mapping[str, Any], language: str
) -> Counts:
    counts = Counts(left_out=str(corpus.left_out))
    names = (plain_text(item.name) for item in corpus if not item.is_search)
    about = about_scores(detector, ScoringSettings(), (Entry(name, None, "test") for name in names))
    if corpus.shard.count > 1:
        about["shard"] = str(corpus.shard)
    with ExitStack() as stack:
        table = stack.enter_context(closing(Table(paths[TABLE], about)))
        lines = _text(stack, paths[VERDICTS])
        # Without quotes, "\r" would break lines.
        errors = csv.writer(_text(stack, paths[ERRORS]), lineterminator="\n", quoting=csv.QUOTE_ALL)
        errors.writerow(("path", "reason"))
        page = Summary(about, detector.threshold)
        for item, record, same in corpus.verdicts():
            if record is None:
                verdict = unreadable(item.name, corpus.faults.get(item.name, f"{item.name}: {MISSED}"), provenance)
            else:
                verdict = from_record(record, item.name, provenance)
            if verdict.has_no_frame:
                # The exact path, even if a spreadsheet would take it for a formula: it must name the file.
                errors.writerow((plain_text(item.name), plain_text(verdict.message)))
                counts.errors += 1
            if item.is_search:
                continue
            counts.statuses[verdict.status.value] += 1
            counts.verdicts[verdict.verdict.value] += 1
            counts.duplicates += bool(same)
            lines.write(json.dumps(to_result([verdict])["videos"][0], ensure_ascii=False) + "\n")
            table.add(cells(verdict, same))
            page.add(verdict, same)
        _text(stack, paths[SUMMARY]).write(page.html(counts.summary(), language))
        _text(stack, paths[ABOUT]).write(json.dumps(about | {"counts": counts.summary()}, indent=1) + "\n")
    return counts


def _text(stack: ExitStack, path: Path) -> TextIO:
    return stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))


class Table:
    """The Parquet file of :data:`COLUMNS`; ``about`` is its metadata ``facetell``. OSError: it cannot be written."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = dict.fromkeys(COLUMNS, pyarrow.float64())
        kinds |= dict.fromkeys(_STRINGS, pyarrow.string()) | dict.fromkeys(_INTEGERS, pyarrow.int32())
        self._schema = pyarrow.schema([*kinds.items()], {"facetell": json.dumps(about, sort_keys=True)})
        self._rows: list[dict[str, Any]] = []
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._table = pyarrow.Table

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; a cell that is None is null."""
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

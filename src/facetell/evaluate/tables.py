"""Tables of an evaluation: what was measured, written for people, every video counted, no figure without its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetell.evaluate.figures import ALL, CLEAN, MEAN, Counts, Figure, Grid, measure
from facetell.evaluate.protocols import Protocol, Published, read_published
from facetell.evaluate.runs import Run, gather
from facetell.metrics.calibration import calibration_of
from facetell.metrics.intervals import DRAWS, Estimate
from facetell.metrics.measures import MEASURES

DASH = "–"
NOT_THERE = "not in the score files"
NO_INTERVAL = "no interval: too few people to resample"
HEADINGS = {
    "model": "model",
    "unit": "level",
    "dataset": "benchmark",
    "compression": "compression",
    "method": "forgery",
    "distortion": "distortion",
    "level": "level",
    "reals_of": "reals of",
    "fakes_of": "forgeries of",
    "held_out": "held out",
    "motion": "motion",
    "anomaly": "anomaly block",
}
PLAIN = ("brier", "log_loss", "ece")
"""Measures that are written as they are, to three decimals; the others in percent, to one, as the literature does."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a word, a count or a figure in ``text``; its 95 % ``interval``; ``mark`` points to a note."""

    text: str
    interval: str = ""
    mark: str = ""
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is printed.

    Attributes:
        title: its caption.
        caption: what is counted, and how.
        head: headings, the first ``stub`` of them those of the rows' names.
        rows: as many cells each.
        notes: what the marks in the cells say, and which parts are not there.
        counts: the videos behind each cell, where they differ from column to column; else None.
    """

    title: str
    caption: str
    head: tuple[str, ...]
    stub: int
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    counts: Table | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of score files under a protocol; ``draws`` are those of the bootstrap."""

    protocol: Protocol
    split: str
    draws: int
    runs: tuple[Run, ...]
    grids: tuple[Grid, ...]
    tables: tuple[Table, ...]
    published: tuple[Published, ...]


def evaluate(
    named: Sequence[tuple[str, Path]], protocol: Protocol, *, split: str | None = None, draws: int = DRAWS
) -> Evaluation:
    """All tables of a protocol.

    Args:
        named: label ("" for none) and path of each score file; files of one model are joined.
        protocol: see :func:`facetell.evaluate.protocols.read_protocol`.
        split: "train", "val" or "test"; None: the protocol's own.
        draws: of the bootstrap; 0: no intervals.

    Raises:
        FacetellError: a score file cannot be read, or does not hold what the protocol needs.
    """
    split = split or protocol.split
    runs = gather(named, protocol, split)
    known: dict[bytes, Figure] = {}
    measured = (measure(runs, protocol, spec, draws=draws, known=known) for spec in protocol.tables)
    grids = tuple(grid for grid in measured if grid.rows)
    tables = tuple(write_table(grid, protocol, split, runs) for grid in grids)
    return Evaluation(
        protocol, split, draws, runs, grids, tables, tuple(read_published(name) for name in protocol.published)
    )


def write_table(grid: Grid, protocol: Protocol, split: str, runs: Sequence[Run]) -> Table:
    """A grid of figures as a table for people."""
    notes = _Notes()
    shown = _shown(grid)
    stub = [HEADINGS[grid.spec.rows[index]] for index in shown]
    names = [[Cell(axis_value(grid.spec.rows[i], row[i], protocol)) for i in shown] for row in grid.rows]
    caption = _caption(grid, protocol, split, runs)
    if grid.spec.columns == "measure":
        head = [*stub, "real", "forged", "not scored", *(MEASURES[name].title for name in grid.spec.measures)]
        rows = [
            [*name, *_count_cells(cell), *(_cell(cell, measured, notes) for measured in grid.spec.measures)]
            for name, cell in zip(names, (grid.cells.get((row, "")) for row in grid.rows), strict=True)
        ]
        return Table(grid.spec.title, caption, tuple(head), len(stub), _frozen(rows), tuple(notes.written))
    head = [*stub, *(axis_value(grid.spec.columns, column, protocol) for column in grid.columns)]
    measured = grid.spec.measures[0]
    found = [[grid.cells.get((row, column)) for column in grid.columns] for row in grid.rows]
    rows = [[*n, *(_cell(cell, measured, notes) for cell in cells)] for n, cells in zip(names, found, strict=True)]
    plain = [column for column in grid.columns if column != MEAN]
    kept = [i for i, row in enumerate(grid.rows) if any(found[i]) and row[-1] != MEAN]
    counted = [[*names[i], *(_behind(grid.cells.get((grid.rows[i], column))) for column in plain)] for i in kept]
    counts = Table(
        f"Behind “{grid.spec.title}”",
        "Real + forged videos that were scored; in brackets those that were not.",
        tuple(head[: len(stub) + len(plain)]),
        len(stub),
        _frozen(counted),
    )
    return Table(grid.spec.title, caption, tuple(head), len(stub), _frozen(rows), tuple(notes.written), counts)


def _shown(grid: Grid) -> list[int]:
    """The axes that become columns of names: what is the same in all rows stands in the caption, if others are left."""
    axes = grid.spec.rows
    used = [index for index in range(len(axes)) if any(row[index] for row in grid.rows)]
    varying = [i for i in used if len({row[i] for row in grid.rows} - {""}) > 1 or axes[i] not in ("model", "dataset")]
    return varying or [i for i in used if axes[i] == "dataset"] or used[:1]


def model_lines(run: Run) -> list[tuple[str, str]]:
    """Who made a run's scores, as pairs of a heading and a text."""
    return [
        ("model", run.model),
        ("sha256", run.sha256 or "not told by the score file"),
        ("calibration", calibration_line(run.about)),
        ("score files", ", ".join(run.files)),
        *([("reals", run.reals)] if run.reals else []),
    ]


def calibration_line(about: Mapping[str, Any]) -> str:
    """The calibration of a score file in words."""
    if not about.get("calibration"):
        return "none: logits are taken as they are"
    found = calibration_of(about)
    return f"Platt scaling, temperature {found.temperature:.3f}, bias {found.bias:+.3f}; threshold {found.threshold:g}"


def percent(measured: str) -> bool:
    """Whether a measure is written in percent."""
    return measured not in PLAIN


def written(estimate: Estimate, measured: str) -> tuple[str, str]:
    """A figure and its interval as texts; the interval is "" where there is none.

    >>> written(Estimate(0.9534, 0.92, 1.0), "auc")
    ('95.3', '92.0–100.0')
    >>> written(Estimate(0.1), "brier")
    ('0.100', '')
    """
    scale, digits = (100, 1) if percent(measured) else (1, 3)
    low, high = estimate.low * scale, estimate.high * scale
    value = f"{estimate.value * scale:.{digits}f}"
    return value, "" if math.isnan(low) else f"{low:.{digits}f}–{high:.{digits}f}"


class _Notes:
    """Reasons, lettered in the order of their first use."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, reason: str) -> str:
        return self._marks.setdefault(reason, chr(ord("a") + len(self._marks) % 26))

    @property
    def written(self) -> list[str]:
        return [f"({mark}) {reason}" for reason, mark in self._marks.items()]


def _cell(found: Figure | None, measured: str, notes: _Notes) -> Cell:
    if found is None:
        return Cell(DASH, mark=notes.mark(NOT_THERE), number=True)
    estimate = found.measures.get(measured, Estimate(math.nan))
    if math.isnan(estimate.value) or found.reason:
        return Cell(DASH, mark=notes.mark(found.reason or "not defined here"), number=True)
    value, interval = written(estimate, measured)
    return Cell(value, interval, "" if interval else notes.mark(NO_INTERVAL), number=True)


def _count_cells(found: Figure | None) -> list[Cell]:
    counts = found.counts if found else Counts()
    return [Cell(str(n), number=True) for n in (counts.real, counts.fake, counts.unscored)]


def _behind(found: Figure | None) -> Cell:
    if found is None:
        return Cell(DASH)
    counts = found.counts
    return Cell(f"{counts.real} + {counts.fake}" + (f" ({counts.unscored})" if counts.unscored else ""))


def _caption(grid: Grid, protocol: Protocol, split: str, runs: Sequence[Run]) -> str:
    units = protocol.units if "unit" in grid.spec.rows else protocol.units[:1]
    level = "Video and clip level, as the rows say" if len(units) > 1 else f"{units[0].capitalize()} level"
    counts, things = grid.counts, "decisions" if len(units) > 1 else f"{units[0]}s"
    distorted = "distortion" in (*grid.spec.rows, grid.spec.columns)
    text = (
        f"{level}, split {split}: {counts.real} real and {counts.fake} forged {things} of {counts.people} people scored"
        f"{', each at every setting' if distorted else ''}; {counts.unscored} not scored"
    )
    if counts.unlabelled:
        text += f"; {counts.unlabelled} without a label, in no figure"
    measures = grid.spec.measures if grid.spec.columns == "measure" else grid.spec.measures[:1]
    plain = [MEASURES[name].title for name in measures if not percent(name)]
    but = f", but {' and '.join(plain)}" if plain else ""
    text += f". Figures in percent{but}, with 95 % intervals (bootstrap over people)"
    if "dataset" in grid.spec.rows and (at := grid.spec.rows.index("dataset")) not in _shown(grid):
        names = dict.fromkeys(axis_value("dataset", row[at], protocol) for row in grid.rows if row[at])
        text += f". Benchmark: {', '.join(names)}" if names else ""
    if not {"dataset", "reals_of", "fakes_of"} & {*grid.spec.rows, grid.spec.columns}:
        pooled = sorted({str(name) for part in grid.groups.values() for name in part["dataset"].tolist()})
        text += f". Pooled over the benchmarks {', '.join(pooled)}" if len(pooled) > 1 else ""
    reals = dict.fromkeys(run.reals for run in runs if run.reals)
    return ". ".join((text, *reals, _made_by(runs)))


def _made_by(runs: Sequence[Run]) -> str:
    told = [f"{run.model} (sha256 {run.sha256[:12] or 'not told'}, {_calibrated(run)})" for run in runs]
    return f"Model{'s' * (len(told) > 1)}: {', '.join(dict.fromkeys(told))}."


def _calibrated(run: Run) -> str:
    return "Platt-calibrated" if run.about.get("calibration") else "not calibrated"


def axis_value(axis: str, value: str, protocol: Protocol) -> str:
    """How a value of an axis is written for people."""
    if value == ALL and axis == "method":
        return "all forgeries"
    if value == MEAN and axis == "distortion":
        return "mean of the kinds"
    if axis == "level":
        return {CLEAN: "clean", MEAN: "mean"}.get(value, value)
    return protocol.written(axis, value) or ("no name" if axis in ("dataset", "reals_of", "fakes_of") else DASH)


def _frozen(rows: Sequence[Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(row) for row in rows)

"""Tables of an evaluation: the figures of a protocol as text, with counts, captions and the reason of each gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facetell.engine.info import Calibration
from facetell.evaluate.figures import Grid, measure
from facetell.evaluate.protocols import ALL, DASH, DATASET_AXES, MEAN, PUBLISHED, Protocol, Published
from facetell.evaluate.runs import Run, gather
from facetell.evaluate.sample import Summary, calibration_of
from facetell.metrics.intervals import DRAWS, Estimate
from facetell.metrics.measures import MEASURES

NOT_THERE = "not in the score files"
NO_INTERVAL = "no interval: too few identities to resample"
HEADINGS = {
    "unit": "level",
    "dataset": "benchmark",
    "method": "forgery",
    "reals_of": "reals of",
    "fakes_of": "forgeries of",
    "held_out": "held out",
    "anomaly": "anomaly block",
}
"""Headings of axes; of the others their names."""
PLAIN = ("brier", "ece")
"""Measures that are written as they are, to three decimals; the others in percent, to one, as in the literature."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a name, a count or a figure in ``text``; its 95 % ``interval``; ``mark`` refers to a note."""

    text: str
    interval: str = ""
    mark: str = ""
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is printed.

    The first ``stub`` columns are the names of the rows. ``notes`` explain the marks in the cells. ``counts`` are the
    videos behind each cell where they differ between columns, else None.
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
    """Score files evaluated under a protocol; ``draws`` are those of the bootstrap."""

    protocol: Protocol
    split: str
    draws: int
    runs: tuple[Run, ...]
    grids: tuple[Grid, ...]
    tables: tuple[Table, ...]
    published: tuple[Published, ...]

    @property
    def quoted(self) -> list[Table]:
        """The published figures as tables."""
        return [
            Table(p.title, "", p.columns, 1, tuple(tuple(Cell(text) for text in row) for row in p.rows), p.notes)
            for p in self.published
        ]


def evaluate(
    named: Sequence[tuple[str, Path]], protocol: Protocol, *, split: str | None = None, draws: int = DRAWS
) -> Evaluation:
    """All tables of a protocol, from score files with a label each ("" for none); files of one model are joined.

    ``split`` is by default that of the protocol; ``draws`` are those of the bootstrap, 0 for no intervals.

    Raises:
        FacetellError: a score file cannot be read, or does not have what the protocol needs.
    """
    split = split or protocol.split
    runs = gather(named, protocol, split)
    known: dict[object, Summary] = {}
    measured = (measure(runs, protocol, spec, known, draws) for spec in protocol.tables)
    grids = tuple(grid for grid in measured if grid.rows)
    tables = tuple(_table(grid, protocol, split, runs) for grid in grids)
    quoted = tuple(PUBLISHED[name] for name in protocol.published)
    return Evaluation(protocol, split, draws, runs, grids, tables, quoted)


def _table(grid: Grid, protocol: Protocol, split: str, runs: Sequence[Run]) -> Table:
    spec = grid.spec
    marks: dict[str, str] = {}
    shown = _shown(grid)
    stub = [HEADINGS.get(spec.rows[i], spec.rows[i]) for i in shown]
    names = {row: [Cell(protocol.written(spec.rows[i], row[i])) for i in shown] for row in grid.rows}
    counts = None
    if spec.columns == "measure":
        head = [*stub, "real", "forged", "not scored", *(MEASURES[name].title for name in spec.measures)]
        rows = [
            (*names[row], *_counts(found), *(_cell(found, name, marks) for name in spec.measures))
            for row, found in ((row, grid.cells[row]) for row in grid.rows)
        ]
    else:
        head = [*stub, *(protocol.written(spec.columns, column) for column in grid.columns)]
        cells = {row: [grid.cells.get((*row, column)) for column in grid.columns] for row in grid.rows}
        rows = [(*names[row], *(_cell(cell, spec.measures[0], marks) for cell in cells[row])) for row in grid.rows]
        plain = len(grid.columns) - (MEAN in grid.columns)  # the mean is the last column
        counted = [row for row in grid.rows if any(cells[row]) and row[-1] != MEAN]
        counts = Table(
            f"Behind “{spec.title}”",
            "Real + forged videos that were scored; in brackets those that were not.",
            tuple(head[: len(stub) + plain]),
            len(stub),
            tuple((*names[row], *map(_behind, cells[row][:plain])) for row in counted),
        )
    notes = tuple(f"({mark}) {reason}" for reason, mark in marks.items())
    caption = _caption(grid, protocol, split, runs)
    return Table(spec.title, caption, tuple(head), len(stub), tuple(rows), notes, counts)


def _shown(grid: Grid) -> list[int]:
    """The axes that name the rows; a model or benchmark that all rows share is in the caption if others are left."""
    axes = grid.spec.rows
    used = [i for i in range(len(axes)) if any(row[i] for row in grid.rows)]
    varying = [i for i in used if len({row[i] for row in grid.rows} - {""}) > 1 or axes[i] not in ("model", "dataset")]
    return varying or [i for i in used if axes[i] == "dataset"] or used[:1]


def model_lines(run: Run) -> list[tuple[str, str]]:
    """What made a run's scores, as pairs of a heading and a text."""
    found = calibration_of(run.about)
    fitted = f"temperature {found.temperature:.3f}, bias {found.bias:+.3f}; threshold {found.threshold:g}"
    return [
        ("model", run.model),
        ("sha256", run.sha256 or "not recorded"),
        (
            "calibration",
            f"Platt scaling, {fitted}" if found != Calibration() else "none: probabilities are sigmoid(logit)",
        ),
        ("score files", ", ".join(run.files)),
        *([("reals", run.reals)] if run.reals else []),
    ]


def written(estimate: Estimate, measured: str) -> tuple[str, str]:
    """A figure and its interval as text; the interval is "" where there is none.

    >>> written(Estimate(0.9534, 0.92, 1.0), "auc"), written(Estimate(0.1), "brier")
    (('95.3', '92.0–100.0'), ('0.100', ''))
    """
    scale, digits = (1, 3) if measured in PLAIN else (100, 1)
    low, high = estimate.low * scale, estimate.high * scale
    value = f"{estimate.value * scale:.{digits}f}"
    return value, "" if math.isnan(low) else f"{low:.{digits}f}–{high:.{digits}f}"


def _cell(found: Summary | None, measured: str, marks: dict[str, str]) -> Cell:
    """A figure, or a dash; ``marks`` are extended by the reason of a missing figure or interval."""
    value, interval, reason = DASH, "", NOT_THERE
    if found is not None:
        estimate = found.measures.get(measured, Estimate(math.nan))
        reason = found.reason or "not defined here"
        if not math.isnan(estimate.value):
            value, interval = written(estimate, measured)
            reason = "" if interval else NO_INTERVAL
    mark = marks.setdefault(reason, chr(ord("a") + len(marks) % 26)) if reason else ""
    return Cell(value, interval, mark, number=True)


def _counts(found: Summary) -> list[Cell]:
    counts = found.counts
    return [Cell(str(n), number=True) for n in (counts.real, counts.fake, counts.unscored)]


def _behind(found: Summary | None) -> Cell:
    if found is None:
        return Cell(DASH)
    counts = found.counts
    return Cell(f"{counts.real} + {counts.fake}" + (f" ({counts.unscored})" if counts.unscored else ""))


def _caption(grid: Grid, protocol: Protocol, split: str, runs: Sequence[Run]) -> str:
    spec, counts, unit = grid.spec, grid.counts, protocol.units[0]
    several = "unit" in spec.rows and len(protocol.units) > 1
    level = "Video and clip level, as in the rows" if several else f"{unit.capitalize()} level"
    identified = any((part["identity"] != "").any() for part in grid.groups.values())
    people = counts.identities if identified else "unknown"
    text = (
        f"{level}, {'all splits' if split == ALL else f'split {split}'}: {counts.real} real and {counts.fake} forged "
        f"{'decisions' if several else f'{unit}s'} of {people} identities scored"
        f"{', each at every setting' if 'distortion' in spec.axes else ''}; {counts.unscored} not scored"
    )
    if counts.unlabelled:
        text += f"; {counts.unlabelled} without a label, in no figure"
    shown = spec.measures if spec.columns == "measure" else spec.measures[:1]
    plain = [MEASURES[name].title for name in shown if name in PLAIN]
    but = f", but {' and '.join(plain)}" if plain else ""
    parts = [
        text,
        f"Figures in percent{but}, with 95 % intervals (bootstrap over {'identities' if identified else 'videos'})",
    ]
    if "dataset" in spec.rows and (at := spec.rows.index("dataset")) not in _shown(grid):
        names = dict.fromkeys(protocol.written("dataset", row[at]) for row in grid.rows if row[at])
        parts += [f"Benchmark: {', '.join(names)}"] if names else []
    if not {*DATASET_AXES} & {*spec.axes}:
        pooled = sorted({str(name) for part in grid.groups.values() for name in part["dataset"].tolist()})
        parts += [f"Pooled over the benchmarks {', '.join(pooled)}"] if len(pooled) > 1 else []
    made = dict.fromkeys(
        f"{run.model} (sha256 {run.sha256[:12] or 'not recorded'}, "
        f"{'Platt-calibrated' if calibration_of(run.about) != Calibration() else 'not calibrated'})"
        for run in runs
    )
    parts += dict.fromkeys(run.reals for run in runs if run.reals)
    return ". ".join([*parts, f"Model{'s' * (len(runs) > 1)}: {', '.join(made)}."])

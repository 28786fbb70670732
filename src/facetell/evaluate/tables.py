"""Tables of an evaluation: the figures of a protocol as text, with counts, captions and the reason of each gap."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetell.evaluate.figures import Grid, Key, Run, gather, measure
from facetell.evaluate.protocols import ALL, DASH, DATASET_AXES, HELD_OUT, Protocol
from facetell.evaluate.sample import Summary
from facetell.metrics.intervals import DRAWS, Estimate
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError

HEADINGS = {
    "unit": "level",
    "dataset": "benchmark",
    "method": "forgery",
    "reals_of": "reals of",
    "fakes_of": "forgeries of",
    HELD_OUT: "held out",
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


@dataclass(frozen=True, slots=True)
class Table:
    """A printed table: the first ``stub`` columns name the rows, ``notes`` explain the marks in cells."""

    title: str
    caption: str
    head: tuple[str, ...]
    stub: int
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Score files evaluated under a protocol."""

    protocol: Protocol
    split: str
    runs: Sequence[Run]
    grids: Sequence[Grid]
    tables: Sequence[Table]


def evaluate(
    named: Sequence[tuple[str, Path]], protocol: Protocol, *, split: str | None = None, draws: int = DRAWS
) -> Evaluation:
    """All tables of a protocol, from score files with a label each ("" for none); files of one model are joined.

    ``split`` is by default that of the protocol; ``draws`` are those of the bootstrap. FacetellError: a score file
    cannot be read, or does not have what the protocol needs.
    """
    split = split or protocol.split
    runs = gather(named, protocol, split)
    grids = [grid for spec in protocol.tables if (grid := measure(runs, protocol, spec, draws)).rows]
    if not grids:
        raise FacetellError(
            f"no video of {', '.join(file for run in runs for file in run.files)} is of the benchmarks and kinds that "
            f"the protocol {protocol.name} selects: {protocol.how or protocol.summary}"
        )
    return Evaluation(protocol, split, runs, grids, [_table(grid, protocol, split) for grid in grids])


def _table(grid: Grid, protocol: Protocol, split: str) -> Table:
    spec = grid.spec
    marks: dict[str, str] = {}
    shown = shown_axes(spec.rows, grid.rows)
    names = {row: [Cell(protocol.written(spec.rows[i], row[i])) for i in shown] for row in grid.rows}
    head = [HEADINGS.get(spec.rows[i], spec.rows[i]) for i in shown]
    if spec.columns == "measure":
        head += ["real", "forged", "not scored", *(MEASURES[name].title for name in spec.measures)]
        rows = []
        for row in grid.rows:
            counts = grid.cells[row].counts
            numbers = [Cell(str(n)) for n in (counts.real, counts.fake, counts.unscored)]
            rows.append((*names[row], *numbers, *(_cell(grid.cells[row], name, marks) for name in spec.measures)))
    else:
        head += [protocol.written(spec.columns, column) for column in grid.columns]
        rows = [
            (*names[row], *(_cell(grid.cells.get((*row, c)), spec.measures[0], marks, True) for c in grid.columns))
            for row in grid.rows
        ]
    notes = tuple(f"({mark}) {reason}" for reason, mark in marks.items())
    return Table(spec.title, _caption(grid, protocol, split), tuple(head), len(shown), tuple(rows), notes)


def shown_axes(axes: Sequence[str], keys: Collection[Key]) -> list[int]:
    """The axes that name the keys; a model or benchmark that all of them share is left out if others are left."""
    used = [i for i in range(len(axes)) if any(key[i] for key in keys)]
    varying = [i for i in used if len({key[i] for key in keys}) > 1 or axes[i] not in ("model", "dataset")]
    return varying or used[-1:] or [0]


def written(estimate: Estimate, measured: str) -> tuple[str, str]:
    """A figure and its interval as text; the interval is "" where there is none.

    >>> written(Estimate(0.9534, 0.92, 1.0), "auc"), written(Estimate(0.1), "brier")
    (('95.3', '92.0–100.0'), ('0.100', ''))
    """
    scale, digits = (1, 3) if measured in PLAIN else (100, 1)
    low, high = estimate.low * scale, estimate.high * scale
    value = f"{estimate.value * scale:.{digits}f}"
    return value, "" if math.isnan(low) else f"{low:.{digits}f}–{high:.{digits}f}"


def _cell(found: Summary | None, measured: str, marks: dict[str, str], counted: bool = False) -> Cell:
    """A figure or a dash; ``marks`` gets the reason of a gap and, if ``counted``, how many were not scored."""
    value, interval, reason = DASH, "", "not in the score files"
    if found is not None:
        estimate = found.measures.get(measured, Estimate(math.nan))
        reason = found.reason or "not defined here"
        if not math.isnan(estimate.value):
            value, interval = written(estimate, measured)
            reason = "" if interval else "no interval: too few identities to resample"
        if counted and found.counts.unscored:
            reason = "; ".join(filter(None, [reason, f"{found.counts.unscored} not scored"]))
    mark = marks.setdefault(reason, chr(ord("a") + len(marks) % 26) * (len(marks) // 26 + 1)) if reason else ""
    return Cell(value, interval, mark)


def _caption(grid: Grid, protocol: Protocol, split: str) -> str:
    spec, counts = grid.spec, grid.counts
    identified = any((part["identity"] != "").any() for part in grid.groups.values())
    shown = spec.measures if spec.columns == "measure" else spec.measures[:1]
    plain = " and ".join(MEASURES[name].title for name in shown if name in PLAIN)
    parts = [
        f"{'Video and clip' if 'unit' in spec.axes else 'Video'} level, "
        f"{'all splits' if split == ALL else f'split {split}'}: {counts.real} real and {counts.fake} forged videos "
        f"{f'of {counts.identities} identities ' * identified}scored"
        f"{', each at every setting' if 'distortion' in spec.axes else ''}; {counts.unscored} not scored"
        f"{f'; {counts.unlabelled} without a label, in no figure' if counts.unlabelled else ''}",
        f"Figures in percent{f', but {plain}' if plain else ''}, with 95 % intervals "
        f"({'bootstrap over identities' if identified else 'identities unknown; resampled by video'})",
    ]
    datasets = sorted({str(name) for part in grid.groups.values() for name in part["dataset"].tolist()} - {""})
    if len(datasets) > 1 and not {*DATASET_AXES} & {*spec.axes}:
        parts.append(f"Pooled over the benchmarks {', '.join(datasets)}")
    elif len(datasets) == 1:
        parts.append(f"Benchmark: {protocol.written('dataset', datasets[0])}")
    return ". ".join(parts) + "."

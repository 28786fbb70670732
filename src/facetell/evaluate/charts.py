"""Which plots a protocol asks for, filled from the figures of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from facetell.evaluate.figures import ALL, CLEAN, MEAN, Figure, Grid, Key
from facetell.evaluate.plots import Bar, Curve, Plot, Sweep, bar_plot, reliability_plot, roc_plot, sweep_plot
from facetell.evaluate.scores import VideoScores
from facetell.evaluate.tables import Evaluation, axis_value
from facetell.metrics.calibration import reliability
from facetell.metrics.measures import sample_of
from facetell.metrics.ranking import roc_curve

CURVES = 6
"""Curves of one plot: as many as there are colours that can be told apart."""


def charts(found: Evaluation) -> dict[str, list[Plot]]:
    """Plots by heading, in the order of the protocol; headings without anything to draw are left out."""
    drawn = {"roc": _rocs, "reliability": _reliabilities, "bars": _bars, "distortion": _sweeps}
    headings = {
        "roc": "ROC curves",
        "reliability": "Reliability",
        "bars": "AUC with 95 % intervals",
        "distortion": "AUC by level of distortion",
    }
    made = {headings[kind]: list(drawn[kind](found)) for kind in found.protocol.plots}
    return {heading: plots for heading, plots in made.items() if plots}


def _rocs(found: Evaluation) -> Iterator[Plot]:
    curves = []
    for name, figure, videos in _entries(found):
        sample = sample_of(videos)
        curves.append(Curve(name, roc_curve(sample.labels, sample.logits), figure.measures["auc"]))
    parts = [curves[start : start + CURVES] for start in range(0, len(curves), CURVES)]
    for index, part in enumerate(parts, 1):
        yield roc_plot(f"roc-{index}", "ROC" + (f", {index} of {len(parts)}" if len(parts) > 1 else ""), part)


def _reliabilities(found: Evaluation) -> Iterator[Plot]:
    for index, (name, _, videos) in enumerate(_entries(found), 1):
        sample = sample_of(videos)
        yield reliability_plot(f"reliability-{index}", name, reliability(sample.labels, sample.probabilities, bins=10))


def _bars(found: Evaluation) -> Iterator[Plot]:
    """One plot for all that the last table by forgery, or else the first table, says of one model and benchmark."""
    by_method = [grid for grid in found.grids if "method" in _axes(grid)]
    grid = by_method[-1] if by_method else found.grids[0]
    axis = "method" if by_method else _axes(grid)[-1]
    plots: dict[str, list[Bar]] = {}
    for key, column in _cells(grid):
        figure = grid.cells[key, column]
        if math.isnan(figure.measures["auc"].value):
            continue
        values = dict(zip(_axes(grid), (*key, column), strict=False))
        title = ", ".join(axis_value(a, v, found.protocol) for a, v in values.items() if a != axis and v)
        count = f"{figure.counts.fake}"
        plots.setdefault(title, []).append(
            Bar(axis_value(axis, values[axis], found.protocol), figure.measures["auc"], count)
        )
    for index, (title, bars) in enumerate(plots.items(), 1):
        yield bar_plot(f"bars-{index}", f"{title} (forgeries in brackets)", bars)


def _sweeps(found: Evaluation) -> Iterator[Plot]:
    for number, grid in enumerate(found.grids, 1):
        if not grid.spec.mean:
            continue
        kinds = list(dict.fromkeys(key[-1] for key in grid.rows))
        for kind in kinds:
            sweeps = [sweep for key in grid.rows if key[-1] == kind for sweep in _sweep(found, grid, key)]
            if sweeps:
                title = axis_value("distortion", kind, found.protocol)
                yield sweep_plot(f"sweep-{number}-{kind}", title, sweeps)


def _sweep(found: Evaluation, grid: Grid, key: Key) -> Iterator[Sweep]:
    levels = [column for column in grid.columns if column != MEAN and (key, column) in grid.cells]
    levels = [level for level in levels if not math.isnan(grid.cells[key, level].measures["auc"].value)]
    if any(level != CLEAN for level in levels):
        name = ", ".join(axis_value(a, v, found.protocol) for a, v in zip(grid.spec.rows[:-1], key, strict=False))
        estimates = tuple(grid.cells[key, level].measures["auc"] for level in levels)
        yield Sweep(name, tuple(int(level) for level in levels), estimates)


def _entries(found: Evaluation) -> list[tuple[str, Figure, VideoScores]]:
    """The groups of the first table that have both classes, of its forgeries all together, by what parts them."""
    grid = found.grids[0]
    axes = _axes(grid)
    groups = [
        (values, grid.cells[key, column], grid.groups[key, column])
        for key, column in _cells(grid)
        if not grid.cells[key, column].reason
        for values in [dict(zip(axes, (*key, column), strict=False))]
        if values.get("method", ALL) == ALL
    ]
    differing = [axis for axis in axes if len({values[axis] for values, _, _ in groups}) > 1 and axis != "method"]
    named = [axis for axis in axes if axis in ("dataset", "model") and groups and groups[0][0][axis]]
    shown = differing or named[-1:] or axes[:1]
    return [
        (", ".join(axis_value(axis, values[axis], found.protocol) for axis in shown), figure, videos)
        for values, figure, videos in groups
    ]


def _axes(grid: Grid) -> list[str]:
    return [*grid.spec.rows] if grid.spec.columns == "measure" else [*grid.spec.rows, grid.spec.columns]


def _cells(grid: Grid) -> Sequence[tuple[Key, str]]:
    """The cells that were measured from videos, as they stand in the table."""
    return [(key, column) for key in grid.rows for column in grid.columns if (key, column) in grid.groups]

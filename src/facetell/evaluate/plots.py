"""Plots of an evaluation as inline SVG, in the colours of the page. The same figures give the same bytes.

Text stays text, and each plot has a description in words. Sizes suit the width of a telephone.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from facetell.evaluate.protocols import ALL, CLEAN, MEAN
from facetell.evaluate.sample import sample_of
from facetell.evaluate.tables import Evaluation
from facetell.metrics.intervals import Estimate
from facetell.metrics.measures import Sample, reliability
from facetell.metrics.ranking import roc_curve

WIDTH = 4.3  # inches; with text of 9 points
# Stand-ins for the page's colours, which depend on its light or dark setting. The series are after Okabe and Ito, for
# all common kinds of colour vision; dashes tell them apart in print.
COLOURS = ("#010a01", "#010a02", "#010a03", "#010a04", "#010a05", "#010a06")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (3, 1)), (0, (8, 2)))
_INK, _FAINT = "#010203", "#040506"
_INKS = {_INK: "var(--ink)", _FAINT: "var(--line)"} | {c: f"var(--s{i})" for i, c in enumerate(COLOURS, 1)}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: ``svg`` for a page includes ``title`` and a description in words."""

    name: str
    title: str
    svg: str


def charts(found: Evaluation) -> dict[str, list[Plot]]:
    """Plots by heading, in the order of the protocol; headings without a plot are left out."""
    kinds = {
        "roc": ("ROC curves", _roc),
        "reliability": ("Reliability", _reliability),
        "distortion": ("AUC by level of distortion", _sweeps),
    }
    made = {heading: list(draw(found)) for heading, draw in map(kinds.__getitem__, found.protocol.plots)}
    return {heading: plots for heading, plots in made.items() if plots}


def _roc(found: Evaluation) -> Iterator[Plot]:
    """ROC curves on one pair of axes, chance as a thin diagonal."""
    entries = _entries(found)
    figure, axes = _figure(WIDTH, 4.1 + 0.2 * len(entries))
    words = []
    for number, (name, (sample, auc)) in enumerate(entries.items()):
        roc, label = roc_curve(sample.labels, sample.logits), f"{name}, AUC {_percent(auc)}"
        axes.plot(roc.fpr, roc.tpr, **_line(number), linewidth=1.8, label=label)
        words.append(f"{name}: AUC {_percent(auc)} percent{_between(auc)}")
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, label="chance", zorder=0)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="False positive rate", ylabel="True positive rate")
    axes.set_aspect("equal")
    figure.legend(loc="outside lower left", frameon=False, fontsize=8.5, labelcolor=_INK)
    if words:
        yield _plot(figure, "roc-1", "ROC", f"ROC curves. {'; '.join(words)}.")


def _reliability(found: Evaluation) -> Iterator[Plot]:
    """Observed share of forged videos against predicted probability, by bin, above the number of videos in each."""
    for number, (name, (sample, _)) in enumerate(_entries(found).items(), 1):
        curve = reliability(sample.labels, sample.probabilities, bins=10)
        figure, (axes, below) = _figure(WIDTH, 4.2, rows=(3, 1))
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1)
        full = curve.counts > 0
        x, y = curve.predicted[full], curve.observed[full]
        errors = np.abs(np.stack([y - curve.low[full], curve.high[full] - y]))
        axes.errorbar(x, y, yerr=errors, fmt="o", color=COLOURS[0], markersize=4, elinewidth=1, capsize=0)
        axes.set(xlim=(0, 1), ylim=(-0.03, 1.03), ylabel="share that was forged")
        middles = (curve.edges[:-1] + curve.edges[1:]) / 2
        below.bar(middles, curve.counts, width=np.diff(curve.edges) * 0.86, color=COLOURS[0], alpha=0.55, linewidth=0)
        below.set(xlim=(0, 1), xlabel="calibrated probability of “forged”", ylabel="videos")
        below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        words = "; ".join(
            f"predicted {p:.0%}, {o:.0%} of {n} were forged"
            for p, o, n in zip(x.tolist(), y.tolist(), curve.counts[full].tolist(), strict=True)
        )
        yield _plot(figure, f"reliability-{number}", name, f"Reliability diagram. {words}.")


def _sweeps(found: Evaluation) -> Iterator[Plot]:
    """AUC by level (0 clean, 1 to 5) of each kind of distortion, a line with its interval as a band per model."""
    for number, grid in enumerate(found.grids, 1):
        for kind in dict.fromkeys(row[-1] for row in grid.rows) if grid.spec.mean else ():
            figure, axes = _figure(2.9, 2.1)
            axes.axhline(50, color=_FAINT, linewidth=1)
            words: list[str] = []
            for row in (row for row in grid.rows if row[-1] == kind):
                cells = {level: grid.cells.get((*row, level)) for level in grid.columns if level != MEAN}
                levels = {
                    int(at): cell["auc"] for at, cell in cells.items() if cell and not math.isnan(cell["auc"].value)
                }
                if not set(levels) - {int(CLEAN)}:
                    continue
                label = _named(found, dict(zip(grid.spec.rows[:-1], row, strict=False)))
                value, low, high = (
                    np.array([100 * getattr(auc, end) for auc in levels.values()]) for end in ("value", "low", "high")
                )
                line = _line(len(words))
                axes.fill_between(list(levels), low, high, color=line["color"], alpha=0.18, linewidth=0)
                axes.plot(list(levels), value, "o", **line, markersize=3, label=label)
                points = (f"{f'level {level}' if level else 'clean'} {_percent(auc)}" for level, auc in levels.items())
                words.append(f"{label}: {', '.join(points)}")
            axes.set(xlim=(-0.2, 5.2), ylim=(-2, 102), ylabel="AUC, percent")
            axes.set_xticks(range(6), ["clean", *"12345"])
            axes.set_yticks([0, 50, 100])
            if len(words) > 1:
                axes.legend(loc="lower left", frameon=False, fontsize=7, labelcolor=_INK)
            if words:
                title = found.protocol.written("distortion", kind)
                yield _plot(figure, f"sweep-{number}-{kind}", title, f"AUC in percent by level. {'; '.join(words)}.")


def _entries(found: Evaluation) -> dict[str, tuple[Sample, Estimate]]:
    """The cells of the first table with both classes, of its forgeries all together, named by the axes that differ."""
    grid, axes = found.grids[0], found.grids[0].spec.axes
    keys = [(*row, column) for row in grid.rows for column in grid.columns] or grid.rows
    measured = [key for key in keys if key in grid.groups and not grid.cells[key].reason]
    cells = [(dict(zip(axes, key, strict=True)), key) for key in measured]
    cells = [(values, key) for values, key in cells if values.get("method", ALL) == ALL]
    differing = [axis for axis in axes if len({values[axis] for values, _ in cells}) > 1]
    named = [axis for axis in axes if axis in ("dataset", "model") and cells and cells[0][0][axis]]
    shown = differing or named[-1:] or axes[:1]
    return {
        _named(found, {axis: values[axis] for axis in shown}): (sample_of(grid.groups[key]), grid.cells[key]["auc"])
        for values, key in cells
    }


def _line(number: int) -> dict[str, Any]:
    """Colour and dashes of a curve; the dashes of a colour change when it is used again."""
    count = len(COLOURS)
    return {"color": COLOURS[number % count], "linestyle": DASHES[(number + number // count) % count]}


def _named(found: Evaluation, values: Mapping[str, str]) -> str:
    return ", ".join(found.protocol.written(axis, value) for axis, value in values.items() if value)


def _percent(estimate: Estimate) -> str:
    return "not defined" if math.isnan(estimate.value) else f"{100 * estimate.value:.1f}"


def _between(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.low) else f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read by a screen reader, and set in the page's type
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "legend.labelcolor"), _INK),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), _INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), _FAINT),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), "none"),
}


def _figure(width: float, height: float, rows: tuple[int, ...] = ()) -> tuple[Any, Any]:
    """A figure and its axes, separate from pyplot's global state."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(max(len(rows), 1), 1, sharex=True, height_ratios=rows or None)


def _plot(figure: Any, name: str, title: str, text: str) -> Plot:
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Plot(name, title, _inline(out.getvalue(), name, title, text))


def _inline(svg: str, name: str, title: str, text: str) -> str:
    """The bare ``svg`` element with ids that are unique on the page, and with the page's colours and fonts."""
    box = re.search(r"viewBox=\"([^\"]+)\"", svg)
    assert box
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)  # would apply to the whole page
    svg = re.sub(r"\s+xmlns(:\w+)?=\"[^\"]*\"", "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r"(\bid=\"|url\(#|href=\"#)", rf"\1{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    for stand_in, ink in _INKS.items():
        svg = svg.replace(stand_in, ink)
    head = (
        f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(text)}</desc>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1).strip()

"""Plots of an evaluation as inline SVG: they take their ink from the page, and the same figures give the same bytes.

Each plot is made by a pure function from figures; text stays text. Sizes suit a column of a telephone.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from facetell.metrics.calibration import Reliability
from facetell.metrics.intervals import Estimate
from facetell.metrics.ranking import Roc

WIDTH = 4.3
"""Inches; text is of 9 points, so that it can be read where the plot is as wide as a telephone."""
# Stand-ins for the page's colours, which it sets by the light. Its series are after Okabe and Ito: they part from white
# as from black, for all common kinds of colour vision; dashes part them in print.
COLOURS = ("#010a01", "#010a02", "#010a03", "#010a04", "#010a05", "#010a06")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (3, 1)), (0, (8, 2)))
_INK, _FAINT = "#010203", "#040506"
_INKS = {_INK: "var(--ink)", _FAINT: "var(--line)"} | {c: f"var(--s{i})" for i, c in enumerate(COLOURS, 1)}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: ``svg`` for a page, with ``title`` and, for those who cannot see it, ``text`` inside."""

    name: str
    title: str
    text: str
    svg: str


@dataclass(frozen=True, slots=True)
class Curve:
    """An ROC curve with its name and AUC."""

    name: str
    roc: Roc
    auc: Estimate


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its interval, by name; ``count`` says of what."""

    name: str
    estimate: Estimate
    count: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """AUC by level (0 clean, then 1 to 5) of one kind of distortion and one model."""

    name: str
    levels: tuple[int, ...]
    estimates: tuple[Estimate, ...]


def roc_plot(name: str, title: str, curves: Sequence[Curve]) -> Plot:
    """ROC curves on one pair of axes, chance as a thin diagonal."""
    figure, axes = _figure(WIDTH, 4.1 + 0.2 * len(curves))
    for index, curve in enumerate(curves):
        label = f"{curve.name}, AUC {_percent(curve.auc)}"
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        axes.plot(curve.roc.fpr, curve.roc.tpr, color=colour, linestyle=dash, linewidth=1.8, label=label)
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, label="chance", zorder=0)
    axes.set(
        xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="reals called forged (FPR)", ylabel="forgeries caught (TPR)"
    )
    axes.set_aspect("equal")
    figure.legend(loc="outside lower left", frameon=False, fontsize=8.5, labelcolor=_INK)
    said = "; ".join(f"{curve.name}: AUC {_percent(curve.auc)} percent{_between(curve.auc)}" for curve in curves)
    return _plot(figure, name, title, f"ROC curves. {said}.")


def reliability_plot(name: str, title: str, curve: Reliability) -> Plot:
    """How often what was called p percent forged was forged, by bin, over the number of videos in each."""
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
    said = "; ".join(
        f"around {p:.0%} foretold, {o:.0%} of {n} were forged"
        for p, o, n in zip(x.tolist(), y.tolist(), curve.counts[full].tolist(), strict=True)
    )
    return _plot(figure, name, title, f"Reliability diagram. {said}.")


def bar_plot(name: str, title: str, bars: Sequence[Bar]) -> Plot:
    """AUC by name, a dot with its interval each, chance as a thin line."""
    figure, axes = _figure(WIDTH, 0.75 + 0.3 * len(bars))
    places = np.arange(len(bars))[::-1]
    axes.axvline(50, color=_FAINT, linewidth=1)
    for place, bar in zip(places.tolist(), bars, strict=True):
        value, low, high = (100 * v for v in (bar.estimate.value, bar.estimate.low, bar.estimate.high))
        if not math.isnan(low):
            axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=2, alpha=0.55, solid_capstyle="butt")
        axes.plot([value], [place], "o", color=COLOURS[0], markersize=5, clip_on=False)
    axes.set_yticks(places, [f"{bar.name} ({bar.count})" for bar in bars])
    axes.set(xlim=(-1, 101), ylim=(-0.6, len(bars) - 0.4), xlabel="AUC, percent (thin line: chance)")
    axes.tick_params(axis="y", length=0)
    said = "; ".join(f"{bar.name} {_percent(bar.estimate)}{_between(bar.estimate)}" for bar in bars)
    return _plot(figure, name, title, f"AUC in percent. {said}.")


def sweep_plot(name: str, title: str, sweeps: Sequence[Sweep]) -> Plot:
    """AUC against the level of one kind of distortion, the interval as a band."""
    figure, axes = _figure(2.9, 2.1)
    axes.axhline(50, color=_FAINT, linewidth=1)
    for index, sweep in enumerate(sweeps):
        value, low, high = (
            np.array([100 * getattr(estimate, end) for estimate in sweep.estimates]) for end in ("value", "low", "high")
        )
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        axes.fill_between(sweep.levels, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(sweep.levels, value, "o", linestyle=dash, color=colour, markersize=3, label=sweep.name)
    axes.set(xlim=(-0.2, 5.2), ylim=(-2, 102), ylabel="AUC, percent")
    axes.set_xticks(range(6), ["clean", *"12345"])
    axes.set_yticks([0, 50, 100])
    if len(sweeps) > 1:
        axes.legend(loc="lower left", frameon=False, fontsize=7, labelcolor=_INK)
    said = "; ".join(
        f"{sweep.name}: "
        + ", ".join(
            f"{'clean' if not level else f'level {level}'} {_percent(estimate)}"
            for level, estimate in zip(sweep.levels, sweep.estimates, strict=True)
        )
        for sweep in sweeps
    )
    return _plot(figure, name, title, f"AUC in percent by level. {said}.")


def _percent(estimate: Estimate) -> str:
    return "not defined" if math.isnan(estimate.value) else f"{100 * estimate.value:.1f}"


def _between(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.low) else f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched, and set in the page's type
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "figure.facecolor": "none",
    "legend.labelcolor": _INK,
}


def _figure(width: float, height: float, rows: tuple[int, ...] = ()) -> tuple[Any, Any]:
    """A figure and its axes, apart from pyplot's global state."""
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
    return Plot(name, title, text, _inline(out.getvalue(), name, title, text))


def _inline(svg: str, name: str, title: str, text: str) -> str:
    """The bare ``svg`` element, its ids made unlike those of other plots, its ink the page's, its type the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"\s+xmlns(:\w+)?=\"[^\"]*\"", "", svg)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r"href=\"#([^\"]+)\"", rf'href="#{name}-\1"', svg)
    for stand_in, ink in _INKS.items():
        svg = svg.replace(stand_in, ink)
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)  # would hold for the whole page
    box = re.search(r"viewBox=\"([^\"]+)\"", svg)
    assert box
    head = (
        f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(text)}</desc>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1).strip()

"""An evaluation as Markdown, CSV and a page of HTML with plots. The same evaluation gives the same bytes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facetell import __version__
from facetell.evaluate.protocols import ALL, AXES, UNITS
from facetell.evaluate.sample import sample_of
from facetell.evaluate.tables import Evaluation, Table, shown_axes, written
from facetell.metrics.intervals import Estimate
from facetell.metrics.measures import MEASURES, Sample, reliability
from facetell.metrics.ranking import roc_curve

_COUNTS = ("real", "fake", "unscored_real", "unscored_fake", "unlabelled", "people")
_MEASURES = tuple(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high"))
CSV_COLUMNS = ("protocol", "table", "split", *AXES, *_COUNTS, *_MEASURES, "reason")


def to_markdown(found: Evaluation) -> str:
    """Tables in GitHub's Markdown with headings and notes."""
    parts = [f"# {found.protocol.title}", found.protocol.summary]
    for run in found.runs:
        parts += [f"**{_md(run.held_out or run.label)}**", _md_list([": ".join(line) for line in run.lines])]
    for table in found.tables:
        parts += [f"## {_md(table.title)}", table.caption, markdown_table(table), _md_list(table.notes)]
    if found.protocol.notes:
        parts += ["## Notes", _md_list(found.protocol.notes)]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(table: Table) -> str:
    """The rows of a table in GitHub's Markdown, without its title, caption and notes."""
    rows = [[_md(head) for head in table.head], ["---"] * table.stub + ["---:"] * (len(table.head) - table.stub)]
    for row in table.rows:
        cells = ((c.text, f" [{c.interval}]" if c.interval else "", f" ({c.mark})" if c.mark else "") for c in row)
        rows.append([_md("".join(cell)) for cell in cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _md(text: str) -> str:
    """Text with the signs of Markdown escaped."""
    return re.sub(r"([\\|*_`<\[])", r"\\\1", text).replace("\n", " ")


def _md_list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_md(item)}" for item in items)


def to_csv(found: Evaluation) -> str:
    """One line per measured group of videos; measures in [0, 1] to six decimals, empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    model = {"model": found.runs[0].label} if len(found.runs) == 1 else {}
    for grid in found.grids:
        about = {"protocol": found.protocol.name, "table": grid.spec.title, "split": found.split, "unit": UNITS[0]}
        for key, summary in sorted(grid.cells.items()):
            line: dict[str, Any] = {**about, **model, **dict(zip(grid.spec.axes, key, strict=True))}
            line |= dict(zip(_COUNTS, astuple(summary.counts), strict=True)) | {"reason": summary.reason}
            for name, estimate in summary.measures.items():
                for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
                    line[name + end] = "" if math.isnan(value) else round(value, 6)
            writer.writerow(line)
    return out.getvalue()


def to_html(found: Evaluation) -> str:
    """The page, one file that loads and runs nothing: models, tables, plots, method."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    return environment.get_template("page.html").render(found=found, charts=charts(found), version=__version__)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through ``points`` (x, y) in [0, 1], with intervals as ``bars`` (x, low, high)."""

    name: str
    points: Sequence[tuple[float, float]]
    bars: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot, which ``page.html`` draws as SVG; the names of its curves describe it in words."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]


def charts(found: Evaluation) -> dict[str, list[Plot]]:
    """Plots by heading, in the order of the protocol; headings without a plot are left out."""
    kinds = {"roc": ("ROC curves", _roc), "reliability": ("Reliability", _reliability)}
    made = {heading: list(draw(found)) for heading, draw in map(kinds.__getitem__, found.protocol.plots)}
    return {heading: plots for heading, plots in made.items() if plots}


def _roc(found: Evaluation) -> Iterator[Plot]:
    curves = []
    for name, sample, auc in _entries(found):
        roc = roc_curve(sample.labels, sample.logits)
        value, between = written(auc, "auc")
        points = list(zip(roc.fpr.tolist(), roc.tpr.tolist(), strict=True))
        curves.append(Curve(f"{name}: AUC {value} percent{f' ({between})' if between else ''}", points))
    if curves:
        yield Plot("ROC", "false positive rate", "true positive rate", curves)


def _reliability(found: Evaluation) -> Iterator[Plot]:
    """Share of forged videos against predicted probability, by bin."""
    for name, sample, _ in _entries(found):
        bins = reliability(sample.labels, sample.probabilities)
        words = [f"predicted {b.predicted:.0%}, {b.observed.value:.0%} of {b.count} were forged" for b in bins]
        points = [(b.predicted, b.observed.value) for b in bins]
        curve = Curve("; ".join(words), points, [(b.predicted, b.observed.low, b.observed.high) for b in bins])
        yield Plot(name, "calibrated probability of “forged”", "share that was forged", [curve])


def _entries(found: Evaluation) -> Iterator[tuple[str, Sample, Estimate]]:
    """The cells of the first table with both classes, of its forgeries all together, named by the axes that differ."""
    grid, axes = found.grids[0], found.grids[0].spec.axes
    of_all = [key for key in grid.groups if dict(zip(axes, key, strict=True)).get("method", ALL) == ALL]
    cells = [key for key in grid.cells if key in of_all and not grid.cells[key].reason]
    shown = shown_axes(axes, cells)
    for key in cells:
        name = ", ".join(found.protocol.written(axes[i], key[i]) for i in shown)
        yield name, sample_of(grid.groups[key]), grid.cells[key]["auc"]


FORMATS: Mapping[str, Callable[[Evaluation], str]] = {"md": to_markdown, "csv": to_csv, "html": to_html}

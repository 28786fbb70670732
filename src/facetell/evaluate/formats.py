"""An evaluation as Markdown, CSV, JSON and a page of HTML. The same evaluation gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facetell import __version__
from facetell.evaluate.plots import charts
from facetell.evaluate.protocols import AXES
from facetell.evaluate.sample import Summary
from facetell.evaluate.tables import Cell, Evaluation, Table, model_lines
from facetell.metrics.measures import MEASURES

SCHEMA_VERSION = "1.0"
_COUNTS = ("real", "fake", "unscored_real", "unscored_fake", "unlabelled", "people")
_MEASURES = tuple(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high"))
CSV_COLUMNS = ("protocol", "table", "split", *AXES, *_COUNTS, *_MEASURES, "reason")


def to_markdown(found: Evaluation) -> str:
    """Tables in GitHub's Markdown with headings and notes."""
    parts = [f"# {found.protocol.title}", found.protocol.summary]
    for run in found.runs:
        parts.append(f"**{_md('/'.join(run.keys.values()) or run.label)}**")
        parts.append("\n".join(f"- {heading}: {_md(text)}" for heading, text in model_lines(run)))
    for table in (*found.tables, *found.quoted):
        parts += [f"## {_md(table.title)}", table.caption, markdown_table(table), _md_list(table.notes)]
        if table.counts:
            parts += [f"{_md(table.counts.title)}. {table.counts.caption}", markdown_table(table.counts)]
    if found.protocol.notes:
        parts += ["## Notes", _md_list(found.protocol.notes)]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(table: Table) -> str:
    """The rows of a table in GitHub's Markdown, without its title, caption and notes."""
    rows = [[_md(head) for head in table.head], ["---"] * table.stub + ["---:"] * (len(table.head) - table.stub)]
    rows += [[_md(_inline(cell)) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _md(text: str) -> str:
    """Text with the signs of Markdown escaped."""
    for sign in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")


def _md_list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_md(item)}" for item in items)


def _inline(cell: Cell) -> str:
    interval = f" [{cell.interval}]" if cell.interval else ""
    return cell.text + interval + (f" ({cell.mark})" if cell.mark else "")


def to_csv(found: Evaluation) -> str:
    """One line per measured group of videos; measures in [0, 1], empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in line.items()} for line in figures(found))
    return out.getvalue()


def to_json(found: Evaluation) -> str:
    """Everything: models, figures, tables as printed, and the published figures, separately."""
    protocol = found.protocol
    content = {
        "schema": "facetell.evaluation",
        "version": SCHEMA_VERSION,
        "facetell": __version__,
        "protocol": {"name": protocol.name, "title": protocol.title, "units": list(protocol.units)},
        "split": found.split,
        "intervals": {"level": 0.95, "by": "bootstrap over identities, percentiles", "draws": found.draws, "seed": 0},
        "models": [
            {"label": run.label, "keys": dict(run.keys), "files": list(run.files), "about": dict(run.about)}
            for run in found.runs
        ],
        "figures": list(figures(found)),
        "tables": [asdict(table) for table in found.tables],
        "published": [asdict(published) for published in found.published],
        "notes": list(protocol.notes),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def figures(found: Evaluation) -> Iterator[dict[str, Any]]:
    """The figures of all tables as flat records, rounded to six decimals; None where there is none."""
    model = {"model": found.runs[0].label} if len(found.runs) == 1 else {}
    for grid in found.grids:
        about = {"protocol": found.protocol.name, "table": grid.spec.title, "split": found.split}
        for key, summary in sorted(grid.cells.items()):
            axes = {"unit": found.protocol.units[0], **model} | dict(zip(grid.spec.axes, key, strict=True))
            yield {**about, **axes, **_flat(summary)}


def _flat(summary: Summary) -> dict[str, Any]:
    flat: dict[str, Any] = dict(zip(_COUNTS, astuple(summary.counts), strict=True))
    for name, estimate in summary.measures.items():
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
            flat[name + end] = None if math.isnan(value) else round(value, 6)
    return {**flat, "reason": summary.reason}


def to_html(found: Evaluation) -> str:
    """The page, one file that loads and runs nothing: models, tables, plots, published figures, method."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    models = [(run, model_lines(run)) for run in found.runs]
    return environment.get_template("page.html").render(
        found=found, charts=charts(found), models=models, version=__version__
    )


FORMATS: Mapping[str, Callable[[Evaluation], str]] = {
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "html": to_html,
}

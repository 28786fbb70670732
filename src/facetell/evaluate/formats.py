"""An evaluation as Markdown, LaTeX, CSV and JSON. The same evaluation gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from facetell import __version__
from facetell.evaluate.figures import Figure
from facetell.evaluate.protocols import AXES, Published
from facetell.evaluate.tables import Cell, Evaluation, Table, model_lines
from facetell.metrics.measures import MEASURES

SCHEMA_VERSION = "1.0"
_COUNTS = ("real", "fake", "unscored_real", "unscored_fake", "unlabelled", "people")
CSV_COLUMNS = (
    "protocol",
    "table",
    "split",
    *AXES,
    *_COUNTS,
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    "reason",
)


def to_markdown(found: Evaluation) -> str:
    """Tables in GitHub's Markdown, headings and notes around them."""
    protocol = found.protocol
    parts = [f"# {protocol.title}", protocol.summary]
    for run in found.runs:
        lines = [f"- {heading}: {_md(text)}" for heading, text in model_lines(run)]
        parts += [
            f"**{_md(run.label)}**" if not run.keys else f"**{_md('/'.join(run.keys.values()))}**",
            "\n".join(lines),
        ]
    for table in found.tables:
        parts += [f"## {_md(table.title)}", table.caption, markdown_table(table)]
        if table.notes:
            parts.append("\n".join(f"- {_md(note)}" for note in table.notes))
        if table.counts:
            parts += [f"{_md(table.counts.title)}. {table.counts.caption}", markdown_table(table.counts)]
    for published in found.published:
        parts += [f"## {_md(published.title)}", _markdown_published(published)]
        parts.append("\n".join(f"- {_md(note)}" for note in published.notes))
    if protocol.notes:
        parts += ["## Notes", "\n".join(f"- {_md(note)}" for note in protocol.notes)]
    return "\n\n".join(parts) + "\n"


def to_latex(found: Evaluation) -> str:
    """One ``table`` environment a table, for the preamble with ``\\usepackage{booktabs}``."""
    parts = [f"% {found.protocol.title}, facetell {__version__}. Needs \\usepackage{{booktabs}}."]
    for run in found.runs:
        parts.append("% " + "; ".join(f"{heading}: {text}" for heading, text in model_lines(run)).replace("\n", " "))
    for index, table in enumerate(found.tables, 1):
        parts.append(_latex_table(table, f"tab:{found.protocol.name}-{index}"))
        if table.counts:
            parts.append(_latex_table(table.counts, f"tab:{found.protocol.name}-{index}-counts"))
    for published in found.published:
        rows = tuple(tuple(Cell(cell) for cell in row) for row in published.rows)
        quoted = Table(published.title, " ".join(published.notes), published.columns, 1, rows)
        parts.append(_latex_table(quoted, f"tab:{found.protocol.name}-published"))
    return "\n\n".join(parts) + "\n"


def to_csv(found: Evaluation) -> str:
    """One line a measured group of videos; every measure in [0, 1] (log-loss: 0 or more), empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**line, **{name: "" if value is None else value for name, value in line.items()}} for line in figures(found)
    )
    return out.getvalue()


def to_json(found: Evaluation) -> str:
    """Everything: models, figures, tables as printed, and the published numbers apart from them."""
    protocol = found.protocol
    told = {
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
        "figures": figures(found),
        "tables": [asdict(table) for table in found.tables],
        "published": [asdict(published) for published in found.published],
        "notes": list(protocol.notes),
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


FORMATS: Mapping[str, Callable[[Evaluation], str]] = {
    "md": to_markdown,
    "tex": to_latex,
    "csv": to_csv,
    "json": to_json,
}


def figures(found: Evaluation) -> list[dict[str, Any]]:
    """The figures of all tables as flat records, numbers rounded to six decimals; None where there is none."""
    lines = []
    for grid in found.grids:
        for (row, column), figure in sorted(grid.cells.items()):
            axes: dict[str, Any] = dict(zip(grid.spec.rows, row, strict=True))
            if column:
                axes[grid.spec.columns] = column
            axes.setdefault("unit", found.protocol.units[0])
            if len(found.runs) == 1:
                axes.setdefault("model", found.runs[0].label)
            lines.append(
                {
                    "protocol": found.protocol.name,
                    "table": grid.spec.title,
                    "split": found.split,
                    **axes,
                    **_flat(figure),
                }
            )
    return lines


def _flat(figure: Figure) -> dict[str, Any]:
    flat: dict[str, Any] = {name: getattr(figure.counts, name) for name in _COUNTS}
    for name, estimate in figure.measures.items():
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
            flat[name + end] = None if math.isnan(value) else round(value, 6)
    return {**flat, "reason": figure.reason}


def markdown_table(table: Table) -> str:
    """The rows of a table in GitHub's Markdown, without its title, caption and notes."""
    lines = [
        _md_row([_md(head) for head in table.head]),
        _md_row(["---"] * table.stub + ["---:"] * (len(table.head) - table.stub)),
    ]
    lines += [_md_row([_md(_inline(cell)) for cell in row]) for row in table.rows]
    return "\n".join(lines)


def _markdown_published(published: Published) -> str:
    lines = [_md_row(published.columns), _md_row(["---"] * len(published.columns))]
    return "\n".join([*lines, *(_md_row([_md(cell) for cell in row]) for row in published.rows)])


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md(text: str) -> str:
    """Text that Markdown shows as it is."""
    for sign in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")


def _inline(cell: Cell) -> str:
    interval = f" [{cell.interval}]" if cell.interval else ""
    return cell.text + interval + (f" ({cell.mark})" if cell.mark else "")


_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "“": "``",
    "”": "''",
    "\n": " ",
}


def tex(text: str) -> str:
    """Text that LaTeX sets as it is.

    >>> print(tex("100 % of a_b"))
    100 \\% of a\\_b
    """
    return "".join(_TEX.get(letter, letter) for letter in text)


def _latex_table(table: Table, label: str) -> str:
    columns = "l" * table.stub + "r" * (len(table.head) - table.stub)
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        rf"\caption{{{tex(table.title)}. {tex(table.caption)}}}",
    ]
    lines += [rf"\label{{{label}}}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [_tex_row([tex(head) for head in table.head]), r"\midrule"]
    lines += [_tex_row([_tex_cell(cell) for cell in row]) for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        lines.append(r"\par\smallskip " + "; ".join(tex(note) for note in table.notes) + ".")
    return "\n".join([*lines, r"\end{table}"])


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex_cell(cell: Cell) -> str:
    interval = rf" {{\scriptsize [{tex(cell.interval)}]}}" if cell.interval else ""
    return tex(cell.text) + interval + (rf"\textsuperscript{{{cell.mark}}}" if cell.mark else "")

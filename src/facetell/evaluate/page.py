"""The page of an evaluation: one HTML file that needs nothing else, loads nothing, and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from facetell import __version__
from facetell.engine.card import read_card
from facetell.engine.released import WEIGHTS
from facetell.evaluate.charts import charts
from facetell.evaluate.plots import Plot
from facetell.evaluate.protocols import Published
from facetell.evaluate.runs import Run
from facetell.evaluate.tables import Cell, Evaluation, Table, model_lines
from facetell.files import file_sha256

HOW = (
    "A video's score is the mean logit of its clips; of several faces in a video the most suspect decides.",
    "A video in which no face was found, or that could not be read, has no score: it is counted, but in no figure.",
    "Intervals are 95 %, from a bootstrap that draws people with all their videos, reals and forgeries apart. One "
    "of no width, such as 100.0–100.0, comes of too few people: it says nothing of how sure the figure is.",
    "Probabilities (Brier, ECE, calibrated accuracy, reliability) are those of the model's own calibration; "
    "“accuracy at 0.5” takes the raw logit, as papers do.",
)
"""What holds for every protocol."""


def to_html(found: Evaluation) -> str:
    """The whole page. The same evaluation gives the same bytes."""
    protocol = found.protocol
    drawn = charts(found)
    sections = [("models", "Models", _models(found))]
    sections += [(f"table-{i}", table.title, _table(table, i)) for i, table in enumerate(found.tables, 1)]
    sections += [(f"plots-{i}", heading, _plots(plots)) for i, (heading, plots) in enumerate(drawn.items(), 1)]
    if found.published:
        sections.append(("published", "Published numbers", "".join(_published(table) for table in found.published)))
    sections.append(("how", "What was measured, and how", _list([*HOW, *protocol.notes])))
    links = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title, _ in sections)
    body = "".join(
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(title)}</h2>{content}</section>\n'
        for anchor, title, content in sections
    )
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    title = f"{protocol.title}, split {found.split}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)} – facetell</title>
<style>
{css}</style>
</head>
<body>
<main>
<header>
<p class="kind">facetell evaluation, protocol “{escape(protocol.name)}”, split {escape(found.split)}</p>
<h1>{escape(protocol.title)}</h1>
<p>{escape(protocol.summary)}</p>
<nav aria-label="On this page"><ul>{links}</ul></nav>
</header>
{body}<footer>Made by facetell {escape(__version__)} from score files alone. The same figures stand beside this page as
Markdown, LaTeX, CSV and JSON.</footer>
</main>
</body>
</html>
"""


def _models(found: Evaluation) -> str:
    parts = []
    for run in found.runs:
        name = "/".join(run.keys.values()) or run.label
        lines = "".join(f"<dt>{escape(h)}</dt><dd>{escape(text)}</dd>" for h, text in model_lines(run))
        parts.append(f"<h3>{escape(name)}</h3><dl>{lines}</dl>{_card(run)}")
    return "".join(parts)


def _card(run: Run) -> str:
    """The limits that the model card states, where there is a card."""
    limits = card_limits(run)
    if not limits:
        return ""
    return f"<details><summary>Limits, from the model card</summary>{_list(limits)}</details>"


def card_limits(run: Run) -> tuple[str, ...]:
    """The items under "Limits" in the card of a run's model; none where there is no card.

    The model is looked for beside the score files, where a release puts them, and among the released ones. It is found
    by its name, and is the right one if its sha256 is that of the scores.
    """
    for folder in (*run.folders, WEIGHTS):
        model = folder / f"{Path(run.model).name}.onnx"
        # os.path, as names of any length are in score files
        if run.sha256 and os.path.isfile(model) and file_sha256(model) == run.sha256:  # noqa: PTH113
            return read_card(model).limits
    return ()


def _table(table: Table, index: int) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    html = _grid(table, f"table-{index}")
    if notes:
        html += f'<ul class="notes">{notes}</ul>'
    if table.counts:
        html += (
            f"<details><summary>Videos behind each figure</summary>{_grid(table.counts, f'table-{index}')}</details>"
        )
    return html


def _grid(table: Table, anchor: str) -> str:
    """The table itself, in a box that scrolls sideways (and can be reached by keyboard) where it is too wide."""
    head = "".join(
        f'<th scope="col"{"" if i < table.stub else " class=n"}>{_heading(text)}</th>'
        for i, text in enumerate(table.head)
    )
    rows = []
    for row in table.rows:
        names = "".join(f'<th scope="row">{escape(cell.text)}</th>' for cell in row[: table.stub])
        rows.append(f"<tr>{names}{''.join(_cell(cell) for cell in row[table.stub :])}</tr>")
    return (
        f'<p class="soft">{escape(table.caption)}</p>'
        f'<div class="scroll" tabindex="0" role="group" aria-labelledby="{anchor}"><table>'
        f'<caption class="hidden">{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heading(text: str) -> str:
    """A heading that does not break between a number and what it is of."""
    return escape(text.replace("FPR ", "FPR\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%"))


def _cell(cell: Cell) -> str:
    interval = f' <span class="i">{escape(cell.interval)}</span>' if cell.interval else ""
    mark = f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    return f'<td class="n">{escape(cell.text)}{mark}{interval}</td>'


def _plots(plots: Sequence[Plot]) -> str:
    small = " small" if plots[0].name.startswith("sweep") else ""
    drawn = "".join(f"<figure><figcaption>{escape(p.title)}</figcaption>{p.svg}</figure>" for p in plots)
    return f'<div class="plots{small}">{drawn}</div>'


def _published(table: Published) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    )
    return (
        f'<div class="published"><h3>{escape(table.title)}</h3>'
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(table.title)}"><table>'
        f'<caption class="hidden">{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{_list(table.notes, 'notes')}</div>"
    )


def _list(items: Sequence[str], kind: str = "") -> str:
    of = f' class="{kind}"' if kind else ""
    return f"<ul{of}>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"

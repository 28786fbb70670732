"""``facetell evaluate``: tables, plots and a page from score files, by a protocol."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from facetell.datasets.manifest import SPLITS

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from facetell.evaluate.tables import Cell, Evaluation, Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from facetell.evaluate.protocols import protocol_names

    parser.add_argument(
        "scores",
        nargs="+",
        metavar="[LABEL=]SCORES",
        help="score files of `facetell score`; files of one model are joined; a label names the model, or its row",
    )
    parser.add_argument(
        "--protocol", required=True, metavar="NAME|FILE", help=f"{', '.join(protocol_names())}, or a TOML file"
    )
    parser.add_argument(
        "--split", choices=SPLITS, help="videos to evaluate (default: that of the protocol, mostly test)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also write NAME.md, .tex, .csv, .json and .html (the page) here"
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables and, with ``--out``, write them; 0 when done."""
    from facetell.evaluate.protocols import read_protocol
    from facetell.evaluate.tables import evaluate
    from facetell.files import check_writable, write_text

    protocol = read_protocol(args.protocol)
    if args.out:
        check_writable(args.out / f"{protocol.name}.html")
    found = evaluate([_labelled(word) for word in args.scores], protocol, split=args.split)
    console = Console(highlight=False)
    print_evaluation(found, console)
    if args.out:
        from facetell.evaluate.formats import FORMATS
        from facetell.evaluate.page import to_html

        for suffix, write in {**FORMATS, "html": to_html}.items():
            write_text(args.out / f"{protocol.name}.{suffix}", write(found))
        ends = ", ".join(f".{suffix}" for suffix in FORMATS)
        console.print(f"written: {args.out / protocol.name}.html, {ends}", markup=False, soft_wrap=True)
    return 0


def print_evaluation(found: Evaluation, console: Console) -> None:
    """Print all tables, those of published figures last."""
    from facetell.evaluate.tables import model_lines

    console.print(found.protocol.title, style="bold", markup=False)
    console.print(found.protocol.summary + "\n", markup=False)
    for run in found.runs:
        lines = [f"{heading:12} {text}" for heading, text in model_lines(run)]
        console.print("\n".join([*lines, ""]), markup=False, soft_wrap=True)
    for table in (*found.tables, *found.quoted):
        for part in (table, table.counts):
            if part:
                console.print(part.title, style="bold" if part is table else "dim", markup=False)
                console.print(part.caption, style="dim", markup=False, end="\n" if part.caption else "")
                for block in _blocks(part, console.width):
                    console.print(block)
                console.print("\n".join([*part.notes, ""]), style="dim", markup=False)
    for note in found.protocol.notes:
        console.print(f"note: {note}", style="dim", markup=False)


def _blocks(table: Table, width: int) -> Iterator[RichTable]:
    """The table in blocks of columns that fit the width of the terminal, each with the names of the rows."""
    widths = [_width(table, column) for column in range(len(table.head))]
    blocks: list[list[int]] = []
    for column in range(table.stub, len(table.head)):
        if not blocks or sum(widths[i] for i in (*range(table.stub), *blocks[-1], column)) > width:
            blocks.append([])
        blocks[-1].append(column)
    yield from (_block(table, [*range(table.stub), *block], widths) for block in blocks)


def _block(table: Table, columns: Sequence[int], widths: Sequence[int]) -> RichTable:
    from rich.table import Table as RichTable

    made = RichTable(box=None, header_style="bold", pad_edge=False)
    for index in columns:
        made.add_column(table.head[index], justify="left" if index < table.stub else "right", width=widths[index] - 2)
    for row in table.rows:
        made.add_row(*(_written(row[index]) for index in columns))
    return made


def _width(table: Table, column: int) -> int:
    """Width of a column with the space after it; headings may break between words."""
    cells = [row[column] for row in table.rows]
    texts = [f"{cell.text} ({cell.mark})" if cell.mark else cell.text for cell in cells]
    return 2 + max(map(len, [*table.head[column].split(), *texts, *(cell.interval for cell in cells)]))


def _written(cell: Cell) -> str:
    text = escape(cell.text) + (f" ({cell.mark})" if cell.mark else "")
    return f"{text}\n[dim]{escape(cell.interval)}[/]" if cell.interval else text


def _labelled(word: str) -> tuple[str, Path]:
    """Label ("" for none) and path of ``LABEL=SCORES``; the name of an existing file is a path without a label."""
    label, sign, path = word.partition("=")
    if Path(word).exists() or not sign:
        return "", Path(word)
    return label, Path(path)

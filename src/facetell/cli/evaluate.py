"""``facetell evaluate``: tables, plots and a page from score files, by a protocol."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from facetell.datasets.manifest import SPLITS

if TYPE_CHECKING:
    from facetell.evaluate.tables import Evaluation, Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from facetell.evaluate.protocols import ALL, NAMES

    parser.add_argument(
        "scores",
        nargs="+",
        metavar="[LABEL=]SCORES",
        help="score files of `facetell score`, or CSV files with path, label and score; files of one model are joined; "
        "a label names the model, or its row",
    )
    names = ", ".join(NAMES)
    parser.add_argument(
        "--protocol", default=ALL, metavar="NAME|FILE", help=f"{names}, or a TOML file (default: all, every video)"
    )
    splits = (*SPLITS, ALL)
    parser.add_argument("--split", choices=splits, help="videos to evaluate (default: that of the protocol)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write NAME.md, .csv and .html (the page) here")


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
    _print(found, console)
    if args.out:
        from facetell.evaluate.formats import FORMATS

        for suffix, write in FORMATS.items():
            write_text(args.out / f"{protocol.name}.{suffix}", write(found))
        written = ", ".join(f"{protocol.name}.{suffix}" for suffix in FORMATS)
        console.print(f"written to {args.out}: {written}", markup=False, soft_wrap=True)
    return 0


def _print(found: Evaluation, console: Console) -> None:
    console.print(found.protocol.title, style="bold", markup=False)
    console.print(found.protocol.summary + "\n", markup=False)
    for run in found.runs:
        lines = [f"{heading:12} {text}" for heading, text in run.lines]
        console.print("\n".join([*lines, ""]), markup=False, soft_wrap=True)
    for table in found.tables:
        console.print(table.title, style="bold", markup=False)
        console.print(table.caption, style="dim", markup=False)
        _print_rows(table, console)
        console.print("\n".join([*table.notes, ""]), style="dim", markup=False)
    for note in found.protocol.notes:
        console.print(f"note: {note}", style="dim", markup=False)


def _print_rows(table: Table, console: Console) -> None:
    """Print a table in blocks of columns that fit the width of the terminal, each with the names of the rows."""
    rows = [[(c.text + (f" ({c.mark})" if c.mark else ""), c.interval) for c in row] for row in table.rows]
    widths = [
        max(map(len, [*head.split(), *(text for row in rows for text in row[column])]))
        for column, head in enumerate(table.head)
    ]
    blocks: list[list[int]] = []
    for column in range(table.stub, len(table.head)):
        if not blocks or sum(widths[i] + 2 for i in (*range(table.stub), *blocks[-1], column)) > console.width:
            blocks.append([])
        blocks[-1].append(column)
    for block in blocks:
        columns = [*range(table.stub), *block]
        shown = RichTable(box=None, header_style="bold", pad_edge=False)
        for i in columns:
            shown.add_column(table.head[i], justify="left" if i < table.stub else "right", width=widths[i])
        for row in rows:
            cells = (row[i] for i in columns)
            shown.add_row(*(Text.assemble(text, (f"\n{span}" if span else "", "dim")) for text, span in cells))
        console.print(shown)


def _labelled(word: str) -> tuple[str, Path]:
    """Label ("" for none) and path of ``LABEL=SCORES``; the name of an existing file is a path without a label."""
    label, sign, path = word.partition("=")
    return ("", Path(word)) if Path(word).exists() or not sign else (label, Path(path))

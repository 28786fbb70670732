"""``facetell models``: the networks that can be trained and exported, and their size."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/models.md")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 when done."""
    from facetell.models.zoo import HEAD, MODELS, model_rows

    if args.markdown:
        for row in (HEAD, ("---", "---", "---", "---:", "---:"), *model_rows()):
            print(f"| {' | '.join(row)} |" if row[0] != "---" else f"|{'|'.join(row)}|")
        return 0
    table = Table(*HEAD, "what it is", box=None, header_style="bold", pad_edge=False)
    last = ""
    for name, *cells in model_rows():
        table.add_row(*(("", *cells) if name == last else (name, *cells, MODELS[name].about)))
        last = name
    Console().print(table)
    return 0

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
    from facetell.models.table import markdown, model_rows

    rows = model_rows()
    if args.markdown:
        print(markdown(rows))
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("network", "motion", "clip"):
        table.add_column(name)
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    table.add_column("what it is")
    last = ""
    for row in rows:
        table.add_row(
            row.name if row.name != last else "",
            row.motion,
            f"{row.frames} x {row.size}²",
            f"{row.parameters / 1e6:.2f} M",
            f"{row.multiply_adds / 1e9:.2f} G",
            row.about if row.name != last else "",
        )
        last = row.name
    Console().print(table)
    return 0

"""``facetell sweep``: train every configuration of a grid, one after the other, and compare them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from facetell.cli.progress import Bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("grid", type=Path, metavar="GRID", help="configuration with a `grid` (.yaml)")
    add("changes", nargs="*", metavar="key=value", help="changes to every configuration of it")
    add("--out", type=Path, metavar="FOLDER", help="folder of the runs, resumed if they exist (default: runs/GRID)")
    add("--max-minutes", type=float, default=math.inf, metavar="M", help="stop after M minutes")


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, then print and write the table; 0 when all is done, else 2."""
    with Bar("loading torch"):
        from facetell.train.run import Stop
        from facetell.train.sweep import read_grid, run_grid, write_table

    points = read_grid(args.grid, args.changes)
    out = args.out or Path("runs") / args.grid.stem
    with Stop(args.max_minutes) as stop:
        if not run_grid(points, out, stop):
            return 2
    print(write_table(points, out), f"{out / 'table.md'}; runs below {out}", sep="")
    return 0

"""``facetell compare``: difference of two models on the same videos, with interval and p."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from facetell.cli.progress import Bar
from facetell.datasets.manifest import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from facetell.evaluate.protocols import ALL
    from facetell.metrics.measures import MEASURES

    add = parser.add_argument
    add("a", type=Path, metavar="SCORES_A", help="score file of the first model")
    add("b", type=Path, metavar="SCORES_B", help="score file of the second model, on the same videos")
    add("--split", choices=(*SPLITS, ALL), default=ALL, help="videos to compare on (default: all)")
    add("--measure", choices=list(MEASURES), default="auc", help="measure to compare (default: auc)")


def run(args: argparse.Namespace) -> int:
    """Print the comparison and its conclusion; 0 when done."""
    from facetell.evaluate.compare import SIGNIFICANT, compare
    from facetell.evaluate.scores import read_scores
    from facetell.metrics.measures import MEASURES

    names = str(args.a), str(args.b)
    with Bar("comparing"):
        found = compare(read_scores(args.a), read_scores(args.b), split=args.split, measure=args.measure, names=names)
    left_out = ", ".join(f"{number} {why}" for why, number in found.left_out.items() if number) or "none"
    print(f"A  {names[0]}\nB  {names[1]}\n")
    part = f"the split {args.split}" if args.split in SPLITS else "all splits"
    drawn = f"of {found.identities} identities" if found.identities else "identities unknown; resampled by video"
    print(
        f"{found.real + found.fake} videos of {part} that both scored: {found.real} real, "
        f"{found.fake} forged, {drawn}\nleft out: {left_out}\n"
    )
    measure = MEASURES[found.measure]
    heading = f"{measure.title} ({'higher' if measure.higher_is_better else 'lower'} is better)"
    table = Table(heading, "", "95 % interval", "p", box=None, pad_edge=False)
    figures: dict[str, Any] = {"A": found.a, "B": found.b, "A − B": found.difference}
    for name, figure in figures.items():
        span = "–" if math.isnan(figure.low) else f"{figure.low:.4f} to {figure.high:.4f}"
        p = getattr(figure, "p", math.nan)
        table.add_row(name, f"{figure.value:.4f}", span, "" if math.isnan(p) else f"{p:.2g}")
    Console(highlight=False, soft_wrap=True).print(table)
    if math.isnan(found.difference.p):
        print("\nNo p for the difference: the real or the forged videos are all of one person.")
    elif not found.better:
        print(f"\nNo significant difference in {measure.title} (p is {SIGNIFICANT:g} or more).")
    else:
        first, second = ("A", "B") if found.better == "a" else ("B", "A")
        print(f"\n{first} is better than {second} in {measure.title}: p is below {SIGNIFICANT:g}.")
    return 0

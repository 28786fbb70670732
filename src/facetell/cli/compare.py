"""``facetell compare``: difference of two models on the same videos, with interval and p."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from facetell.datasets.manifest import SPLITS

if TYPE_CHECKING:
    from facetell.evaluate.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from facetell.evaluate.protocols import ALL
    from facetell.metrics.measures import MEASURES

    parser.add_argument("a", type=Path, metavar="SCORES_A", help="score file of the first model")
    parser.add_argument("b", type=Path, metavar="SCORES_B", help="score file of the second model, on the same videos")
    parser.add_argument("--split", choices=(*SPLITS, ALL), default="test", help="videos to compare on (default: test)")
    parser.add_argument(
        "--measure",
        choices=list(MEASURES),
        default="auc",
        metavar="NAME",
        help=f"measure to compare: {', '.join(MEASURES)} (default: auc)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the comparison and its conclusion; 0 when done."""
    from facetell.evaluate.compare import compare
    from facetell.evaluate.scores import read_scores
    from facetell.metrics.measures import MEASURES

    names = str(args.a), str(args.b)
    found = compare(read_scores(args.a), read_scores(args.b), split=args.split, measure=args.measure, names=names)
    left_out = ", ".join(f"{number} {why}" for why, number in found.left_out.items() if number) or "none"
    print(f"A  {names[0]}\nB  {names[1]}\n")
    print(
        f"{found.real + found.fake} videos of the split {args.split} that both scored: {found.real} real, "
        f"{found.fake} forged, of {found.identities} identities\nleft out: {left_out}\n"
    )
    measure = MEASURES[found.measure]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{measure.title} ({'higher' if measure.higher_is_better else 'lower'} is better)")
    for heading in ("", "95 % interval", "p"):
        table.add_column(heading, justify="right")
    for name, figure in (("A", found.a), ("B", found.b)):
        table.add_row(name, f"{figure.value:.4f}", _span(figure.low, figure.high), "")
    difference = found.difference
    span = _span(difference.low, difference.high, "+")
    table.add_row("A − B", f"{difference.value:+.4f}", span, _p(difference.p))
    Console(highlight=False, soft_wrap=True).print(table)
    print(f"\n{_conclusion(found, measure.title)}")
    return 0


def _conclusion(found: Comparison, title: str) -> str:
    from facetell.evaluate.compare import SIGNIFICANT

    difference = found.difference
    if math.isnan(difference.p):
        return (
            f"No p for the difference of {difference.value:+.4f} in {title}: "
            "the real or the forged videos are all of one person."
        )
    p = f"= {_p(difference.p)}" if difference.p >= 0.001 else _p(difference.p)
    span = f"{difference.value:+.4f}, 95 % interval {_span(difference.low, difference.high, '+')}, p {p}"
    if not found.better:
        return f"No significant difference: the difference in {title} is {span}."
    first, second = ("A", "B") if found.better == "a" else ("B", "A")
    return f"{first} is better than {second}: the difference in {title} (A − B) is {span}, below {SIGNIFICANT:g}."


def _span(low: float, high: float, sign: str = "") -> str:
    return "–" if math.isnan(low) else f"{low:{sign}.4f} to {high:{sign}.4f}"


def _p(p: float) -> str:
    return "–" if math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001"

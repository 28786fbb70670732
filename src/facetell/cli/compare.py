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
    from facetell.metrics.intervals import Difference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from facetell.metrics.measures import MEASURES

    parser.add_argument("a", type=Path, metavar="SCORES_A", help="score file of the first model")
    parser.add_argument("b", type=Path, metavar="SCORES_B", help="score file of the second model, on the same videos")
    parser.add_argument("--split", choices=SPLITS, default="test", help="videos to compare on (default: test)")
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

    names = str(args.a), str(args.b)
    found = compare(read_scores(args.a), read_scores(args.b), split=args.split, measure=args.measure, names=names)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"A  {names[0]}\nB  {names[1]}", markup=False)
    console.print(
        f"\n{found.real + found.fake} videos of the split {args.split} that both scored: {found.real} real, "
        f"{found.fake} forged, of {found.identities} identities\nleft out: {_left_out(found)}\n"
    )
    console.print(_table(found))
    console.print(f"\n{_conclusion(found)}")
    return 0


def _conclusion(found: Comparison) -> str:
    from facetell.evaluate.compare import SIGNIFICANT
    from facetell.metrics.measures import MEASURES

    title, difference = MEASURES[found.measure].title, found.difference
    if math.isnan(difference.p):
        return (
            f"No p for the difference of {difference.value:+.4f} in {title}: "
            "the real or the forged videos are all of one person."
        )
    p = f"= {_p(difference)}" if difference.p >= 0.001 else _p(difference)
    span = f"{difference.value:+.4f}, 95 % interval {_span(difference.low, difference.high, '+')}, p {p}"
    if not found.better:
        return f"No significant difference: the difference in {title} is {span}."
    first, second = ("A", "B") if found.better == "a" else ("B", "A")
    return f"{first} is better than {second}: the difference in {title} (A − B) is {span}, below {SIGNIFICANT:g}."


def _left_out(found: Comparison) -> str:
    counts = {
        "not scored by A": found.unscored_a,
        "not scored by B": found.unscored_b,
        "scored by neither": found.unscored_both,
        "without a label": found.unlabelled,
        "only in A": found.only_a,
        "only in B": found.only_b,
    }
    return ", ".join(f"{count} {why}" for why, count in counts.items() if count) or "none"


def _table(found: Comparison) -> Table:
    from facetell.metrics.measures import MEASURES

    measure = MEASURES[found.measure]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{measure.title} ({'higher' if measure.higher_is_better else 'lower'} is better)")
    for name in ("", "95 % interval", "p"):
        table.add_column(name, justify="right")
    for name, figure in (("A", found.a), ("B", found.b)):
        table.add_row(name, f"{figure.value:.4f}", _span(figure.low, figure.high), "")
    tests = {"A − B, bootstrap over identities": found.difference, "A − B, DeLong (videos independent)": found.delong}
    for name, difference in tests.items():
        if difference:
            span = _span(difference.low, difference.high, "+")
            table.add_row(name, f"{difference.value:+.4f}", span, _p(difference))
    return table


def _span(low: float, high: float, sign: str = "") -> str:
    return "–" if math.isnan(low) else f"{low:{sign}.4f} to {high:{sign}.4f}"


def _p(difference: Difference) -> str:
    return "–" if math.isnan(difference.p) else f"{difference.p:.3f}" if difference.p >= 0.001 else "< 0.001"

"""``facetell models``: the networks that can be trained and exported, and their size."""

from __future__ import annotations

import argparse

from facetell.cli.progress import Bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the table of docs/models.md; 0 when done."""
    with Bar("counting parameters"):
        from facetell.models.zoo import HEAD, model_rows

        rows = model_rows()
    print(f"| {' | '.join(HEAD)} |\n|---|---|---|---:|---:|", *(f"| {' | '.join(row)} |" for row in rows), sep="\n")
    return 0

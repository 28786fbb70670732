"""``facetell evaluate``: tables, plots and a page from score files, by a protocol."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from facetell.cli.progress import Bar
from facetell.datasets.manifest import SPLITS

COLUMN = 16  # characters; a narrower terminal wraps the lines of a table, so that no figure is cut off


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from facetell.evaluate.protocols import ALL, NAMES

    add = parser.add_argument
    text = "score files of `facetell score`, or CSV files with path, label and score; files of one model are joined; "
    add("scores", nargs="+", metavar="[LABEL=]SCORES", help=f"{text}a label names the model, or its row")
    text = f"{', '.join(NAMES)}, or a TOML file (default: all, every video)"
    add("--protocol", default=ALL, metavar="NAME|FILE", help=text)
    add("--split", choices=(*SPLITS, ALL), help="videos to evaluate (default: that of the protocol)")
    add("--out", type=Path, metavar="DIR", help="also write NAME.md, .csv and .html (the page) here")


def run(args: argparse.Namespace) -> int:
    """Print the tables and, with ``--out``, write them; 0 when done."""
    from facetell.evaluate.formats import FORMATS, to_markdown
    from facetell.evaluate.protocols import read_protocol
    from facetell.evaluate.tables import evaluate
    from facetell.files import check_all_writable, write_text

    protocol = read_protocol(args.protocol)
    if args.out:
        check_all_writable([args.out / f"{protocol.name}.html"])
    with Bar("evaluating"):
        found = evaluate([_labelled(word) for word in args.scores], protocol, split=args.split)
    columns = max((len(table.head) for table in found.tables), default=0)
    Console(width=max(Console().width, COLUMN * columns)).print(Markdown(to_markdown(found)))
    if args.out:
        for suffix, write in FORMATS.items():
            write_text(args.out / f"{protocol.name}.{suffix}", write(found))
        print(f"written to {args.out}: {', '.join(f'{protocol.name}.{suffix}' for suffix in FORMATS)}")
    return 0


def _labelled(word: str) -> tuple[str, Path]:
    """Label ("" for none) and path of ``LABEL=SCORES``; the name of an existing file is a path without a label."""
    label, sign, path = word.partition("=")
    return ("", Path(word)) if Path(word).exists() or not sign else (label, Path(path))

"""``facetell prepare``: the faces of the videos of a manifest, cut out once."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetell.cli.arguments import add_fps
from facetell.types import FacetellError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the clips")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one a core)"
    )
    parser.add_argument("--codec", choices=["h264", "jpeg"], default="h264", help="of the clips")
    parser.add_argument("--size", type=int, default=320, metavar="PX", help="largest side of a clip (default: 320)")
    parser.add_argument("--faces", choices=["main", "all"], default="main", help="the largest face only, or all")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="longest clip (default: 10)")
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Cut every video; 0 if each gave a clip, 2 if some did not (the ledger says why)."""
    from facetell.datasets.manifest import read_manifest
    from facetell.datasets.prepare import Progress as State
    from facetell.datasets.prepare import prepare
    from facetell.datasets.prepare_faces import PrepareSettings
    from facetell.datasets.prepared import LEDGER

    if args.workers < 1 or not 1 <= args.seconds < math.inf:
        raise FacetellError("--workers and --seconds are at least 1")
    settings = PrepareSettings(args.codec, args.size, args.faces, args.seconds, args.fps)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("preparing", total=None)

        def show(state: State) -> None:
            # Videos of an earlier run are left out of the bar, or they would make the time left look short.
            done, total = state.done - state.found, state.total - state.found
            progress.update(task, completed=done, total=total, description=state.last[-40:] or "preparing")

        ledger = prepare(read_manifest(args.manifest), args.out, settings, workers=args.workers, progress=show)
    failed = [line for line in ledger if not line["clips"]]
    for line in failed[:20]:
        print(f"facetell prepare: {line['path']}: {line['reason']}", file=sys.stderr)
    if len(failed) > 20:
        print(f"facetell prepare: and {len(failed) - 20} more, see {args.out / LEDGER}", file=sys.stderr)
    clips = sum(len(line["clips"]) for line in ledger)
    videos = len(ledger) - len(failed)
    without = f", {len(failed)} without" if failed else ""
    print(f"{clips} clip{'s' * (clips != 1)} of {videos} video{'s' * (videos != 1)}{without}, in {args.out}")
    return 2 if failed else 0

"""``facetell prepare``: crop the faces out of the videos of a manifest, once."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from facetell.cli.arguments import add_fps, count, positive, print_error
from facetell.cli.progress import Bar

SHOWN = 20  # videos without a clip that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    cores = os.cpu_count() or 1
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the clips")
    parser.add_argument("--workers", type=count, default=cores, metavar="N", help="processes (default: one per core)")
    parser.add_argument("--size", type=int, default=320, metavar="PX", help="largest side of a clip (default: 320)")
    parser.add_argument("--faces", choices=["main", "all"], default="main", help="the largest face only, or all")
    parser.add_argument(
        "--seconds", type=partial(positive, most=3600), default=10.0, metavar="S", help="longest clip (default: 10)"
    )
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Crop every video; 0 if each gave a clip, 2 if some did not (the ledger says why)."""
    from facetell.batch.locate import PrepareSettings
    from facetell.batch.prepare import prepare
    from facetell.datasets.manifest import read_manifest
    from facetell.datasets.prepared import LEDGER

    settings = PrepareSettings(args.size, args.faces, args.seconds, args.fps)
    with Bar("preparing") as bar:
        ledger = prepare(read_manifest(args.manifest), args.out, settings, workers=args.workers, progress=bar.videos)
    failed = [line for line in ledger if not line["clips"]]
    for line in failed[:SHOWN]:
        print_error("prepare", f"{line['path']}: {line['reason']}")
    if len(failed) > SHOWN:
        print_error("prepare", f"and {len(failed) - SHOWN} more, see {args.out / LEDGER}")
    clips = sum(len(line["clips"]) for line in ledger)
    videos = len(ledger) - len(failed)
    without = f", {len(failed)} without" if failed else ""
    print(f"{clips} clip{'s' * (clips != 1)} of {videos} video{'s' * (videos != 1)}{without}, in {args.out}")
    return 2 if failed else 0

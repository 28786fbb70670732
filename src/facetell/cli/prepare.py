"""``facetell prepare``: crop the faces out of the videos of a manifest, once."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from facetell.cli.arguments import add_fps, count, number, print_error
from facetell.cli.progress import Bar

SHOWN = 20  # videos without a clip that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    cores, seconds, add = os.cpu_count() or 1, partial(number, most=3600), parser.add_argument
    add("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the clips")
    add("--workers", type=count, default=cores, metavar="N", help="processes (default: one per core)")
    add("--size", type=int, default=320, metavar="PX", help="largest side of a clip (default: 320)")
    add("--faces", choices=["main", "all"], default="main", help="the largest face only, or all")
    add("--seconds", type=seconds, default=10.0, metavar="S", help="longest clip (default: 10)")
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
    print(f"clips: {clips}; videos: {len(ledger)}, {len(failed)} without a clip; in {args.out}")
    return 2 if failed else 0

"""``facetell distort``: distorted copies of videos, for testing detectors."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from facetell.cli.arguments import check_seed, print_left_out
from facetell.distort import KINDS, PUBLISHED, distort_video
from facetell.distort.kinds import LEVELS
from facetell.distort.video import note_in, note_of
from facetell.files import short_name
from facetell.types import FacetellError
from facetell.video.find import LeftOut, find_videos
from facetell.video.source import content_sha256

SUFFIX = ".mp4"


Copies = dict[Path, tuple[Path, str, int]]
"""Source, kind and level by the file of a copy."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO|FOLDER|GLOB", help="clean videos")
    parser.add_argument(
        "--kind", nargs="+", choices=list(KINDS), metavar="KIND", help=f"one or more: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--level", nargs="+", type=int, choices=LEVELS, metavar="N", help="1 (mild) to 5 (default: all)"
    )
    parser.add_argument("--all", action="store_true", help=f"the published 7 x 5: {', '.join(PUBLISHED)}")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same copies")
    help_out = "a file for one copy, else a folder: KIND/LEVEL/NAME"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE|DIR", help=help_out)


def run(args: argparse.Namespace) -> int:
    """Make the copies that are missing. 0 if all are there, 2 if not."""
    if bool(args.kind) == args.all:
        raise FacetellError("choose the distortions: either --kind with one or more kinds, or --all")
    check_seed(args.seed)
    kinds, levels = list(PUBLISHED) if args.all else args.kind, args.level or list(LEVELS)
    left_out = LeftOut()
    sources = find_videos(args.videos, left_out)
    print_left_out("distort", left_out)
    # A single copy that is named is made again; of many, those that are there are from an earlier run.
    single = len(sources) == len(kinds) == len(levels) == 1 and args.out.suffix
    copies: Copies = {args.out: (sources[0], kinds[0], levels[0])} if single else {}
    for source, name in zip(sources, _names_of(sources), strict=True) if not single else ():
        file = f"{short_name(name, len(SUFFIX))}{SUFFIX}"
        copies |= {args.out / code / str(level) / file: (source, code, level) for code in kinds for level in levels}
    there = {out: copy for out, copy in copies.items() if out.exists() and not single}
    contents = {source: content_sha256(source) for source in {source for source, _, _ in there.values()}}
    others = 0
    for out, (source, code, level) in there.items():
        if note_in(out) != note_of(contents[source], code, level, args.seed):
            others += 1
            print(
                f"facetell distort: {out} is there, but no copy of {source} made with --seed {args.seed}: "
                "choose another folder with --out",
                file=sys.stderr,
            )
    missing = {out: copy for out, copy in copies.items() if out not in there}
    failed = _make(missing, args.seed)
    kept = len(there) - others
    print(f"{len(missing) - failed} made" + (f", {kept} were there" if kept else "") + f", in {args.out}")
    return 2 if failed or others or left_out.faults else 0


def _names_of(sources: Sequence[Path]) -> list[str]:
    """Names of the copies; videos of equal names get those of their folders below the common one in front.

    >>> _names_of([Path("x/a/1.mp4"), Path("x/b/1.mp4"), Path("x/b/2.mp4")])
    ['a-1', 'b-1', '2']
    """
    stems = Counter(source.stem for source in sources)
    paths = [Path(os.path.abspath(source)) for source in sources]  # noqa: PTH100  # a link keeps its name
    common = os.path.commonpath([path.parent for path in paths])
    names = [
        path.stem if stems[path.stem] == 1 else "-".join(path.relative_to(common).with_suffix("").parts)
        for path in paths
    ]
    for name, count in Counter(names).items():
        if count > 1:
            first, second = [source for source, own in zip(sources, names, strict=True) if own == name][:2]
            raise FacetellError(f"the copies of {first} and {second} would both be called {name}: run them separately")
    return names


def _make(copies: Copies, seed: int) -> int:
    """Make the copies; returns how many failed, each with a message on stderr."""
    failed = 0
    console = Console(stderr=True)
    for out in track(copies, "distorting", console=console, transient=True, disable=not console.is_terminal):
        source, code, level = copies[out]
        try:
            distort_video(source, out, code, level, seed=seed)
        except FacetellError as error:
            failed += 1
            print(f"facetell distort: {source}: {error}", file=sys.stderr)
    return failed

"""``facetell distort``: distorted copies of videos, for testing detectors."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from facetell.cli.arguments import count, find
from facetell.cli.progress import Bar
from facetell.distort import KINDS, PUBLISHED, distort_video
from facetell.distort.kinds import LEVELS
from facetell.distort.video import note_in, note_of
from facetell.files import short_name
from facetell.types import FacetellError
from facetell.video.source import content_sha256

SUFFIX = ".mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, seed = parser.add_argument, partial(count, least=0)
    add("videos", nargs="+", metavar="VIDEO|FOLDER|GLOB", help="clean videos")
    add("--kind", nargs="+", choices=list(KINDS), metavar="KIND", help=f"one or more: {', '.join(KINDS)}")
    add("--level", nargs="+", type=int, choices=LEVELS, metavar="N", help="1 (mild) to 5 (default: all)")
    add("--all", action="store_true", help=f"the published 7 x 5: {', '.join(PUBLISHED)}")
    add("--seed", type=seed, default=0, metavar="N", help="the same seed gives the same copies")
    text = "a file for one copy, else a folder: KIND/LEVEL/NAME"
    add("--out", type=Path, required=True, metavar="FILE|DIR", help=text)


def run(args: argparse.Namespace) -> int:
    """Make the copies that are missing. 0 if all are there, 2 if not."""
    if bool(args.kind) == args.all:
        raise FacetellError("choose the distortions: either --kind with one or more kinds, or --all")
    kinds, levels = list(PUBLISHED) if args.all else args.kind, args.level or list(LEVELS)
    sources, all_found = find("distort", args.videos)
    # A single copy that is named is made again; of many, those that are there are from an earlier run.
    single = len(sources) == len(kinds) == len(levels) == 1 and args.out.suffix
    copies = {args.out: (sources[0], kinds[0], levels[0])} if single else {}
    for source, name in zip(sources, _names_of(sources), strict=True) if not single else ():
        file = f"{short_name(name, len(SUFFIX))}{SUFFIX}"
        copies |= {args.out / code / str(level) / file: (source, code, level) for code in kinds for level in levels}
    made = kept = failed = 0
    hashed = cache(content_sha256)
    with Bar("distorting") as bar:
        for number, (out, (source, code, level)) in enumerate(copies.items()):
            bar.update(number, len(copies), f"{number}/{len(copies)}", str(out))
            try:
                if single or not out.exists():
                    distort_video(source, out, code, level, seed=args.seed)
                    made += 1
                elif note_in(out) == note_of(hashed(source), code, level, args.seed):
                    kept += 1
                else:
                    raise FacetellError(
                        f"{out} exists, and is not this copy (--seed {args.seed}); choose another --out"
                    )
            except FacetellError as error:
                failed += 1
                bar.print(f"facetell distort: {source}: {error}")
    print(f"{made} made" + (f", {kept} were there" if kept else "") + f", in {args.out}")
    return 0 if all_found and not failed else 2


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
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        raise FacetellError(f"copies of two videos would both be called {doubled[0]}: run them separately")
    return names

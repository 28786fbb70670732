"""``facetell distort``: distorted copies of videos, for testing detectors."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from facetell.commands.arguments import check_seed
from facetell.distort import KINDS, PUBLISHED, distort_video
from facetell.distort.kinds import LEVELS
from facetell.media.find import find_videos
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Job:
    """One distorted copy to be made."""

    source: Path
    out: Path
    code: str
    level: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO|FOLDER|GLOB", help="clean videos")
    parser.add_argument(
        "--kind", nargs="+", choices=list(KINDS), metavar="KIND", help=f"which distortions: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--level", nargs="+", type=int, choices=LEVELS, metavar="N", help="1 (mild) to 5 (default: all)"
    )
    parser.add_argument("--all", action="store_true", help=f"the published 7 x 5: {', '.join(PUBLISHED)}")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same copies")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE|DIR",
        help="a file for one copy, else a folder: KIND/LEVEL/NAME",
    )


def run(args: argparse.Namespace) -> int:
    """Make the copies; those that are there already are kept. 0 if all were made, 2 if not."""
    if bool(args.kind) == args.all:
        raise FacetellError("say what to make: either --kind with one or more kinds, or --all")
    check_seed(args.seed)
    kinds = list(PUBLISHED) if args.all else args.kind
    levels = args.level or list(LEVELS)
    sources = find_videos(args.videos)
    single = len(sources) == len(kinds) == len(levels) == 1 and args.out.suffix != ""
    jobs = [Job(sources[0], args.out, kinds[0], levels[0])] if single else list(_jobs(sources, kinds, levels, args.out))
    # A single copy that was asked for by name is made anew; of many, those that are there are from an earlier run.
    waiting = jobs if single else [job for job in jobs if not job.out.exists()]
    failed = _work(waiting, args.seed)
    kept = len(jobs) - len(waiting)
    print(f"{len(waiting) - failed} made" + (f", {kept} were there" if kept else "") + f", in {args.out}")
    return 2 if failed else 0


def _jobs(sources: Sequence[Path], kinds: Sequence[str], levels: Sequence[int], folder: Path) -> Iterator[Job]:
    stems = Counter(source.stem for source in sources)
    taken: Counter[str] = Counter()
    for source in sources:
        # Videos of one name in different folders are told apart by a number, in the order in which they were named.
        taken[source.stem] += 1
        name = source.stem if stems[source.stem] == 1 else f"{source.stem}-{taken[source.stem]}"
        for code in kinds:
            for level in levels:
                yield Job(source, folder / code / str(level) / f"{name}.mp4", code, level)


def _work(jobs: Sequence[Job], seed: int) -> int:
    """Make the copies; returns how many could not be made, each with a sentence on stderr."""
    failed = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("distorting", total=float(len(jobs)))
        for number, job in enumerate(jobs):
            progress.update(task, description=f"{job.code} {job.level} {job.source.name[-30:]}")

            def show(share: float, done: int = number) -> None:
                progress.update(task, completed=done + share)

            try:
                distort_video(job.source, job.out, job.code, job.level, seed=seed, progress=show)
            except FacetellError as error:
                failed += 1
                print(f"facetell distort: {job.source}: {error}", file=sys.stderr)
    return failed

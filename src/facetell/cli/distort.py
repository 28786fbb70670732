"""``facetell distort``: distorted copies of videos, for testing detectors."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from facetell.cli.arguments import check_seed, print_left_out
from facetell.distort import KINDS, PUBLISHED, distort_video
from facetell.distort.kinds import LEVELS
from facetell.distort.video import note_in, note_of
from facetell.files import short_name
from facetell.types import FacetellError
from facetell.video.find import LeftOut, find_videos
from facetell.video.source import content_sha256

SUFFIX = ".mp4"


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
    left_out = LeftOut()
    sources = find_videos(args.videos, left_out)
    print_left_out("distort", left_out)
    single = len(sources) == len(kinds) == len(levels) == 1 and args.out.suffix != ""
    jobs = [Job(sources[0], args.out, kinds[0], levels[0])] if single else list(_jobs(sources, kinds, levels, args.out))
    # A single copy that was asked for by name is made anew; of many, those that are there are from an earlier run.
    there = [] if single else [job for job in jobs if job.out.exists()]
    waiting = [job for job in jobs if single or not job.out.exists()]
    contents = {source: content_sha256(source) for source in {job.source for job in there}}
    strange = [
        job for job in there if note_in(job.out) != note_of(contents[job.source], job.code, job.level, args.seed)
    ]
    for job in strange:
        print(
            f"facetell distort: {job.out} is there, but no copy of {job.source} made with --seed {args.seed}: "
            "choose another folder with --out",
            file=sys.stderr,
        )
    failed = _work(waiting, args.seed)
    kept = len(there) - len(strange)
    print(f"{len(waiting) - failed} made" + (f", {kept} were there" if kept else "") + f", in {args.out}")
    return 2 if failed or strange or left_out.faults else 0


def _jobs(sources: Sequence[Path], kinds: Sequence[str], levels: Sequence[int], folder: Path) -> Iterator[Job]:
    for source, name in zip(sources, names_of(sources), strict=True):
        for code in kinds:
            for level in levels:
                yield Job(source, folder / code / str(level) / f"{short_name(name, len(SUFFIX))}{SUFFIX}", code, level)


def names_of(sources: Sequence[Path]) -> list[str]:
    """What the copies of videos are called; those of one name are told apart by their folders, below what all share.

    Raises:
        FacetellError: that tells them not apart.

    >>> names_of([Path("x/a/1.mp4"), Path("x/b/1.mp4"), Path("x/b/2.mp4")])
    ['a-1', 'b-1', '2']
    """
    stems = Counter(source.stem for source in sources)
    paths = [Path(os.path.abspath(source)) for source in sources]  # noqa: PTH100  # a link keeps its name
    shared = os.path.commonpath([path.parent for path in paths])
    names = [
        path.stem if stems[path.stem] == 1 else "-".join(path.relative_to(shared).with_suffix("").parts)
        for path in paths
    ]
    for name, count in Counter(names).items():
        if count > 1:
            first, second = [source for source, own in zip(sources, names, strict=True) if own == name][:2]
            raise FacetellError(f"the copies of {first} and {second} would both be called {name}: distort them apart")
    return names


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

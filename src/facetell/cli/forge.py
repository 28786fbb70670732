"""``facetell forge``: forge a real video, for training and testing detectors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from facetell.cli.arguments import check_seed
from facetell.files import short_name
from facetell.forge.video import VIDEO_KINDS, forge_video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a real video")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the forgery (default: VIDEO-KIND.mp4 here)")
    parser.add_argument("--kind", choices=VIDEO_KINDS, default="mix", help="the forgery (default: mix draws one)")
    parser.add_argument("--with", dest="donor", type=Path, metavar="OTHER", help="video of another person, for a swap")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same forgery")
    parser.add_argument("--no-mark", action="store_true", help="without the visible mark (the metadata tag is written)")


def run(args: argparse.Namespace) -> int:
    """Forge one video; 0 when done, 2 if no face was forged."""
    check_seed(args.seed)
    ending = f"-{args.kind}.mp4"
    out = args.out or Path(f"{short_name(args.video.stem, len(ending))}{ending}")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"forging {args.video.name[-40:]}", total=1.0)
        made = forge_video(
            args.video,
            out,
            args.kind,
            donor=args.donor,
            seed=args.seed,
            mark=not args.no_mark,
            progress=lambda share: progress.update(task, completed=share),
        )
    print(f"{out}: {made.kind}, {made.forged} of {made.frames} frames forged")
    if made.kind != "none" and made.forged == 0:
        print(f"facetell forge: {out}: nothing was forged: no face was tracked", file=sys.stderr)
        return 2
    return 0

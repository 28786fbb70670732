"""``facetell forge``: forge a real video, for training and testing detectors."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from facetell.cli.arguments import count, print_error
from facetell.cli.progress import Bar
from facetell.files import short_name
from facetell.forge.video import VIDEO_KINDS, forge_video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, seed = parser.add_argument, partial(count, least=0)
    add("video", type=Path, metavar="VIDEO", help="a real video")
    add("--out", type=Path, metavar="FILE", help="the forgery (default: VIDEO-KIND.mp4 here)")
    add("--kind", choices=VIDEO_KINDS, default="mix", help="the forgery (default: mix draws one)")
    add("--with", dest="donor", type=Path, metavar="OTHER", help="another person, for a swap or the motion of reenact")
    add("--seed", type=seed, default=0, metavar="N", help="the same seed gives the same forgery")
    add("--no-mark", action="store_true", help="without the visible mark (the metadata tag is written)")


def run(args: argparse.Namespace) -> int:
    """Forge one video; 0 when done, 2 if no face was forged."""
    ending = f"-{args.kind}.mp4"
    out = args.out or Path(f"{short_name(args.video.stem, len(ending))}{ending}")
    with Bar("forging") as bar:
        made = forge_video(
            args.video,
            out,
            args.kind,
            donor=args.donor,
            seed=args.seed,
            mark=not args.no_mark,
            progress=lambda share: bar.update(share, 1, "", args.video.name),
        )
    print(f"{out}: {made.kind}, {made.forged} of {made.frames} frames forged")
    if made.kind != "none" and made.forged == 0:
        print_error("forge", f"{out}: nothing was forged: no face was tracked")
        return 2
    return 0

"""``facetell motion``: draw the motion of a face: optical flow, and first and second differences in time."""

from __future__ import annotations

import argparse
from pathlib import Path

from facetell.cli.progress import Bar
from facetell.files import check_all_writable
from facetell.motion import draw_strip, draw_video, view_video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("video", type=Path, metavar="VIDEO", help="a video of a face")
    add("other", type=Path, metavar="OTHER", nargs="?", help="a second one, drawn beside it")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for motion.png and motion.mp4")


def run(args: argparse.Namespace) -> int:
    """Draw the strip and the video; 0 when done."""
    videos = [args.video] if args.other is None else [args.video, args.other]
    drawings = {args.out / "motion.png": draw_strip, args.out / "motion.mp4": draw_video}
    check_all_writable(drawings, videos)
    with Bar("drawing"):
        views = [view_video(video) for video in videos]
        for target, draw in drawings.items():
            draw(views, target)
    print(*drawings, sep="\n")
    return 0

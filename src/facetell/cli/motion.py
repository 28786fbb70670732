"""``facetell motion``: draw the motion of a face, and the activation of the network's motion layers."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from facetell.cli.arguments import add_model, positive
from facetell.engine import FAST_MODEL, model_path
from facetell.types import FacetellError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video of a face")
    parser.add_argument("other", type=Path, metavar="OTHER", nargs="?", help="a second one, drawn beside it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for motion.png and motion.mp4")
    add_model(parser, FAST_MODEL, function=False)
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds to skip (default: 0)")
    parser.add_argument("--seconds", type=positive, default=2.0, metavar="S", help="seconds to draw (default: 2)")


def run(args: argparse.Namespace) -> int:
    """Draw the strip and the video; 0 when done."""
    from facetell.files import check_writable
    from facetell.models.export import model_from_onnx
    from facetell.motion import draw_strip, draw_video, view_video

    if not 0 <= args.start < math.inf:
        raise FacetellError("--start is a number of seconds, 0 or more")
    path = model_path(args.model)
    _, model = model_from_onnx(path)
    if model.architecture["motion"] == "none":
        raise FacetellError(f"{path} has no motion blocks; give another --model, trained with them")
    videos = [args.video] if args.other is None else [args.video, args.other]
    drawings = {args.out / "motion.png": draw_strip, args.out / "motion.mp4": draw_video}
    for target in drawings:
        check_writable(target, keep=videos)
    views = [view_video(video, model, start=args.start, seconds=args.seconds) for video in videos]
    for target, draw in drawings.items():
        draw(views, target)
        print(target)
    return 0

"""``facetell score``: score the videos of a manifest into a score file."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.cli.arguments import add_detection, add_fps, count, detection_settings
from facetell.cli.progress import Bar
from facetell.datasets.manifest import SPLITS, read_manifest
from facetell.types import Status

if TYPE_CHECKING:
    from facetell.evaluate.scores import Scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "manifest",
        type=Path,
        metavar="MANIFEST",
        help="a CSV file of videos, or a folder with manifest.csv",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the score file to write (.parquet)")
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=[], help="only these splits (default: all)")
    parser.add_argument(
        "--distort",
        nargs="+",
        default=[],
        metavar="KIND[:LEVELS]",
        help="also score distorted: GB:3, VC:1-5, GNC (all levels), all (the published 7 x 5), own (all others)",
    )
    parser.add_argument("--no-clean", action="store_true", help="leave out the videos without distortion")
    workers = max(1, (os.cpu_count() or 1) // 2)
    parser.add_argument("--workers", type=count, default=workers, metavar="N", help="processes (default: cores / 2)")
    add_detection(parser, threshold=False)
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 if all could be read, scored or not, else 2."""
    from facetell.batch.score import ScoringSettings, conditions, score_manifest

    settings = ScoringSettings(
        detection_settings(args, image_rate=args.fps),
        distortions=conditions(args.distort),
        clean=not args.no_clean,
        splits=tuple(split for split in SPLITS if split in args.split),
    )
    was_there = args.out.exists()
    with Bar("scoring") as bar:
        scores = score_manifest(
            read_manifest(args.manifest),
            args.model,
            settings,
            out=args.out,
            workers=args.workers,
            progress=bar.videos,
            fault=lambda message: bar.print(f"facetell score: {message}"),
        )
    sys.stdout.flush()
    print(f"{_summary(scores)}, in {args.out}" + (" (which was there already)" if was_there else ""))
    return 2 if (scores["status"] == Status.UNREADABLE.value).any() else 0


def _summary(scores: Scores) -> str:
    """How many videos were scored, and why others were not; each counts once under each distortion."""
    videos = scores.videos()
    counts = Counter(videos["status"].tolist())
    scored = counts.pop(Status.SCORED.value, 0)
    reasons = ", ".join(f"{status.replace('_', ' ')} {number}" for status, number in sorted(counts.items()))
    missed = f"{counts.total()} not" + (f" ({reasons})" if reasons else "")
    conditions = len({*zip(videos["distortion"].tolist(), videos["level"].tolist(), strict=True)})
    if conditions == 1:
        return f"{scored} video{'s' * (scored != 1)} scored, {missed}"
    return f"{len(videos) // conditions} videos under {conditions} conditions: {scored} scored, {missed}"

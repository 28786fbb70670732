"""``facetell score``: score the videos of a manifest into a score file."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path

from facetell.cli.arguments import add_detection, add_fps, count, detection_settings, number, share, summary
from facetell.cli.progress import Bar
from facetell.datasets.manifest import SPLITS, read_manifest
from facetell.engine.info import InputFormat
from facetell.types import Status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("manifest", type=Path, metavar="MANIFEST", help="a CSV file of videos, or a folder with manifest.csv")
    add("--out", type=Path, required=True, metavar="FILE", help="the score file to write (.parquet)")
    add("--split", nargs="+", choices=SPLITS, default=[], help="only these splits (default: all)")
    text = "also score distorted: GB:3, VC:1-5, GNC (all levels), all (the published 7 x 5), own (all others)"
    add("--distort", nargs="+", default=[], metavar="KIND[:LEVELS]", help=text)
    add("--no-clean", action="store_true", help="leave out the videos without distortion")
    workers = max(1, (os.cpu_count() or 1) // 2)
    add("--workers", type=count, default=workers, metavar="N", help="processes (default: cores / 2)")
    add_detection(parser, threshold=False)
    add_fps(parser)
    text = "for an ONNX file of another program: all but --crop are needed"
    add = parser.add_argument_group("input of the model", text).add_argument
    add("--size", type=count, metavar="S", help="its side in pixels")
    add("--frames", type=count, metavar="T", help="its frames; 1: the middle one of a clip")
    add("--rate", type=number, metavar="N", help="frames per second of a clip")
    for name, kind in (("--mean", share), ("--std", number)):
        add(name, nargs=3, type=kind, metavar=("R", "G", "B"), help=f"{name[2:]} of RGB in [0, 1]")
    add("--crop", type=number, metavar="N", help="side of the crop in face lengths (default: 1.35)")


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 if all were scored, else 2."""
    from facetell.batch.score import ScoringSettings, conditions, score_manifest

    given = {field.name: value for field in fields(InputFormat) if (value := getattr(args, field.name)) is not None}
    settings = ScoringSettings(
        detection_settings(args, image_rate=args.fps, given=InputFormat(**given) if given else None),
        distortions=conditions(args.distort),
        clean=not args.no_clean,
        splits=tuple(split for split in SPLITS if split in args.split),
    )
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
    videos = scores.videos()
    levels = len({*zip(videos["distortion"].tolist(), videos["level"].tolist(), strict=True)})
    under = f" under {levels} conditions" * (levels > 1)
    print(f"{summary(Counter(videos['status'].tolist()))}{under}, in {args.out}")
    return 2 if (scores["status"] != Status.SCORED.value).any() else 0

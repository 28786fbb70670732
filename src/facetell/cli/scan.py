"""``facetell scan``: score a corpus of videos, each once; resumable."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from facetell.cli.arguments import add_detection, add_fps, count, detection_settings, print_error, summary
from facetell.cli.progress import Bar
from facetell.report.language import LANGUAGES
from facetell.report.words import VERDICTS, one_line
from facetell.types import FacetellError, Status, Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder, or a list of paths, one a line ('-': from standard input)")
    add("--out", type=Path, required=True, metavar="DIR", help="output folder; resumes if it exists")
    add("--on", choices=["local", "ray"], default="local", help="where to run: processes here, or a Ray cluster")
    add("--workers", type=count, metavar="N", help="processes of one core each (default: one per core, or per Ray CPU)")
    add("--address", metavar="HOST:PORT", help="of the Ray cluster (default: as Ray finds it)")
    add("--shard", default="1/1", metavar="I/N", help="only part I of N, by a hash of the name")
    add("--language", choices=LANGUAGES, default="en", help="of the summary (default: en)")
    add("--retry", action="store_true", help="score again what could not be read")
    add_detection(parser)
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Score a corpus; 0 if every video was scored, 2 if not (the table has the reasons)."""
    import pyarrow.parquet  # noqa: F401  # an error before the scan where it is missing

    from facetell.batch.run import local_engine
    from facetell.batch.scan import scan
    from facetell.batch.scan_results import ERRORS, SUMMARY
    from facetell.batch.scan_source import open_source, read_shard
    from facetell.batch.scan_work import make_detector

    if args.address and args.on != "ray":
        raise FacetellError("--address is that of a Ray cluster; add --on ray")
    if args.on == "ray":
        if args.device != "cpu":  # Ray hides GPUs from tasks that do not reserve one
            raise FacetellError("--device cuda is for this machine; leave it out, or scan parts (--shard) without Ray")
        from facetell.batch.on_ray import ray_engine

        engine = ray_engine(args.workers, args.address)
    else:
        engine = local_engine(args.workers or os.cpu_count() or 1)
    settings = detection_settings(args, threshold=args.threshold, image_rate=args.fps)
    source, shard = open_source(args.source), read_shard(args.shard)
    detector, how = make_detector(args.model, settings), {"retry": args.retry, "language": args.language}
    with Bar("listing") as bar:
        counts = scan(source, args.out, detector, engine=engine, shard=shard, progress=bar.videos, **how)
    sys.stdout.flush()
    verdicts = {word: n for word, n in sorted(counts.verdicts.items()) if word != Verdict.NONE}
    text = summary(counts.statuses, ", ".join(f"{n} {VERDICTS[Verdict(word)]}" for word, n in verdicts.items()))
    if counts.duplicates:
        text += f"; {counts.duplicates} with the same content as another"
    print(f"{text}; see {one_line(str(args.out / SUMMARY))}")
    if counts.left_out:
        print_error("scan", f"left out: {counts.left_out}")
    if counts.errors:
        noun = "line" if counts.errors == 1 else "lines"
        print_error("scan", f"{counts.errors} {noun} in {args.out / ERRORS} say what could not be read")
    return 2 if counts.errors or counts.statuses[Status.SCORED] < counts.statuses.total() else 0

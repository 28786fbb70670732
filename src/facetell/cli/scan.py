"""``facetell scan``: score a corpus of videos, each once; resumable."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.cli.arguments import add_detection, add_fps, count, detection_settings, print_error
from facetell.cli.progress import Bar
from facetell.report.strings import VERDICTS
from facetell.report.words import one_line
from facetell.types import FacetellError, Status, Verdict

if TYPE_CHECKING:
    from facetell.batch.run import Engine
    from facetell.batch.run import Progress as State
    from facetell.batch.scan_results import Counts

EVERY = 60.0  # seconds between lines where there is no terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a folder, or a list of paths, one a line ('-': from standard input)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder; resumes if it exists")
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local", help="where to run: processes here, or a Ray cluster"
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes of one core each (default: one per core, or per Ray CPU)"
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: as Ray finds it)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only part I of N, by a hash of the name")
    parser.add_argument("--retry", action="store_true", help="score again what could not be read")
    add_detection(parser, engine="--inference")
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Score a corpus; 0 if everything could be read, 2 if not (the list of errors says what, and why)."""
    import pyarrow.parquet  # noqa: F401  # an error before the scan where it is missing

    from facetell.batch.scan import scan
    from facetell.batch.scan_results import ERRORS, SUMMARY
    from facetell.batch.scan_source import open_source, read_shard
    from facetell.batch.scan_work import make_detector

    if args.address and args.engine != "ray":
        raise FacetellError("--address is that of a Ray cluster; add --engine ray")
    settings = detection_settings(args, threshold=args.threshold, image_rate=args.fps)
    source, shard = open_source(args.source), read_shard(args.shard)
    with Bar("listing") as bar:
        counts = scan(
            source,
            args.out,
            make_detector(args.model, settings),
            engine=_engine(args),
            shard=shard,
            retry=args.retry,
            progress=Meter(bar),
        )
    sys.stdout.flush()
    print(f"{_summary(counts)}; see {one_line(str(args.out / SUMMARY))}")
    if counts.left_out:
        print_error("scan", f"left out: {counts.left_out}")
    if counts.errors:
        noun = "line" if counts.errors == 1 else "lines"
        print_error("scan", f"{counts.errors} {noun} in {args.out / ERRORS} say what could not be read")
    return 2 if counts.errors else 0


def _engine(args: argparse.Namespace) -> Engine:
    from facetell.batch.run import local_engine

    if args.engine == "local":
        return local_engine(args.workers or os.cpu_count() or 1)
    from facetell.batch.on_ray import ray_engine

    return ray_engine(args.workers, args.address)


def _summary(counts: Counts) -> str:
    statuses = dict(counts.statuses)
    scored = statuses.pop(Status.SCORED.value, 0)
    words = ", ".join(f"{n} {VERDICTS[Verdict(word)]}" for word, n in sorted(counts.verdicts.items()) if word != "none")
    reasons = ", ".join(f"{status.replace('_', ' ')} {number}" for status, number in sorted(statuses.items()))
    videos = counts.statuses.total()
    text = f"{videos} video{'s' * (videos != 1)}: {scored} scored" + (f" ({words})" if words else "")
    text += f", {videos - scored} not" + (f" ({reasons})" if reasons else "")
    if counts.duplicates:
        text += f"; {counts.duplicates} with the same content as another"
    return text


class Meter:
    """Shows how far a scan is: a bar on a terminal, else a line now and then."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._step, self._since, self._printed = "", time.monotonic(), time.monotonic()

    def __call__(self, state: State) -> None:
        """Show it."""
        now = time.monotonic()
        if state.step != self._step:
            self._step, self._since = state.step, now
            self._bar.begin(state.step)
        videos = f"{state.done} of {state.total} videos" if state.total else f"{state.done or ''}"
        if state.failed:
            videos += f", {state.failed} not readable"
        if self._bar.console.is_terminal:
            # By bytes, since one video may be as long as a thousand others.
            self._bar.update(state.read, state.size or None, videos, state.last)
        elif state.step in ("scoring", "comparing") and state.done and now - self._printed >= EVERY:
            self._printed = now
            minutes = round((now - self._since) * (state.size - state.read) / max(state.read, 1) / 60)
            left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
            print_error("scan", f"{state.step}: {videos}, {left} left")

"""``facetell scan``: a corpus of videos, each scored once, however often the run is stopped."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetell.cli.arguments import add_fps, count
from facetell.cli.detection import add_detection, detection_settings
from facetell.report.words import one_line
from facetell.types import FacetellError, Status

if TYPE_CHECKING:
    from facetell.scan.results import Counts
    from facetell.scan.run import MakeEngine
    from facetell.scan.run import Progress as State

EVERY = 60.0  # seconds between lines where there is no terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder, which is searched; a manifest (.csv); or a list of paths, one a line ('-': on standard input)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results; goes on there")
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local", help="where to work: processes here, or a Ray cluster"
    )
    parser.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="processes, one core each (default: one a core; of a cluster, one a CPU that it offers)",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: as Ray finds it)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only part I of N, by a hash of the name")
    parser.add_argument(
        "--merge", type=Path, nargs="+", default=[], metavar="DIR", help="use what other scans (of other parts) found"
    )
    parser.add_argument("--retry", action="store_true", help="score anew what could not be read")
    add_detection(parser, engine="--inference")
    add_fps(parser)


def run(args: argparse.Namespace) -> int:
    """Score a corpus; 0 if everything could be read, 2 if not (the error ledger says what, and why)."""
    import pyarrow.parquet  # noqa: F401  # told now where it is missing, not after days

    from facetell.scan.results import ERRORS, SUMMARY
    from facetell.scan.run import scan
    from facetell.scan.source import open_source, read_shard
    from facetell.scan.work import make_detector

    if args.address and args.engine != "ray":
        raise FacetellError("--address is that of a Ray cluster; add --engine ray")
    settings = detection_settings(args, threshold=args.threshold, image_rate=args.fps)
    source, shard = open_source(args.source), read_shard(args.shard)
    console = Console(stderr=True)
    with _Meter(console) as meter:
        counts = scan(
            source,
            args.out,
            make_detector(args.model, settings),
            make_engine=_engine(args),
            shard=shard,
            merge=args.merge,
            retry=args.retry,
            progress=meter,
        )
    sys.stdout.flush()
    print(f"{_summary(counts)}; see {one_line(str(args.out / SUMMARY))}")
    if counts.left_out:
        print(one_line(f"facetell scan: left out: {counts.left_out}"), file=sys.stderr)
    if counts.errors:
        noun = "line" if counts.errors == 1 else "lines"
        errors = one_line(str(args.out / ERRORS))
        print(f"facetell scan: {counts.errors} {noun} in {errors} say what could not be read", file=sys.stderr)
    return 2 if counts.errors else 0


def _engine(args: argparse.Namespace) -> MakeEngine:
    from facetell.scan.run import local_engine

    if args.engine == "local":
        return local_engine(args.workers or os.cpu_count() or 1)
    from facetell.scan.on_ray import ray_engine

    return ray_engine(args.workers, args.address)


def _summary(counts: Counts) -> str:
    statuses = dict(counts.statuses)
    scored = statuses.pop(Status.SCORED.value, 0)
    words = ", ".join(f"{number} {word}" for word, number in sorted(counts.verdicts.items()) if word != "none")
    reasons = ", ".join(f"{status.replace('_', ' ')} {number}" for status, number in sorted(statuses.items()))
    text = f"{counts.videos} video{'s' * (counts.videos != 1)}: {scored} scored" + (f" ({words})" if words else "")
    text += f", {counts.videos - scored} not" + (f" ({reasons})" if reasons else "")
    if counts.duplicates:
        text += f"; {counts.duplicates} the same as another"
    return text


class _Meter:
    """Shows how far a scan is: a bar on a terminal, else a line now and then."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),  # a name may look like markup
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[videos]}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(elapsed_when_finished=False, compact=False),
        )
        self._console = console
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("listing", total=None, videos="")
        self._step, self._since, self._told = "", time.monotonic(), time.monotonic()

    def __enter__(self) -> _Meter:
        self._bar.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._bar.stop()

    def __call__(self, state: State) -> None:
        """Show it."""
        now = time.monotonic()
        if state.step != self._step:
            self._step, self._since = state.step, now
            self._bar.reset(self._task, total=None, completed=0)
        videos = f"{state.done} of {state.total} videos" if state.total else f"{state.done or ''}"
        if state.failed:
            videos += f", {state.failed} not readable"
        if self._console.is_terminal:
            # By bytes, not by videos: one may be as long as a thousand others.
            total = state.size or None
            name = one_line(state.last[-40:])
            self._bar.update(
                self._task, completed=state.read, total=total, videos=videos, description=name or state.step
            )
        elif state.step in ("scoring", "comparing") and state.done and now - self._told >= EVERY:
            self._told = now
            left = (now - self._since) * (state.size - state.read) / max(state.read, 1)
            print(f"facetell scan: {state.step}: {videos}, {_hours(left)} left", file=sys.stderr, flush=True)


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"

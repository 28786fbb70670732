"""``facetell detect``: score videos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from facetell.cli.arguments import add_detection, add_fps, count, detection_settings, find, output, print_error
from facetell.cli.progress import Bar
from facetell.detector import Detector
from facetell.engine import model_path
from facetell.files import check_all_writable, short_name, write_text
from facetell.report.language import LANGUAGES
from facetell.report.page import Report, write_plot
from facetell.report.result import result_text, write_result
from facetell.report.table import print_table
from facetell.runtime import on_stop
from facetell.types import FacetellError, Status, VideoVerdict

STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO|FOLDER|GLOB", help="what to score")
    add = parser.add_argument_group("output").add_argument
    html, json = (partial(output, suffixes=suffixes) for suffixes in ((".html", ".htm", ""), (".json", "")))
    add("--report", type=html, metavar="FILE", help="one HTML report of all videos; -: to standard output")
    add("--json", type=json, metavar="FILE", help="the result of all videos; -: to standard output")
    add("--out", type=Path, metavar="DIR", help="folder for a JSON and a plot (SVG) of each video")
    add("--language", choices=LANGUAGES, default="en", help="of the report and the plots (default: en)")
    add_detection(parser)
    add_fps(parser)
    parser.add_argument("--threads", type=count, metavar="N", help="CPU threads of the engine (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 if all were scored, 2 if not."""
    if args.json == args.report == STDOUT:
        raise FacetellError("only one of --json and --report can be -")
    paths, all_found = find("detect", args.videos)
    names = _names(paths)
    outputs = [path for path in (args.json, args.report) if path and path != STDOUT]
    if args.out:
        outputs += [args.out / f"{name}{suffix}" for name in names for suffix in (".json", ".svg")]
    check_all_writable(outputs, [*paths, model_path(args.model)])
    settings = detection_settings(args, threshold=args.threshold, threads=args.threads, image_rate=args.fps)
    with Bar("loading the model"):
        detector = Detector(args.model, settings)
    report = Report(detector, len(paths)) if args.report else None
    done: list[VideoVerdict] = []
    faults: list[str] = []
    reported = 0
    try:
        for name, verdict in zip(names, _score(detector, paths), strict=True):
            done.append(verdict)
            try:
                if report:
                    done[-1] = report.add(verdict)
                    reported += 1
            finally:  # also when interrupted
                if args.out:
                    try:
                        write_result(done[-1:], args.out / f"{name}.json")
                        write_plot(verdict, args.out / f"{name}.svg", args.language)
                    except FacetellError as error:
                        faults.append(str(error))
    finally:
        # Also when interrupted: what was scored is written. A first signal that arrives now changes nothing.
        with on_stop(lambda name: None):
            if len(faults) > 1:  # on a full disk
                faults[1:] = [f"the files of {len(faults) - 1} more videos could not be written"]
            try:
                if done:
                    _print(done, args)
            finally:
                # Also when standard output is closed.
                texts: dict[Path, Callable[[], str]] = {}
                if args.json and (done or not paths):
                    texts[args.json] = lambda: result_text(done)
                if report and done:
                    texts[args.report] = partial(report.html, args.language)
                    for verdict in done[reported:]:
                        # Interrupted while its images were cropped: without tracks it has none.
                        report.add(replace(verdict, tracks=()), shown=verdict)
                for path, text in texts.items():
                    try:
                        write = sys.stdout.write if path == STDOUT else partial(write_text, path)
                        write(text())
                    except FacetellError as error:
                        faults.append(str(error))
                for message in faults:
                    print_error("detect", message)
    return 0 if all_found and not faults and all(verdict.status is Status.SCORED for verdict in done) else 2


def _score(detector: Detector, paths: Sequence[Path]) -> Iterator[VideoVerdict]:
    with Bar("scoring") as bar:
        for number, path in enumerate(paths):

            def show(seconds: float, duration: float | None, number: int = number, name: str = path.name) -> None:
                within = f"{seconds:.0f} s" + (f" of {duration:.0f} s" if duration else "")
                bar.update(number, len(paths), f"{number}/{len(paths)} {within}", name)

            show(0, None)
            yield detector(path, show)


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for the outputs of each video: its file name, with a number where two folders have the same one."""
    room = len(".json")  # the longer suffix, so that both outputs have the same name
    names: dict[str, None] = {}
    for path in paths:
        name, number = short_name(path.name, room), 1
        while name in names:
            number += 1
            name = short_name(f"{path.name}-{number}", room)
        names[name] = None
    return list(names)


def _print(verdicts: Sequence[VideoVerdict], args: argparse.Namespace) -> None:
    """Print the table, to standard error where standard output is an output file, and the remarks on the videos."""
    if not args.quiet:
        stream = sys.stderr if STDOUT in (args.json, args.report) else sys.stdout
        # A file has no width: 120 columns hold the table.
        print_table(verdicts, Console(file=stream, width=None if stream.isatty() else 120))
    sys.stdout.flush()
    for verdict in verdicts:
        if verdict.status is not Status.SCORED:
            print_error("detect", f"{verdict.path}: not scored: {verdict.message}")
        for warning in verdict.warnings if not args.quiet else ():
            print_error("detect", f"{verdict.path}: {warning}")

"""``facetell detect``: score videos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from facetell.cli.arguments import (
    add_detection,
    add_fps,
    check_suffix,
    count,
    detection_settings,
    print_error,
    print_left_out,
)
from facetell.cli.progress import Bar
from facetell.detector import Detector
from facetell.engine import model_path
from facetell.files import check_all_writable, short_name, write_text
from facetell.report.result import result_text, write_result
from facetell.report.table import print_table
from facetell.runtime import on_stop
from facetell.types import FacetellError, Status, VideoVerdict
from facetell.video.find import LeftOut, find_videos

STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO|FOLDER|GLOB", help="what to score")
    add = parser.add_argument_group("output").add_argument
    add("--report", type=Path, metavar="FILE", help="one HTML report of all videos; -: to standard output")
    add("--json", type=Path, metavar="FILE", help="the result of all videos; -: to standard output")
    add("--out", type=Path, metavar="DIR", help="folder for a JSON and a plot (SVG) of each video")
    add_detection(parser)
    add_fps(parser)
    parser.add_argument("--threads", type=count, metavar="N", help="CPU threads of the engine (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 if all were scored, 2 if not."""
    outputs = [path for path in (args.json, args.report) if path and path != STDOUT]
    check_suffix(args.json, ".json")
    check_suffix(args.report, ".html", ".htm")
    if args.json == args.report == STDOUT:
        raise FacetellError("only one of --json and --report can be -")
    left_out = LeftOut()
    paths = find_videos(args.videos, left_out)
    print_left_out("detect", left_out)
    names = _names(paths)
    if args.out:
        outputs += [file for name in names.values() for file in _files(args.out, name)]
    check_all_writable(outputs, [*paths, model_path(args.model)])
    settings = detection_settings(args, threshold=args.threshold, threads=args.threads, image_rate=args.fps)
    with Bar("loading the model"):
        detector = Detector(args.model, settings)
    report = None
    if args.report:
        from facetell.report.page import Report

        report = Report(detector, len(paths))
    done: list[VideoVerdict] = []
    reported = unwritten = 0
    try:
        for path, verdict in _score(detector, paths):
            done.append(verdict)
            if args.out:
                threshold = detector.threshold if verdict.threshold is None else verdict.threshold
                write = partial(_write_one, verdict, threshold, args.out, names[path])
                unwritten += not _try(write, quiet=unwritten > 0)  # on a full disk, one message
            if report:
                report.add(verdict)
                reported += 1
    finally:
        # Also when interrupted: what was scored is written. A first signal that arrives now changes nothing.
        with on_stop(lambda name: None):
            if unwritten > 1:
                print_error("detect", f"the files of {unwritten - 1} more videos could not be written")
            written = not left_out.faults and not unwritten
            try:
                if done:
                    _print(done, args)
            finally:
                # Also when standard output is closed.
                if args.json and (done or not paths):
                    written &= _try(partial(_write, lambda: result_text(done), args.json))
                if report and done:
                    for verdict in done[reported:]:
                        # Interrupted while its images were cropped: without tracks it has none.
                        report.add(replace(verdict, tracks=()), shown=verdict)
                    written &= _try(partial(_write, report.html, args.report))
    return 0 if written and all(verdict.status is Status.SCORED for verdict in done) else 2


def _write(text: Callable[[], str], path: Path) -> None:
    if path == STDOUT:
        sys.stdout.write(text())
    else:
        write_text(path, text())


def _try(write: Callable[[], None], quiet: bool = False) -> bool:
    """Whether writing succeeded; if not, the message is printed unless ``quiet``."""
    try:
        write()
    except FacetellError as error:
        if not quiet:
            print_error("detect", str(error))
        return False
    return True


def _score(detector: Detector, paths: Sequence[Path]) -> Iterator[tuple[Path, VideoVerdict]]:
    with Bar("scoring") as bar:
        for number, path in enumerate(paths):

            def show(seconds: float, duration: float | None, number: int = number, name: str = path.name) -> None:
                within = f"{seconds:.0f} s" + (f" of {duration:.0f} s" if duration else "")
                bar.update(number, len(paths), f"{number}/{len(paths)} {within}", name)

            show(0, None)
            yield path, detector(path, show)


def _write_one(verdict: VideoVerdict, threshold: float, folder: Path, name: str) -> None:
    from facetell.report.page import write_plot

    result, plot = _files(folder, name)
    write_result([verdict], result)
    write_plot(verdict, threshold, plot)


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    """The result and the plot of a video in the folder of ``--out``."""
    return folder / f"{name}.json", folder / f"{name}.svg"


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for the outputs of each video: its file name, with a number where two folders have the same one."""
    room = len(".json")  # the longer suffix, so that both outputs have the same name
    taken: dict[str, Path] = {}
    for path in paths:
        name, number = short_name(path.name, room), 1
        while name in taken:
            number += 1
            name = short_name(f"{path.name}-{number}", room)
        taken[name] = path
    return {path: name for name, path in taken.items()}


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

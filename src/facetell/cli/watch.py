"""``facetell watch``: the running score of a camera, a stream or a file that is played."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetell.cli.arguments import add_model
from facetell.engine import DEFAULT_MODEL
from facetell.runtime import on_stop
from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.watch.board import Board


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("source", metavar="0|URL|FILE", help="number of a camera, address of a stream, or a file")
    parser.add_argument("--fast", action="store_true", help="read a file as fast as it goes, and drop nothing")
    parser.add_argument(
        "--window", type=float, default=30.0, metavar="S", help="seconds that the running score is of (default: 30)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="append each score to FILE, a line of JSON each")
    parser.add_argument(
        "--give-up",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds without a picture after which a lost stream is given up; inf: never (default: 60)",
    )
    parser.add_argument("--max-faces", type=int, default=4, metavar="N", help="faces followed at once (default: 4)")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="probability from which on a face is called forged"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the model (default: all cores)")
    add_model(parser, DEFAULT_MODEL)


def run(args: argparse.Namespace) -> int:
    """Watch until the source ends, or Ctrl-C, SIGTERM or SIGHUP; 0, or 2 if the source was lost."""
    from rich.console import Console
    from rich.live import Live

    from facetell.detector import Detector, Settings
    from facetell.report.words import one_line
    from facetell.video.live import source_of
    from facetell.watch.pump import Pump
    from facetell.watch.run import Watcher
    from facetell.watch.screen import draw, summary

    source = source_of(args.source)
    _check(args, source.kind)
    settings = Settings(max_faces=args.max_faces, threshold=args.threshold, threads=args.threads)
    console = Console()
    with ExitStack() as stack:
        # Opened first: a wrong name is told before the model is loaded.
        pump = Pump(source, fast=args.fast, give_up=args.give_up, start=False)
        stack.callback(pump.close)
        detector = Detector(args.model, settings)
        out = stack.enter_context(_opened(args.out, source.address)) if args.out else None

        def tell(event: dict[str, Any]) -> None:
            if out is not None:
                now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                line = (json.dumps(event | {"time": now}) + "\n").encode()
                try:
                    while line:  # a disk that is nearly full takes a part
                        line = line[out.write(line) :]
                except OSError as error:
                    raise FacetellError(f"{args.out} cannot be written ({error.strerror}); make room there") from None
            if not console.is_terminal and event["event"] == "source":
                print(f"facetell watch: {one_line(event['message'])}", file=sys.stderr)

        tell(
            {
                "event": "begin",
                "source": source.name,
                "model": {"name": detector.engine.info.name, "sha256": detector.engine.sha256},
                "threshold": detector.threshold,
                "window": args.window,
            }
        )
        pump.start()
        watcher = Watcher(detector, pump, source.name, args.window, tell)
        live = Live(console=console, auto_refresh=False, transient=True)
        if console.is_terminal:
            stack.enter_context(live)

        def show(board: Board) -> None:
            # Where the terminal is closed, SIGHUP ends the run and the scores are still written.
            if console.is_terminal:
                with suppress(OSError):
                    live.update(draw(board), refresh=True)

        stopped: list[str] = []

        def stop(name: str) -> None:
            stopped.append(f"ended by {name}")
            watcher.stop()

        with on_stop(stop):
            try:
                watcher.run(show, args.fast)
            finally:
                watcher.close()
        reason = stopped[0] if stopped else pump.ended or "it ended"
        dropped, share = watcher.board.dropped
        warnings = watcher.board.warnings()
        tell(
            {
                "event": "end",
                "at": watcher.board.at,
                "reason": reason,
                "clips": watcher.board.scored,
                "dropped": dropped,
                "share": round(share, 4),
                "most_delay": round(watcher.board.most_delay, 3),
                "warnings": list(warnings),
            }
        )
    print(summary(watcher.board, reason, warnings))
    return 2 if pump.fault and not stopped else 0


def _check(args: argparse.Namespace, kind: str) -> None:
    if args.fast and kind != "file":
        raise FacetellError("--fast is for files; a camera or a stream gives its pictures when it will")
    if not 1 <= args.window <= 3600:
        raise FacetellError("--window is 1 to 3600 seconds")
    if args.max_faces < 1 or (args.threads is not None and args.threads < 1):
        raise FacetellError("--max-faces and --threads are at least 1")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise FacetellError("--threshold is a probability between 0 and 1")
    if not args.give_up >= 0:
        raise FacetellError("--give-up is 0 seconds or more, or inf to never give up")


def _opened(path: Path, source: str) -> FileIO:
    """The file of scores, to be gone on with: what an earlier watch wrote is evidence.

    It has no buffer, as closing would fail on what a full disk did not take of it.
    """
    if os.path.realpath(path) == os.path.realpath(source):  # unlike Path.resolve it takes links that lead in a circle
        raise FacetellError(f"cannot write {path}: it is what is watched; choose another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_short = path.is_file() and path.stat().st_size > 0 and _is_cut_short(path)
        out = path.open("ab", buffering=0)
        if cut_short:
            out.write(b"\n")
        return out
    except OSError as error:
        raise FacetellError(f"cannot write {path}: {error.strerror}; choose another file") from None


def _is_cut_short(path: Path) -> bool:
    """Whether the last line of an earlier watch was not written to its end."""
    with path.open("rb") as stream:
        if not stream.readline(80).startswith(b'{"event": "begin"'):
            raise FacetellError(f"{path} is not what `facetell watch` wrote; choose another file")
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"

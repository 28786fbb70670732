"""``facetell watch``: the running score of a camera, a stream or a file that is played."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetell.cli.arguments import add_model, print_error
from facetell.engine import DEFAULT_MODEL
from facetell.runtime import on_stop
from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.watch.board import Board


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("source", metavar="0|URL|FILE", help="number of a camera, address of a stream, or a file")
    parser.add_argument("--fast", action="store_true", help="read a file as fast as possible, without dropping frames")
    parser.add_argument("--window", type=float, default=30.0, metavar="S", help="seconds of the score (default: 30)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append each score to FILE, a line of JSON each")
    late = "seconds without a frame after which a lost stream is given up; inf: never (default: 60)"
    parser.add_argument("--give-up", type=float, default=60.0, metavar="S", help=late)
    parser.add_argument("--max-faces", type=int, default=4, metavar="N", help="faces tracked at once (default: 4)")
    parser.add_argument("--threshold", type=float, metavar="P", help='minimum probability for "forged"')
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the engine (default: all cores)")
    add_model(parser, DEFAULT_MODEL)


def run(args: argparse.Namespace) -> int:
    """Watch until the source ends, or Ctrl-C, SIGTERM or SIGHUP; 0, or 2 if the source was lost."""
    from rich.console import Console
    from rich.live import Live

    from facetell.detector import Detector, Settings
    from facetell.video.live import source_of
    from facetell.watch.pump import Pump
    from facetell.watch.run import Watcher
    from facetell.watch.screen import draw, summary

    source = source_of(args.source)
    _check(args, source.kind)
    settings = Settings(max_faces=args.max_faces, threshold=args.threshold, threads=args.threads)
    console = Console()
    with ExitStack() as stack:
        # Opened first: a wrong name is an error before the model is loaded.
        pump = Pump(source, fast=args.fast, give_up=args.give_up, start=False)
        stack.callback(pump.close)
        detector = Detector(args.model, settings)
        out = stack.enter_context(_opened(args.out, source.address)) if args.out else None

        def tell(event: dict[str, Any]) -> None:
            if out is not None:
                _append(out, event)
            if not console.is_terminal and event["event"] == "source":
                print_error("watch", event["message"])

        model = {"name": detector.engine.info.name, "sha256": detector.engine.sha256}
        begin = {"source": source.name, "model": model, "threshold": detector.threshold, "window": args.window}
        tell({"event": "begin", **begin})
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
    for fault, message in (
        (args.fast and kind != "file", "--fast is for files: a camera or a stream has its own speed"),
        (not 1 <= args.window <= 3600, "--window is 1 to 3600 seconds"),
        (
            args.max_faces < 1 or (args.threads is not None and args.threads < 1),
            "--max-faces and --threads are at least 1",
        ),
        (not 0 <= (args.threshold or 0) <= 1, "--threshold is a probability between 0 and 1"),
        (not args.give_up >= 0, "--give-up is 0 seconds or more, or inf to never give up"),
    ):
        if fault:
            raise FacetellError(message)


def _opened(path: Path, source: str) -> FileIO:
    """The file of scores, to append to: what an earlier watch wrote is not lost.

    It has no buffer, as closing would fail on what a full disk did not take of it.
    """
    if os.path.realpath(path) == os.path.realpath(source):  # unlike Path.resolve it accepts circles of links
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


def _append(out: FileIO, event: dict[str, Any]) -> None:
    """Write an event with its time as a line of JSON."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = (json.dumps(event | {"time": now}) + "\n").encode()
    try:
        while line:  # a disk that is nearly full takes a part
            line = line[out.write(line) :]
    except OSError as error:
        raise FacetellError(f"{out.name} cannot be written ({error.strerror}); make room there") from None


def _is_cut_short(path: Path) -> bool:
    """Whether the last line of an earlier watch is incomplete."""
    with path.open("rb") as stream:
        if not stream.readline(80).startswith(b'{"event": "begin"'):
            raise FacetellError(f"{path} is not what `facetell watch` wrote; choose another file")
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"

"""``facetell watch``: the running score of a camera, a stream or a file that is played."""

from __future__ import annotations

import argparse
import json
import math
import os
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

from facetell.cli.arguments import add_model, count, number, print_error, share
from facetell.cli.progress import Bar
from facetell.engine import DEFAULT_MODEL
from facetell.runtime import on_stop
from facetell.types import FacetellError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, window, late = parser.add_argument, partial(number, most=3600), partial(number, most=math.inf)
    add("source", metavar="0|URL|FILE", help="number of a camera, address of a stream, or a file")
    add("--fast", action="store_true", help="read a file as fast as possible, without dropping frames")
    add("--window", type=window, default=30.0, metavar="S", help="seconds of the score (default: 30)")
    add("--out", type=Path, metavar="FILE", help="append each score to FILE, a line of JSON each")
    text = "seconds without a frame after which a lost stream is given up; inf: never (default: 60)"
    add("--give-up", type=late, default=60.0, metavar="S", help=text)
    add("--max-faces", type=count, default=4, metavar="N", help="faces tracked at once (default: 4)")
    add("--threshold", type=share, metavar="P", help='minimum probability for "forged"')
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
    if args.fast and source.kind != "file":
        raise FacetellError("--fast is for files: a camera or a stream has its own speed")
    console = Console()
    stopped: list[str] = []
    with ExitStack() as stack:
        # Opened first: a wrong name is an error before the model is loaded.
        pump = Pump(source, fast=args.fast, give_up=args.give_up)
        stack.callback(pump.close)
        with Bar("loading the model"):
            detector = Detector(args.model, Settings(max_faces=args.max_faces, threshold=args.threshold))
        out = stack.enter_context(_opened(args.out)) if args.out else None

        def emit(event: dict[str, Any]) -> None:
            if out is not None:
                _append(out, event)
            if not console.is_terminal and event["event"] == "source":
                print_error("watch", event["message"])

        watcher = Watcher(detector, pump, args.window, emit)
        model = {"name": detector.engine.info.name, "sha256": detector.engine.sha256}
        begin = {"source": source.name, "model": model, "threshold": detector.threshold, "window": args.window}
        emit({"event": "begin", **begin})
        live = Live(console=console, auto_refresh=False, transient=True)
        if console.is_terminal:
            stack.enter_context(live)

        def show(state: Watcher) -> None:
            # Where the terminal is closed, SIGHUP ends the run and the scores are still written.
            if console.is_terminal:
                with suppress(OSError):
                    live.update(draw(state), refresh=True)

        def stop(name: str) -> None:
            stopped.append(f"ended by {name}")
            watcher.stop()

        with on_stop(stop):
            try:
                watcher.run(show, args.fast)
            finally:
                watcher.close()
        reason = stopped[0] if stopped else pump.ended or "it ended"
        end = watcher.totals()
        emit({"event": "end", "at": watcher.at, "reason": reason, **end})
    print(summary(watcher, reason, end["warnings"]))
    return 2 if pump.fault and not stopped else 0


def _opened(path: Path) -> FileIO:
    """The file of scores, to append to, without a buffer: closing would fail on what a full disk did not take."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_short = False
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as stream:
                if not stream.readline(80).startswith(b'{"event": "begin"'):
                    raise FacetellError(f"{path} is not what `facetell watch` wrote; choose another file")
                stream.seek(-1, os.SEEK_END)
                cut_short = stream.read() != b"\n"
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
        raise FacetellError(f"{out.name} cannot be written ({error.strerror}); free some space") from None

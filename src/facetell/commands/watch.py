"""``facetell watch``: the running score of a camera, a stream or a file that is played."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.watch.run import State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("source", metavar="0|URL|FILE", help="number of a camera, address of a stream, or a file")
    parser.add_argument("--fast", action="store_true", help="read a file as fast as it goes, and drop nothing")
    parser.add_argument(
        "--window", type=float, default=30.0, metavar="S", help="seconds that the running score is of (default: 30)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write each score to FILE, a line of JSON each")
    parser.add_argument("--max-faces", type=int, default=4, metavar="N", help="faces followed at once (default: 4)")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="probability from which on a face is called forged"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the model (default: all cores)")
    parser.add_argument("--model", type=Path, metavar="ONNX", help="another model file than the released one")


def run(args: argparse.Namespace) -> int:
    """Watch until the source ends or Ctrl-C; 0, or 2 if the source was lost."""
    from rich.console import Console
    from rich.live import Live

    from facetell.detector import Detector, Settings
    from facetell.media.live import source_of
    from facetell.watch.pump import Pump
    from facetell.watch.run import Watcher
    from facetell.watch.screen import draw, summary

    source = source_of(args.source)
    _check(args, source.kind)
    settings = Settings(max_faces=args.max_faces, threshold=args.threshold, threads=args.threads)
    console = Console()
    with ExitStack() as stack:
        pump = Pump(source, fast=args.fast, start=False)  # a wrong name is told before the model is loaded
        stack.callback(pump.close)
        detector = Detector(args.model, settings)
        out = stack.enter_context(_opened(args.out, source.address)) if args.out else None

        def tell(event: dict[str, Any]) -> None:
            if out is not None:
                try:
                    out.write(json.dumps(event) + "\n")
                    out.flush()
                except OSError as error:
                    raise FacetellError(f"{args.out} cannot be written ({error.strerror}); make room there") from None
            if not console.is_terminal and event["event"] == "source":
                print(f"facetell watch: {event['message']}", file=sys.stderr)

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
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))

        def show(state: State) -> None:
            if console.is_terminal:
                live.update(draw(state, detector), refresh=True)

        interrupted = False
        try:
            watcher.run(show, args.fast)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            watcher.close()
        reason = "ended by Ctrl-C" if interrupted else pump.ended or "it ended"
        dropped, share = watcher.state.dropped
        tell(
            {
                "event": "end",
                "at": watcher.state.at,
                "reason": reason,
                "clips": watcher.state.board.scored,
                "dropped": dropped,
                "share": round(share, 4),
                "most_delay": round(watcher.state.most_delay, 3),
            }
        )
    print(summary(watcher.state, reason))
    return 2 if pump.fault and not interrupted else 0


def _check(args: argparse.Namespace, kind: str) -> None:
    if args.fast and kind != "file":
        raise FacetellError("--fast is for files; a camera or a stream gives its pictures when it will")
    if not 1 <= args.window <= 3600:
        raise FacetellError("--window is 1 to 3600 seconds")
    if args.max_faces < 1 or (args.threads is not None and args.threads < 1):
        raise FacetellError("--max-faces and --threads are at least 1")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise FacetellError("--threshold is a probability between 0 and 1")


def _opened(path: Path, source: str) -> Any:
    if path.resolve() == Path(source).resolve():
        raise FacetellError(f"cannot write {path}: it is what is watched; choose another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise FacetellError(f"cannot write {path}: {error.strerror}; choose another file") from None

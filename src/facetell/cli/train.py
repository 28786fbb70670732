"""``facetell train``: train from a configuration, or take a checkpoint, and write a model file, its card and scores."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.cli.arguments import onnx_file
from facetell.cli.progress import Bar
from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.train.config import DataConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "configuration (.yaml, such as those in configs/), or a checkpoint (.pt) to write as a model file"
    add("what", type=Path, metavar="CONFIG", help=text)
    add("changes", nargs="*", metavar="key=value", help="changes to the configuration, such as optim.lr=1e-3")
    add("--out", type=Path, metavar="RUN", help="folder of the run, resumed if it exists (default: runs/CONFIG)")
    add("--max-minutes", type=float, default=math.inf, metavar="M", help="stop after M minutes")
    add("--to", type=onnx_file, metavar="MODEL.onnx", help="the model file (default: RUN/NAME.onnx)")


def run(args: argparse.Namespace) -> int:
    """Train and release; 0 when done, 2 when stopped before the end."""
    from facetell.files import check_all_writable
    from facetell.train.config import DataConfig, ProbeConfig, build, override, read_config

    if args.to:
        check_all_writable([args.to], keep=[args.what])
    if args.what.suffix == ".pt":
        tree = override({}, args.changes)
        if tree.keys() - {"data"}:
            raise FacetellError("a checkpoint cannot be changed; only data.… may be given with it")
        if not args.what.is_file():
            raise FacetellError(f"there is no checkpoint at {args.what}; check the name")
        data = build(DataConfig, tree.get("data", {}), "data")
        return _release(args.what, args.to or args.what.with_suffix(".onnx"), data)

    with Bar("loading torch"):
        from facetell.train.loop import Trainer
        from facetell.train.probe_run import run_probe
        from facetell.train.run import BEST, Stop

    config, out = read_config(args.what, args.changes), args.out or Path("runs") / args.what.stem
    with Stop(args.max_minutes) as stop:
        if isinstance(config, ProbeConfig):
            if not run_probe(config, out, args.to or out / f"{args.what.stem}.onnx", stop):
                print(f"{out}: {stop.reason}; run the same command again to resume")
                return 2
            return 0
        with Bar("reading the clips"):
            trainer = Trainer(config, out)
        if not trainer.run(stop):
            print(
                f"{out}: {stop.reason} at step {trainer.step} of {config.steps}; run the same command again to resume"
            )
            return 2
    return _release(out / BEST, args.to or out / f"{out.resolve().name}.onnx", config.data)


def _release(checkpoint: Path, target: Path, data: DataConfig) -> int:
    """Export, measure and describe; what was trained is kept if packages for it are missing."""
    from facetell.train.corpus import decode_all, load_recordings
    from facetell.train.release import release

    decode_all(data, 0)
    release(checkpoint, target, load_recordings(data, "val", 1))
    print(f"{target}, {target.with_suffix('.md').name}, {target.with_suffix('.val.parquet').name}")
    return 0

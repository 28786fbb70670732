"""``facetell train``: train from a configuration, or take a checkpoint, and write a model file, its card and scores."""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.train.config import DataConfig

NOT_DONE = 2
FOR_EXPORT = ("onnx", "onnxscript", "onnxruntime", "openvino", "pyarrow", "scipy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument(
        "what",
        type=Path,
        metavar="CONFIG",
        help="configuration (.yaml, such as those in configs/), or a checkpoint (.pt) to write as a model file",
    )
    parser.add_argument(
        "changes", nargs="*", metavar="key=value", help="changes to the configuration, such as optim.lr=1e-3"
    )
    parser.add_argument(
        "--out", type=Path, metavar="RUN", help="folder of the run, resumed if it exists (default: runs/CONFIG)"
    )
    parser.add_argument("--max-minutes", type=float, default=math.inf, metavar="M", help="stop after M minutes")
    parser.add_argument("--to", type=Path, metavar="MODEL.onnx", help="the model file (default: RUN/NAME.onnx)")
    parser.add_argument(
        "--videos", type=Path, metavar="MANIFEST", help="measure the model on these whole videos of val"
    )
    parser.add_argument("--note", default="", help="a paragraph for the card")


def run(args: argparse.Namespace) -> int:
    """Train and release; 0 when done, 2 when stopped before the end."""
    from facetell.train.config import DataConfig, TrainConfig
    from facetell.train.reading import build, override, read_tree

    if args.what.suffix == ".pt":
        tree = override({}, args.changes)
        if tree.keys() - {"data"}:
            raise FacetellError("a checkpoint cannot be changed; only data.… may be given with it")
        data = build(DataConfig, tree.get("data", {}), "the command", "data.")
        return _release(args.what, args.to or args.what.with_suffix(".onnx"), data, args)

    from facetell.train.checkpoint import BEST
    from facetell.train.loop import train
    from facetell.train.probe_config import ProbeConfig
    from facetell.train.probe_run import run_probe
    from facetell.train.stop import Stop

    tree, out = override(read_tree(args.what), args.changes), args.out or Path("runs") / args.what.stem
    with Stop(args.max_minutes) as stop:
        if "probe" in tree:
            probe = build(ProbeConfig, tree["probe"], args.what.name, "probe.")
            if not run_probe(probe, out, args.to or out / f"{args.what.stem}.onnx", stop):
                print(f"{out}: {stop.reason}; run the same command again to resume")
                return NOT_DONE
            return 0
        config = build(TrainConfig, tree, args.what.name)
        outcome = train(config, out, stop)
    if not outcome.first:
        return 0
    if not outcome.done:
        print(f"{out}: {outcome.reason} at step {outcome.step} of {config.steps}; run the same command again to resume")
        return NOT_DONE
    return _release(out / BEST, args.to or out / f"{out.resolve().name}.onnx", config.data, args)


def _release(checkpoint: Path, target: Path, data: DataConfig, args: argparse.Namespace) -> int:
    """Export, measure and describe; if packages for it are missing, say how to do it elsewhere."""
    missing = [package for package in FOR_EXPORT if importlib.util.find_spec(package) is None]
    if missing:
        print(
            f"{checkpoint}: trained; no model file was written, as {', '.join(missing)} is not installed; "
            f"run `facetell train {checkpoint} --to MODEL.onnx` where it is"
        )
        return NOT_DONE
    from facetell.datasets.manifest import read_manifest
    from facetell.train.card import summary_line
    from facetell.train.corpus import decode_all, load_recordings
    from facetell.train.release import release

    videos = read_manifest(args.videos) if args.videos else None
    decode_all(data, 0)
    found = release(checkpoint, target, load_recordings(data, "val", 1), videos=videos, note=args.note)
    for figure in found["generators"] + [{**f, "name": f"pseudo-fakes: {f['name']}"} for f in found["pseudo_fakes"]]:
        print(summary_line(figure))
    print(f"{target}, {target.with_suffix('.md').name}, {target.with_suffix('.val.parquet').name}")
    return 0

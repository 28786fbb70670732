"""``facetell train``: from a configuration to a model file, its card and its scores; from a checkpoint likewise."""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        help="configuration (.yaml; some lie in configs/), or a checkpoint (.pt) to be made a model file as it is",
    )
    parser.add_argument(
        "changes", nargs="*", metavar="key=value", help="changes to the configuration, such as optim.lr=1e-3"
    )
    parser.add_argument(
        "--out", type=Path, metavar="RUN", help="folder of the run, taken up again if there (default: runs/CONFIG)"
    )
    parser.add_argument("--max-minutes", type=float, default=math.inf, metavar="M", help="end cleanly after M minutes")
    parser.add_argument("--to", type=Path, metavar="MODEL.onnx", help="the model file (default: RUN/NAME.onnx)")
    parser.add_argument(
        "--videos",
        type=Path,
        metavar="MANIFEST",
        help="measure the model on these whole videos of val, not on prepared clips",
    )
    parser.add_argument("--note", default="", help="a sentence for the card on what is particular to this run")


def run(args: argparse.Namespace) -> int:
    """Train and release; 0 when done, 2 when it stopped before and can be taken up again."""
    if args.what.suffix == ".pt":
        from facetell.train.reading import build, override

        tree = override({}, args.changes)
        if tree.keys() - {"data"}:
            raise FacetellError("a checkpoint can no longer be changed; only data.… may be given beside it")
        from facetell.train.config import DataConfig

        data = build(DataConfig, tree.get("data", {}), "the command", "data.")
        return _release(args.what, args.to or args.what.with_suffix(".onnx"), data, args)
    return _train(args)


def _train_probe(args: argparse.Namespace, tree: dict[str, Any]) -> int:
    """Features, cross-validation, release: see :mod:`facetell.train.probe`."""
    from facetell.train.probe_config import ProbeConfig
    from facetell.train.probe_run import run_probe
    from facetell.train.reading import build
    from facetell.train.stop import Stop

    config = build(ProbeConfig, tree, args.what.name, "probe.")
    out = args.out or Path("runs") / args.what.stem
    with Stop(args.max_minutes) as stop:
        done = run_probe(config, out, args.to or out / f"{args.what.stem}.onnx", stop)
    if not done:
        print(f"{out}: {stop.reason}; the same command goes on from there")
    return 0 if done else NOT_DONE


def _train(args: argparse.Namespace) -> int:
    from facetell.train.checkpoint import BEST
    from facetell.train.loop import train
    from facetell.train.reading import override, read_config, read_tree
    from facetell.train.stop import Stop

    tree = override(read_tree(args.what), args.changes)
    if "probe" in tree:
        return _train_probe(args, tree["probe"])
    config = read_config(args.what, args.changes)
    out = args.out or Path("runs") / args.what.stem
    with Stop(args.max_minutes) as stop:
        outcome = train(config, out, stop)
    if not outcome.first:
        return 0
    if not outcome.done:
        print(f"{out}: {outcome.reason} at step {outcome.step} of {config.steps}; the same command goes on from there")
        return NOT_DONE
    return _release(out / BEST, args.to or out / f"{out.resolve().name}.onnx", config.data, args)


def _release(checkpoint: Path, target: Path, data: DataConfig, args: argparse.Namespace) -> int:
    """Export, measure and describe; where packages for it are missing, say how to do it elsewhere."""
    missing = [package for package in FOR_EXPORT if importlib.util.find_spec(package) is None]
    if missing:
        print(
            f"{checkpoint}: trained; no model file was made, as {', '.join(missing)} is not installed here; "
            f"run `facetell train {checkpoint} --to MODEL.onnx` where it is"
        )
        return NOT_DONE
    from facetell.datasets.manifest import read_manifest
    from facetell.train.card import sentence
    from facetell.train.corpus import decode_all, load_recordings
    from facetell.train.release import release

    videos = read_manifest(args.videos) if args.videos else None
    for _ in decode_all(data, 0):
        pass
    recordings = load_recordings(data, "val", 1)
    made = release(checkpoint, target, recordings, videos=videos, note=args.note)
    for figure in [*made.generators, *({**f, "name": f"made here: {f['name']}"} for f in made.pseudo)]:
        print(sentence(figure))
    print(f"{target}, {target.with_suffix('.md').name}, {target.with_suffix('.val.parquet').name}")
    return 0

"""``facetell fuse``: trained networks into the streams of one, as a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from facetell.commands.arguments import check_model_name
from facetell.types import FacetellError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="YAML file of a network of several streams, as `train` takes it"
    )
    parser.add_argument(
        "networks",
        nargs="+",
        metavar="NETWORK",
        help="one for each stream: a checkpoint, or a model file; FILE:2 is the second stream of one that has several, "
        "FILE+FILE the mean of the weights of two",
    )
    parser.add_argument(
        "--gains",
        type=float,
        nargs="+",
        default=[],
        metavar="G",
        help="for each network, what its logit is multiplied by (default: 1)",
    )
    parser.add_argument(
        "--levels",
        type=float,
        nargs="+",
        default=[],
        metavar="L",
        help="for each network, what is taken off its logit before (default: 0)",
    )
    parser.add_argument("--to", type=Path, required=True, metavar="MODEL.onnx", help="the model file to write")


def run(args: argparse.Namespace) -> int:
    """Write the file, not yet calibrated; 0 when done."""
    from facetell.engine import ModelInfo
    from facetell.models.convert import read_trained
    from facetell.models.export import export_onnx
    from facetell.models.fuse import fuse, mean_of, stream_of
    from facetell.report.result import check_writable
    from facetell.train.reading import read_config
    from facetell.train.start import build_network

    check_model_name(args.to)
    sources = [_sources(text) for text in args.networks]
    check_writable(args.to, keep=[args.config, *(path for given in sources for path, _ in given)])
    config = read_config(args.config)
    batch = config.batch
    networks = []
    for given in sources:
        alike = []
        for path, number in given:
            network, metadata = read_trained(path)
            scale = ModelInfo.from_metadata(metadata, str(path)).crop_scale
            if scale != batch.crop_scale:
                raise FacetellError(
                    f"{path} was trained with a crop_scale of {scale:g}, {args.config} has {batch.crop_scale:g}; "
                    "fuse such that agree"
                )
            alike.append(network if number is None else stream_of(network, number))
        networks.append(mean_of(alike))
    model = build_network(config, pretrained=False)
    fuse(model, networks, gains=args.gains, levels=args.levels)
    export_onnx(model, args.to, with_motion=model.architecture["motion"] != "none")
    print(
        f"{args.to}: {model.config.name} of {len(networks)} streams, not calibrated; docs/training.md says how it is "
        "released"
    )
    return 0


def _sources(text: str) -> list[tuple[Path, int | None]]:
    """Files whose mean is meant, each with which of its streams, counted from 1; None for the whole network.

    >>> _sources("joint.onnx:2")
    [(PosixPath('joint.onnx'), 2)]
    >>> _sources("joint.onnx:1+spatial.onnx")
    [(PosixPath('joint.onnx'), 1), (PosixPath('spatial.onnx'), None)]
    """
    if Path(text).exists():
        return [(Path(text), None)]
    if "+" in text:
        return [source for part in text.split("+") for source in _sources(part)]
    path, _, number = text.rpartition(":")
    if path and number.isdecimal():
        return [(Path(path), int(number))]
    return [(Path(text), None)]

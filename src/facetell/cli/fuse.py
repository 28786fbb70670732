"""``facetell fuse``: trained networks into the streams of one, as a model file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facetell.cli.arguments import check_model_name
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
    from facetell.files import check_writable
    from facetell.models.convert import read_trained
    from facetell.models.export import carries_motion, export_onnx
    from facetell.models.fuse import fuse, mean_of, stream_of
    from facetell.train.reading import read_config
    from facetell.train.start import build_network

    check_model_name(args.to)
    sources = [_sources(text) for text in args.networks]
    named = [path for given in sources for path, _ in given]
    check_writable(args.to, keep=[args.config, *filter(_is_file, named)])
    config = read_config(args.config)
    batch = config.batch
    networks = []
    for text, given in zip(args.networks, sources, strict=True):
        alike = []
        for path, number in given:
            network, metadata = read_trained(path)
            scale = ModelInfo.from_metadata(metadata, str(path)).crop_scale
            if scale != batch.crop_scale:
                raise FacetellError(
                    f"{path} was trained with a crop_scale of {scale:g}, {args.config} has {batch.crop_scale:g}; "
                    "fuse such that agree"
                )
            with _told_of(str(path)):
                alike.append(network if number is None else stream_of(network, number))
        with _told_of(text):
            networks.append(mean_of(alike))
    model = build_network(config, pretrained=False)
    fuse(model, networks, gains=args.gains, levels=args.levels)
    export_onnx(model, args.to, with_motion=carries_motion(model))
    print(
        f"{args.to}: {model.config.name} of {len(networks)} streams, not calibrated; docs/training.md says how it is "
        "released"
    )
    return 0


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    """Say of what a fault is."""
    try:
        yield
    except FacetellError as error:
        raise FacetellError(f"{what}: {error}") from None


def _sources(text: str) -> list[tuple[Path, int | None]]:
    """Files whose mean is meant, each with which of its streams, counted from 1; None for the whole network.

    A ``+`` or ``:`` in the name of a file that is there is part of its name.

    >>> _sources("joint.onnx:2")
    [(PosixPath('joint.onnx'), 2)]
    >>> _sources("joint.onnx:1+spatial.onnx")
    [(PosixPath('joint.onnx'), 1), (PosixPath('spatial.onnx'), None)]
    """
    parts, sources = text.split("+"), []
    while parts:
        joined = ("+".join(parts[:count]) for count in range(len(parts), 0, -1))
        name = next((name for name in joined if _is_file(_split(name)[0])), parts[0])
        if not name:
            raise FacetellError(f"'{text}' lacks the name of a network; give a file, or several with a + between them")
        path, number = _split(name)
        sources.append((Path(path), number))
        del parts[: name.count("+") + 1]
    return sources


def _split(name: str) -> tuple[str, int | None]:
    """The file's name, and the number behind its last colon, if there is one and no file of the whole name."""
    path, _, number = name.rpartition(":")
    if path and number.isdecimal() and not _is_file(name):
        return path, int(number)
    return name, None


def _is_file(path: Path | str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  # takes names that are too long, which Path does not

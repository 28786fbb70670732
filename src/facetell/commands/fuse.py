"""``facetell fuse``: two trained networks into one of two streams, as a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from facetell.commands.arguments import check_model_name, count
from facetell.types import FacetellError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    for name, sees in (("spatial", "single pictures"), ("temporal", "whole clips, motion and all")):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help=f"what sees {sees}: a checkpoint, or a model file (.onnx)"
        )
    parser.add_argument("--to", type=Path, required=True, metavar="MODEL.onnx", help="the model file to write")
    parser.add_argument(
        "--weights", type=float, nargs=2, default=(1.0, 1.0), metavar="W", help="of the two logits (default: 1 1)"
    )
    parser.add_argument(
        "--every", type=count, default=4, metavar="N", help="show the spatial stream every Nth frame (default: 4)"
    )
    parser.add_argument(
        "--temporal-size",
        type=count,
        metavar="S",
        help="show the temporal stream S x S pixels (default: as it was trained)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file, not yet calibrated; 0 when done."""
    from facetell.engine import ModelInfo
    from facetell.models.convert import read_trained
    from facetell.models.export import describe, export_onnx
    from facetell.models.fuse import fuse
    from facetell.report.result import check_writable

    check_model_name(args.to)
    check_writable(args.to, keep=[args.spatial, args.temporal])
    (spatial, first), (temporal, second) = read_trained(args.spatial), read_trained(args.temporal)
    one, other = (
        ModelInfo.from_metadata(metadata, str(path))
        for metadata, path in ((first, args.spatial), (second, args.temporal))
    )
    for field in ("crop_scale", "frame_rate"):
        if getattr(one, field) != getattr(other, field):
            raise FacetellError(
                f"{args.spatial} was trained with a {field} of {getattr(one, field):g} and {args.temporal} of "
                f"{getattr(other, field):g}; fuse such that agree"
            )
    model = fuse(spatial, temporal, args.weights, spatial_every=args.every, temporal_size=args.temporal_size)
    same = {field: second[field] for field in ("crop_scale", "frame_rate")}
    export_onnx(model, args.to, metadata=describe(model) | same, with_motion=True)
    built = {key: model.architecture[key] for key in ("spatial_every", "temporal_size")}
    print(f"{args.to}: {model.config.name}, {built}, not calibrated; docs/training.md says how it is released")
    return 0

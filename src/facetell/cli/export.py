"""``facetell export``: write a trained network as a model file, and compare engines with torch on real clips."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetell.cli.arguments import check_model_name
from facetell.engine.released import released_models
from facetell.types import FacetellError, FloatArray

if TYPE_CHECKING:
    from facetell.models.network import ModelConfig

PROOF_CLIPS = 6
PROVED = ("openvino", "onnxruntime", "torch")
LARGEST = 1e-3  # accepted deviation of an engine's logit in float32 from torch's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="of a training run; or a model file (.onnx), or a released model's name",
    )
    parser.add_argument("--to", type=Path, required=True, metavar="MODEL.onnx", help="the model file to write")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "w8"),
        default="fp32",
        help="storage of the weights: fp16 in 16 bits, w8 most of them in 8; all compute in float32 (default: fp32)",
    )
    parser.add_argument("--with-motion", action="store_true", help="add the output that `facetell motion` draws")
    parser.add_argument(
        "--clips",
        type=Path,
        nargs="+",
        metavar="VIDEO",
        help="videos with faces on which outputs are compared (default: the sample clips)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file and print the deviation by storage and by each engine; 0 if all are within limits, else 2."""
    from facetell.files import check_writable
    from facetell.models.convert import check_parity, deviation, read_trained
    from facetell.models.export import ROUNDING, export_onnx, model_from_onnx

    check_model_name(args.to)
    source = released_models().get(args.checkpoint, Path(args.checkpoint))
    check_writable(args.to, keep=[source, *(args.clips or ())])
    model, metadata = read_trained(source)
    clips = _clips(args.clips, model.config)
    export_onnx(model, args.to, metadata=metadata, precision=args.precision, with_motion=args.with_motion)
    print(f"{args.to}: {model.config.name}, {args.precision}, {args.to.stat().st_size / 1e6:.1f} MB")
    agree = True
    if args.precision != "fp32":
        _, stored = model_from_onnx(args.to)
        rounding = deviation(model, stored, clips)
        print(f"largest deviation of a logit by storing in fewer bits: {rounding:.2g}")
        agree = rounding <= ROUNDING[args.precision]
        model = stored
    print(f"largest deviation from torch's logit over {len(clips)} clips:")
    for part in check_parity(model, args.to, clips, PROVED):
        shown = part.note if part.largest is None else f"{part.largest:.2g}"
        print(f"  {part.engine} {part.precision}: {shown}")
        agree &= part.precision != "f32" or (part.largest is not None and part.largest <= LARGEST)
    return 0 if agree else 2


def _clips(videos: list[Path] | None, config: ModelConfig) -> FloatArray:
    """Real clips (N, T, 3, S, S) in [0, 1], evenly from all videos."""
    from facetell.assets import locate
    from facetell.motion.excerpt import face_clips

    paths = videos or [locate("sample_woman"), locate("sample_man")]
    found = []
    for path in paths:
        share = -(-PROOF_CLIPS // len(paths))
        clips = face_clips(path, config.clip_frames, config.size, scale=config.crop_scale, rate=config.frame_rate)
        for clip, _ in zip(clips, range(share), strict=False):
            found.append(clip.frames.transpose(0, 3, 1, 2))
    if not found:
        raise FacetellError("no face clip was found in the videos to compare on; give others with --clips")
    return np.stack(found).astype(np.float32) / np.float32(255)

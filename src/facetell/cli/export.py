"""``facetell export``: write a trained network as a model file, and compare engines with torch on real clips."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetell.cli.arguments import onnx_file
from facetell.cli.progress import Bar
from facetell.engine.engines import released_models
from facetell.types import FacetellError, FloatArray

if TYPE_CHECKING:
    from facetell.models.network import ModelConfig

LARGEST = 1e-3  # accepted deviation of an engine's logit in float32 from torch's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "of a training run; or a model file (.onnx), or a released model's name"
    add("checkpoint", metavar="CHECKPOINT", help=text)
    add("--to", type=onnx_file, required=True, metavar="MODEL.onnx", help="the model file to write")
    text = "storage of the weights: w8 stores most of them in 8 bits; both compute in float32 (default: fp32)"
    add("--precision", choices=("fp32", "w8"), default="fp32", help=text)


def run(args: argparse.Namespace) -> int:
    """Write the file and print the deviation by storage and by each engine; 0 if all are within limits, else 2."""
    from facetell.files import check_all_writable

    source = released_models().get(args.checkpoint, Path(args.checkpoint))
    check_all_writable([args.to], keep=[source])
    with Bar("exporting"):
        from facetell.models.export import ENGINES, ROUNDING, export_compared
        from facetell.train.run import read_trained

        model, metadata = read_trained(source)
        clips = _clips(model.config)
        rounding, parity = export_compared(
            model, args.to, clips, metadata=metadata, precision=args.precision, engines=(*ENGINES, "torch")
        )
    print(f"{args.to}: {model.config.name}, {args.precision}, {args.to.stat().st_size / 1e6:.1f} MB")
    print(f"largest deviation of a logit by storing in fewer bits: {rounding:.2g}")
    agree = rounding <= ROUNDING[args.precision]
    print(f"largest deviation from torch's logit over {len(clips)} clips:")
    for engine, largest in parity.items():
        print(f"  {engine}: {largest if isinstance(largest, str) else f'{largest:.2g}'}")
        agree &= not engine.endswith("f32") or (not isinstance(largest, str) and largest <= LARGEST)
    return 0 if agree else 2


def _clips(config: ModelConfig) -> FloatArray:
    """Clips of a sample video (N, T, 3, S, S) in [0, 1]."""
    from facetell.assets import locate
    from facetell.motion import face_clips
    from facetell.train.release import PROOF_CLIPS

    size, scale, rate = config.size, config.crop_scale, config.frame_rate
    clips = face_clips(locate("sample_woman"), config.clip_frames, size, scale=scale, rate=rate)
    if not (found := [clip.frames.transpose(0, 3, 1, 2) for clip in islice(clips, PROOF_CLIPS)]):
        raise FacetellError(f"the sample video holds no clip of {config.clip_frames} frames to compare on")
    return np.stack(found).astype(np.float32) / np.float32(255)

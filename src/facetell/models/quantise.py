"""Eight-bit model files: convolutions computed in int8, the motion path in full precision.

The differences of the motion path are small against the features they are taken of; rounding those to 256 steps would
drown them. Hence only the spatial and pointwise convolutions of the trunk are quantised.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np

from facetell.types import FloatArray

KEPT = (".motion.", "stem.")  # the stem sees few channels: little to gain, much to lose


def quantise_onnx(source: Path, target: Path, clips: FloatArray) -> Path:
    """Write an int8 copy (QDQ, one scale a channel of the weights) of a float model file.

    Args:
        source: float32 model file.
        target: file to write; it cannot be read back into torch.
        clips: float32 (N, T, 3, S, S) in [0, 1]; their range decides the scales of the activations.

    Raises:
        ModuleNotFoundError: onnxruntime, of the ``train`` extra, is not installed.
    """
    import onnx
    import onnxruntime
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped base
        def __init__(self) -> None:
            self.rest = iter(clips)

        def get_next(self) -> dict[str, FloatArray] | None:
            clip = next(self.rest, None)
            return None if clip is None else {"clip": np.ascontiguousarray(clip[None])}

    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)  # batch norms folded: scales must see what will be computed
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        graph = onnx.load_model(folded).graph
        kept = [node.name for node in graph.node if node.op_type == "Conv" and any(part in node.name for part in KEPT)]
        logging.disable(logging.WARNING)  # it advises a preparation that has just been done
        try:
            quantization.quantize_static(
                folded,
                target,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                weight_type=quantization.QuantType.QInt8,
                activation_type=quantization.QuantType.QUInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
    made = onnx.load_model(target)
    del made.metadata_props[:]
    made.metadata_props.extend(onnx.load_model(source).metadata_props)
    onnx.save_model(made, target)
    return target

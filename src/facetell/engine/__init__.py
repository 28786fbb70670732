"""Model files: metadata, calibration, and inference on OpenVINO (default), ONNX Runtime or torch."""

from facetell.engine.engines import ENGINES, Engine, load_engine
from facetell.engine.info import Calibration, ModelInfo
from facetell.engine.released import DEFAULT_MODEL, FAST_MODEL, model_path

__all__ = [
    "DEFAULT_MODEL",
    "ENGINES",
    "FAST_MODEL",
    "Calibration",
    "Engine",
    "ModelInfo",
    "load_engine",
    "model_path",
]

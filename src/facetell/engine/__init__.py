"""Run a model file: OpenVINO by default, ONNX Runtime or torch instead; the same scores (see the parity test)."""

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

"""Run a model file: OpenVINO by default, ONNX Runtime or torch instead; the same scores (see the parity test)."""

from facetell.engine.engines import ENGINES, Engine, load_engine
from facetell.engine.info import Calibration, ModelInfo

__all__ = ["ENGINES", "Calibration", "Engine", "ModelInfo", "load_engine"]

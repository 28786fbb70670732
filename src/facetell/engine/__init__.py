"""Model files: metadata, calibration, and inference on OpenVINO (default), ONNX Runtime or torch."""

from facetell.engine.engines import DEFAULT_MODEL, ENGINES, FAST_MODEL, Engine, load_engine, model_path
from facetell.engine.info import Calibration, ModelInfo

__all__ = ["DEFAULT_MODEL", "ENGINES", "FAST_MODEL", "Calibration", "Engine", "ModelInfo", "load_engine", "model_path"]

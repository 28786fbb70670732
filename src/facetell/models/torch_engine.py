"""The torch engine: the network rebuilt from the weights inside the model file, float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from facetell.engine.engines import Engine, only_f32, require
from facetell.engine.info import ModelInfo
from facetell.models.export import built_network, load_onnx_state
from facetell.types import FloatArray


class TorchEngine(Engine):
    """See :class:`facetell.engine.Engine`."""

    name = "torch"
    version = str(torch.__version__)

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        only_f32(self.name, precision)
        require("onnx", self.name, "train")  # it reads the file
        if threads:
            torch.set_num_threads(threads)
        metadata, state = load_onnx_state(path)
        ModelInfo.from_metadata(metadata, str(path))  # before the network is built from them
        self._model = built_network(metadata, state, path)
        classes, motion = self._model.num_classes, self._model.architecture.get("motion")
        shapes: dict[str, list[object]] = {"logit": ["N"] if classes == 1 else ["N", classes]}
        if motion not in (None, "none"):
            shapes["motion"] = ["N", "T", "h", "w"]
        super().__init__(path, metadata, shapes)

    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """See :meth:`facetell.engine.Engine.run`."""
        with torch.inference_mode():
            results = self._model(torch.from_numpy(clips), with_motion=output == "motion")
        return np.asarray(getattr(results, output).float().numpy(), dtype=np.float32)

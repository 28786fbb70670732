"""The torch engine: the network rebuilt from the weights inside the model file, float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from facetell.engine.engines import Engine, only_f32, require
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
        super().__init__(path, metadata)
        self._model = built_network(metadata, state, path)
        self.check_one_logit([1] if self._model.num_classes == 1 else [1, self._model.num_classes])

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`Engine.run`."""
        with torch.inference_mode():
            logits = self._model(torch.from_numpy(clips)).logit
        return np.asarray(logits.float().numpy(), dtype=np.float32)

    def run_motion(self, clip: FloatArray) -> FloatArray | None:
        """See :meth:`Engine.run_motion`."""
        if self._model.architecture.get("motion") in (None, "none"):
            return None
        with torch.inference_mode():
            maps = self._model(torch.from_numpy(clip), with_motion=True).motion
        return np.asarray(maps[0].float().numpy(), dtype=np.float32)

"""Run small networks, such as the face networks, on OpenVINO with one thread."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facetell.types import FloatArray


@functools.cache
def openvino_core() -> Any:
    """The process's OpenVINO core. By default it would pin its thread to the first core, in every process."""
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"ENABLE_CPU_PINNING": False})
    return core


def compile_small(path: Path) -> Callable[..., list[FloatArray]]:
    """Load a network as a function from float32 inputs to outputs: one thread, and f32, or landmarks would jitter."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    core = openvino_core()
    request = core.compile_model(core.read_model(path), "CPU", config).create_infer_request()

    def run(*blobs: FloatArray) -> list[FloatArray]:
        return [np.array(value) for value in request.infer(dict(enumerate(blobs)), share_inputs=True).values()]

    return run

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
    """The OpenVINO core of the process; creating one takes about 0.1 s.

    By default OpenVINO pins its thread to the first core, in every process the same: two took 2.6 times as long.
    """
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"ENABLE_CPU_PINNING": False})
    return core


def compile_small(path: Path) -> Callable[..., list[FloatArray]]:
    """Load a network as a function from its float32 inputs to the list of its outputs.

    One thread: a second one costs more than it saves at this size. Float32, because rounded landmarks would jitter.
    """
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    core = openvino_core()
    request = core.compile_model(core.read_model(path), "CPU", config).create_infer_request()

    def run(*blobs: FloatArray) -> list[FloatArray]:
        results = request.infer(dict(enumerate(blobs)), share_inputs=True)
        return [np.array(value) for value in results.values()]

    return run

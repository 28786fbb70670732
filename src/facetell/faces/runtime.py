"""How small networks that are part of a larger work are run: OpenVINO, one thread, full precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facetell.types import FloatArray


@functools.cache
def openvino_core() -> Any:
    """The process-wide OpenVINO core (its creation costs about 0.1 s).

    Left to itself, OpenVINO ties its thread to the first core, in every process the same: two took 2.6 times as long.
    """
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"ENABLE_CPU_PINNING": False})
    return core


def compile_small(path: Path) -> Callable[..., list[FloatArray]]:
    """Load a network; returns a function from its float32 inputs, in their order, to the list of its outputs.

    One thread, as a second one costs more than it saves at this size; float32 even where the CPU offers bfloat16, as
    rounded landmarks would jitter.
    """
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    core = openvino_core()
    request = core.compile_model(core.read_model(path), "CPU", config).create_infer_request()

    def run(*blobs: FloatArray) -> list[FloatArray]:
        results = request.infer(dict(enumerate(blobs)), share_inputs=True)
        return [np.array(value) for value in results.values()]

    return run

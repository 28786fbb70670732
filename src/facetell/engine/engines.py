"""Run a model file on OpenVINO, ONNX Runtime or torch."""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetell.engine.info import ModelInfo
from facetell.engine.released import is_function, model_path
from facetell.files import file_sha256
from facetell.types import FacetellError, FloatArray, UInt8Array, needs_extra

ISAS_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


class Engine(ABC):
    """A loaded model. ``precision`` is the arithmetic in use, ``version`` that of the library.

    ``metadata`` are the fields of the file, ``shapes`` those of its outputs by name. FacetellError: a field is missing
    or wrong, or the model has several classes.
    """

    name: str
    version: str
    precision: str = "f32"

    def __init__(self, path: Path, metadata: Mapping[str, str], shapes: Mapping[str, Sequence[object]]) -> None:
        self.path, self.info = path, ModelInfo.from_metadata(metadata, str(path))
        self.outputs = frozenset(shapes)
        _, *classes = shapes["logit"]
        if classes:
            raise FacetellError(
                f"{path} discriminates {classes[0]} classes: give a model of one logit per clip (num_classes=1)"
            )
        self.sha256 = file_sha256(path)

    def score(self, clips: UInt8Array) -> FloatArray:
        """Logits (N,) float32 of uint8 RGB clips (N, T, S, S, 3); positive = forged."""
        blob = np.ascontiguousarray(clips.transpose(0, 1, 4, 2, 3), dtype=np.float32)
        blob *= np.float32(1 / 255)
        return self.run(blob)

    def motion(self, clip: UInt8Array) -> FloatArray | None:
        """Response of the network's motion blocks to a clip, uint8 RGB (T, S, S, 3): float32 (T - 2, h, w), >= 0.

        The mean over the motion blocks of the magnitude of F^MM (METHOD section 1), at the first of the three frames of
        each second difference. None if the model file has no such output.
        """
        if "motion" not in self.outputs:
            return None
        blob = clip.transpose(0, 3, 1, 2)[None].astype(np.float32) / np.float32(255)
        (maps,) = self.run(np.ascontiguousarray(blob), "motion")
        return np.asarray(maps[:-2])  # a second difference is not defined on the last two frames

    @abstractmethod
    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """An output of float32 RGB clips (N, T, 3, S, S) in [0, 1]: ``logit`` (N,) or ``motion`` (N, T, h, w)."""


class OpenVinoEngine(Engine):
    """The default, and the fastest on a CPU. Computes in bfloat16 where the CPU supports it, else in float32."""

    name = "openvino"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        import openvino

        from facetell.faces.runtime import openvino_core

        model = _read_onnx(path)
        found = model.get_rt_info()
        framework = found["framework"] if "framework" in found else {}  # noqa: SIM401 (an RTMap has no `get`)
        shapes = {name: list(output.partial_shape) for output in model.outputs for name in output.get_names()}
        shapes = {name: [int(size.get_max_length()) for size in shape] for name, shape in shapes.items()}
        super().__init__(path, {key: str(value.value) for key, value in framework.items()}, shapes)
        capabilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = openvino_precision(capabilities, precision)
        self.version = openvino.__version__.split("-")[0]
        self._config: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "LATENCY",
            # Off: by default OpenVINO also rounds the inputs of 8-bit matrices to 8 bits on CPUs with VNNI. A score in
            # f32 would depend on the CPU, and one in bf16 would change as much again as by bf16 itself.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        # One request per output. That of the motion is compiled when needed, as it is for few clips.
        self._requests = {"logit": self._compile(model, "logit")}

    def _compile(self, model: Any, output: str) -> Any:
        """A request for one output, without the layers that only others need; ``model`` is changed."""
        import openvino

        from facetell.faces.runtime import openvino_core

        # The shape is fixed to one clip: that compiles to faster code, and a score cannot depend on the other clips.
        model.reshape({"clip": [1, self.info.clip_frames, 3, self.info.size, self.info.size]})
        only = openvino.Model([model.output(output)], model.get_parameters())
        config = self._config
        if output == "motion" and self.precision == "f32":
            # In its default mode, OpenVINO 2026.4 cannot compile this output where ONEDNN_MAX_CPU_ISA is AVX2. This one
            # is slower and gives the same numbers.
            config = {**config, "EXECUTION_MODE_HINT": "ACCURACY"}
        return openvino_core().compile_model(only, "CPU", config).create_infer_request()

    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """See :meth:`Engine.run`."""
        if output not in self._requests:
            self._requests[output] = self._compile(_read_onnx(self.path), output)
        request = self._requests[output]
        results = [np.array(request.infer({"clip": clip[None]})[output], dtype=np.float32) for clip in clips]
        return np.concatenate(results)


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime on the CPU, float32."""

    name = "onnxruntime"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        only_f32(self.name, precision)
        runtime = require("onnxruntime", self.name, "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        super().__init__(path, self._session.get_modelmeta().custom_metadata_map, shapes)
        self.version = runtime.__version__

    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """See :meth:`Engine.run`."""
        return np.asarray(self._session.run([output], {"clip": clips})[0], dtype=np.float32)


# By name; imported when used. That of torch is with the networks, as it builds one.
ENGINES = {
    "openvino": "facetell.engine.engines:OpenVinoEngine",
    "onnxruntime": "facetell.engine.engines:OnnxRuntimeEngine",
    "torch": "facetell.models.export:TorchEngine",
}


def load_engine(
    model: Path | str | None = None,
    engine: str = "openvino",
    *,
    precision: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Load a model file into an engine.

    Args:
        model: see :func:`facetell.engine.released.model_path`. A function needs none of the engines.
        engine: one of :data:`ENGINES`.
        precision: "f32" or "bf16" (OpenVINO only), see :func:`openvino_precision`.
        threads: CPU threads of the engine; all cores by default.

    Raises:
        FacetellError: unknown engine, engine not installed, precision not supported, or no such model file.
    """
    if engine not in ENGINES:
        raise FacetellError(f"there is no engine '{engine}'; choose one of {', '.join(ENGINES)}")
    path = model_path(model)
    if is_function(path):
        from facetell.engine.function import FunctionEngine

        return FunctionEngine(str(path))
    module, _, name = ENGINES[engine].partition(":")
    try:
        loaded: Engine = getattr(require(module, engine, "train"), name)(path, precision=precision, threads=threads)
        return loaded
    except FacetellError:
        raise
    except Exception as error:  # each engine has its own exception types for a file that it cannot read
        # The last line: those before it are about places in the source of the engine.
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].lstrip("- ")
        raise FacetellError(f"{engine} cannot load {path}: {reason}; give a model file exported by facetell") from error


def _read_onnx(path: Path) -> Any:
    """The OpenVINO model of an ONNX file.

    ``Core.read_model`` would try the readers of other formats as well, and those print to the log.
    """
    from openvino.frontend import FrontEndManager

    frontend = FrontEndManager().load_by_framework("onnx")
    return frontend.convert(frontend.load(str(path)))


def require(module: str, engine: str, extra: str) -> Any:
    """Import a library; raises FacetellError with the optional extra that contains it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise needs_extra(f"the engine '{engine}'", extra) from None


def openvino_precision(capabilities: Sequence[str], precision: str | None) -> str:
    """The inference precision: ``precision`` if given, else bf16 where it is supported, else f32.

    OpenVINO computes in float32 without a message where the CPU has no bfloat16. Its list of ``capabilities`` ignores
    the environment variable of oneDNN that limits the instruction set, and compiling for bfloat16 then fails.

    Raises:
        FacetellError: bf16 is requested and not supported.
    """
    names = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # if both are set, the first counts
    name, isa = next(((name, os.environ[name].upper()) for name in names if os.environ.get(name)), ("", ""))
    supported = "BF16" in capabilities and isa not in ISAS_WITHOUT_BF16
    if precision == "bf16" and not supported:
        limit = f" ({name} is {isa})" if isa in ISAS_WITHOUT_BF16 else ""
        raise FacetellError(f"this CPU does not support bf16{limit}; use --precision f32")
    return precision or ("bf16" if supported else "f32")


def only_f32(engine: str, precision: str | None) -> None:
    """Raise FacetellError unless ``precision`` is f32 or None."""
    if precision not in (None, "f32"):
        raise FacetellError(f"the engine {engine} computes in f32 only; use --engine openvino for {precision}")

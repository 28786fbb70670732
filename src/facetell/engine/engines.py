"""Three ways to run the same model file."""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facetell.engine.info import ModelInfo
from facetell.engine.released import model_path
from facetell.files import file_sha256
from facetell.types import FacetellError, FloatArray, UInt8Array, needs_extra

ISAS_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


class Engine(ABC):
    """A loaded model. ``precision`` is the arithmetic in use, ``version`` the library's."""

    name: str
    version: str
    precision: str

    def __init__(self, path: Path, info: ModelInfo) -> None:
        self.path, self.info = path, info
        self.sha256 = file_sha256(path)

    def score(self, clips: UInt8Array) -> FloatArray:
        """Logits (N,) float32 of uint8 RGB clips (N, T, S, S, 3); positive = forged."""
        blob = np.ascontiguousarray(clips.transpose(0, 1, 4, 2, 3), dtype=np.float32)
        blob *= np.float32(1 / 255)
        return self.run(blob)

    def motion(self, clip: UInt8Array) -> FloatArray | None:
        """Where and when the network's motion blocks respond to a clip, uint8 RGB (T, S, S, 3).

        Returns:
            float32 (T - 2, h, w), 0 and more: the mean over the motion blocks of the size of F^MM (METHOD section 1),
            at the first of the three frames that each second difference takes. None where the model file has no such
            output.
        """
        blob = clip.transpose(0, 3, 1, 2)[None].astype(np.float32) / np.float32(255)
        maps = self.run_motion(np.ascontiguousarray(blob))
        return None if maps is None else maps[:-2]  # a second difference is not defined on the last two frames

    @abstractmethod
    def run(self, clips: FloatArray) -> FloatArray:
        """Logits (N,) of float32 RGB clips (N, T, 3, S, S) in [0, 1]."""

    def run_motion(self, clip: FloatArray) -> FloatArray | None:
        """The output ``motion`` (T, h, w) of one clip, float32 RGB (1, T, 3, S, S) in [0, 1]; None without one."""
        return None


class OpenVinoEngine(Engine):
    """The default and the fastest on a CPU. Computes in bfloat16 where the CPU supports it, else in float32."""

    name = "openvino"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        import openvino

        from facetell.faces.runtime import openvino_core

        core = openvino_core()
        model = core.read_model(path)
        self._has_motion = any("motion" in output.get_names() for output in model.outputs)
        found = model.get_rt_info()
        framework = found["framework"] if "framework" in found else {}  # noqa: SIM401 (an RTMap has no `get`)
        metadata = {key: str(value.value) for key, value in framework.items()}
        super().__init__(path, ModelInfo.from_metadata(metadata, str(path)))
        _one_logit(path, [int(size.get_max_length()) for size in model.output("logit").partial_shape])
        self.precision = openvino_precision(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), precision)
        self.version = openvino.__version__.split("-")[0]
        config: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "LATENCY",
            # Where a file has 8-bit matrices and the CPU has VNNI instructions, OpenVINO by default also rounds what
            # they are multiplied with to 8 bits. A score in f32 would depend on the CPU, and one in bf16 would change
            # as much again as by bf16 itself (docs/models.md).
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        # The shape is fixed to one clip: a fixed shape compiles to faster code, and a clip's score cannot depend on
        # the clips beside it.
        self._config = config
        self._request = self._compile(model, "logit")
        self._motion_request: Any = None

    def _compile(self, model: Any, output: str) -> Any:
        """A request that computes one of the outputs, and nothing that only the others need; ``model`` is used up."""
        import openvino

        from facetell.faces.runtime import openvino_core

        model.reshape({"clip": [1, self.info.clip_frames, 3, self.info.size, self.info.size]})
        only = openvino.Model([model.output(output)], model.get_parameters())
        config = self._config
        if output == "motion" and self.precision == "f32":
            # In the default mode, OpenVINO 2026.4 cannot compile this output where ONEDNN_MAX_CPU_ISA is AVX2. The mode
            # is slower, and gives the same numbers; maps are computed of few clips.
            config = {**config, "EXECUTION_MODE_HINT": "ACCURACY"}
        return openvino_core().compile_model(only, "CPU", config).create_infer_request()

    def run_motion(self, clip: FloatArray) -> FloatArray | None:
        """See :meth:`Engine.run_motion`."""
        if not self._has_motion:
            return None
        if self._motion_request is None:
            from facetell.faces.runtime import openvino_core

            # Not compiled with the logit: scoring must not pay for what few clips are asked for.
            self._motion_request = self._compile(openvino_core().read_model(self.path), "motion")
        maps: FloatArray = np.array(self._motion_request.infer({"clip": clip})["motion"], dtype=np.float32)
        return np.asarray(maps[0])

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`Engine.run`."""
        logits = [np.array(self._request.infer({"clip": clip[None]})["logit"]).reshape(1) for clip in clips]
        return np.concatenate(logits).astype(np.float32)


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime on the CPU, float32."""

    name = "onnxruntime"
    precision = "f32"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        _only_f32(self.name, precision)
        runtime = _require("onnxruntime", self.name, "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        super().__init__(path, ModelInfo.from_metadata(metadata, str(path)))
        _one_logit(path, next(output.shape for output in self._session.get_outputs() if output.name == "logit"))
        self.version = runtime.__version__

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`Engine.run`."""
        return np.asarray(self._session.run(["logit"], {"clip": clips})[0], dtype=np.float32)

    def run_motion(self, clip: FloatArray) -> FloatArray | None:
        """See :meth:`Engine.run_motion`."""
        if all(output.name != "motion" for output in self._session.get_outputs()):
            return None
        return np.asarray(self._session.run(["motion"], {"clip": clip})[0][0], dtype=np.float32)


class TorchEngine(Engine):
    """The network rebuilt in torch from the weights inside the model file, float32."""

    name = "torch"
    precision = "f32"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        _only_f32(self.name, precision)
        self._torch = _require("torch", self.name, "train")
        _require("onnx", self.name, "train")  # the file is read with it
        export = importlib.import_module("facetell.models.export")
        if threads:
            self._torch.set_num_threads(threads)
        metadata, state = export.load_onnx_state(path)
        super().__init__(path, ModelInfo.from_metadata(metadata, str(path)))
        self._model = export.built_network(metadata, state, path)
        _one_logit(path, [1] if self._model.num_classes == 1 else [1, self._model.num_classes])
        self.version = str(self._torch.__version__)

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`Engine.run`."""
        with self._torch.inference_mode():
            logits = self._model(self._torch.from_numpy(clips)).logit
        return np.asarray(logits.float().numpy(), dtype=np.float32)

    def run_motion(self, clip: FloatArray) -> FloatArray | None:
        """See :meth:`Engine.run_motion`."""
        if self._model.architecture.get("motion") in (None, "none"):
            return None
        with self._torch.inference_mode():
            maps = self._model(self._torch.from_numpy(clip), with_motion=True).motion
        return np.asarray(maps[0].float().numpy(), dtype=np.float32)


ENGINES: dict[str, Callable[..., Engine]] = {
    engine.name: engine for engine in (OpenVinoEngine, OnnxRuntimeEngine, TorchEngine)
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
        model: see :func:`facetell.engine.released.model_path`.
        engine: "openvino", "onnxruntime" or "torch".
        precision: "f32" or "bf16" (OpenVINO only). The default is bf16 where the CPU supports it and
            ``ONEDNN_MAX_CPU_ISA`` (or ``DNNL_MAX_CPU_ISA``), if set, does not exclude it; else f32.
        threads: CPU threads of the engine; all cores by default.

    Raises:
        FacetellError: unknown engine, engine not installed, precision not supported, or file missing or not a model
            file.
    """
    if engine not in ENGINES:
        raise FacetellError(f"there is no engine '{engine}'; choose one of {', '.join(ENGINES)}")
    path = model_path(model)
    try:
        # Asked before the engines: OpenVINO tries other formats, and their readers fill the log.
        if not _is_onnx(path):
            raise FacetellError(
                f"cannot load {path}: it is not a whole ONNX file; give a model file exported by facetell"
            )
        return ENGINES[engine](path, precision=precision, threads=threads)
    except FacetellError:
        raise
    except Exception as error:  # every engine has exceptions of its own for a file that it cannot read
        # The last line: those before it say where in its own source an engine found it.
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].lstrip("- ")
        raise FacetellError(f"{engine} cannot load {path}: {reason}; give a model file exported by facetell") from error


def _is_onnx(path: Path) -> bool:
    """Whether a file is a whole protobuf message with the fields of ONNX that must be there; skips what is in them."""
    size, fields = path.stat().st_size, set()
    with path.open("rb") as stream:
        while (place := stream.tell()) < size:
            field, kind = divmod(_varint(stream), 8)
            length = _varint(stream)  # of kind 0 it is the value itself
            fields.add(field)
            if field == 0 or kind not in (0, 2) or (kind == 2 and length > size - stream.tell()):
                return False
            if kind == 2:
                stream.seek(length, os.SEEK_CUR)
    return place == size and {1, 7} <= fields  # the format's version and the graph


def _varint(stream: BinaryIO) -> int:
    """The next number of a protobuf message: seven bits a byte, the lowest first, the eighth says that more follow."""
    value, shift = 0, 0
    while shift < 64 and (byte := stream.read(1)):
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            break
        shift += 7
    return value


def _require(module: str, engine: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise needs_extra(f"the engine '{engine}'", extra) from None


def _one_logit(path: Path, shape: Sequence[object]) -> None:
    """Refuse a model of several classes: ``shape`` of its "logit" is then (N, K)."""
    if len(shape) != 1:
        raise FacetellError(f"{path} tells {shape[-1]} classes apart: give a model of one logit a clip (num_classes=1)")


def openvino_precision(capabilities: Sequence[str], precision: str | None) -> str:
    """The inference precision: as requested, or bf16 where it is supported, else f32.

    OpenVINO computes in float32 without a message where the CPU has no bfloat16. Its list of capabilities ignores the
    environment variable of oneDNN that limits the instruction set, and compiling for bfloat16 then fails.
    """
    names = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # of both the first counts
    name, isa = next(((name, os.environ[name].upper()) for name in names if os.environ.get(name)), ("", ""))
    supported = "BF16" in capabilities and isa not in ISAS_WITHOUT_BF16
    if precision == "bf16" and not supported:
        limit = f" ({name} is {isa})" if isa in ISAS_WITHOUT_BF16 else ""
        raise FacetellError(f"this CPU does not support bf16{limit}; use --precision f32")
    return precision or ("bf16" if supported else "f32")


def _only_f32(engine: str, precision: str | None) -> None:
    if precision not in (None, "f32"):
        raise FacetellError(f"the engine {engine} computes in f32 only; use --engine openvino for {precision}")

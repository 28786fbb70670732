"""Models by name or path, run on OpenVINO, ONNX Runtime or torch, or as a Python function (``my_module:predict``)."""

from __future__ import annotations

import importlib
import inspect
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from facetell.engine.info import InputFormat, ModelInfo, invalid_field
from facetell.files import file_sha256
from facetell.types import FacetellError, FloatArray, UInt8Array, describe, needs_extra

WEIGHTS = Path(__file__).parent.parent / "weights"
DEFAULT_MODEL = "facetell"
FAST_MODEL = "facetell-fast"
OUTPUTS = "logit", "patches"  # of a model file; the second one is optional
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
FUNCTION_DEFAULTS: Mapping[str, object] = {"clip_frames": 8, "frame_rate": 25.0, "size": 224, "crop_scale": 1.8}
ISAS_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


def released_models() -> dict[str, Path]:
    """The released model files by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


def model_path(model: Path | str | None = None) -> Path:
    """The file of a model: the name of a released one, or a path of an ONNX file; None is :data:`DEFAULT_MODEL`.

    ``./NAME`` is a file with the name of a released model. Of MODULE:FUNCTION, its name. FacetellError: no such file.
    """
    released = released_models()
    name = str(model or DEFAULT_MODEL)
    path = released.get(name) or Path(name)
    if not is_function(path) and not os.path.isfile(path):  # noqa: PTH113  # unlike Path, False for names that are too long
        raise FacetellError(
            f"there is no model file at {path}; give an .onnx file exported by facetell, MODULE:FUNCTION, or the name "
            f"of a released model: {', '.join(released)}"
        )
    return path


def is_function(path: Path) -> bool:
    """Whether a model is ``MODULE:FUNCTION`` and not a file of that name."""
    return bool(FUNCTION.fullmatch(str(path))) and not os.path.lexists(path)


class Engine:
    """A loaded model. ``precision`` is the arithmetic in use, ``version`` that of the library.

    ``metadata`` are the fields of the file, ``logit`` is the shape of that output. FacetellError: they do not fit.
    """

    name: str
    version: str
    precision: str = "f32"
    has_patches = False  # whether the model scores patches as well

    def __init__(self, path: Path, metadata: Mapping[str, str], logit: Sequence[object]) -> None:
        self.path, self.info = path, ModelInfo.from_metadata(metadata, str(path))
        if len(logit) > 1:
            raise FacetellError(
                f"{path} discriminates {logit[1]} classes: give a model of one logit per clip (num_classes=1)"
            )
        self.sha256 = file_sha256(path)

    def score(self, clips: UInt8Array) -> FloatArray:
        """Logits (N,) float32 of uint8 RGB clips (N, T, S, S, 3); positive = forged."""
        return self.outputs(clips)[0]

    def outputs(self, clips: UInt8Array) -> Sequence[FloatArray]:
        """Logits as of :meth:`score`, and those of the patches (N, P), row by row, of a model that has them."""
        blob = np.ascontiguousarray(clips.transpose(0, 1, 4, 2, 3), dtype=np.float32)
        blob *= np.float32(1 / 255)
        return self.run(blob)

    def run(self, clips: FloatArray) -> Sequence[FloatArray]:
        """:meth:`outputs` for float32 RGB clips (N, T, 3, S, S) in [0, 1]."""
        raise NotImplementedError


class OpenVinoEngine(Engine):
    """The default, and the fastest on a CPU. Computes in bfloat16 where the CPU supports it, else in float32."""

    name = "openvino"

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        model, metadata = self.read(path)
        logits = [output.get_partial_shape() for output in model.outputs if "logit" in output.get_names()]
        super().__init__(path, metadata, [int(size.get_max_length()) for shape in logits for size in shape])
        # The shape is fixed to one clip: that compiles to faster code, and a score cannot depend on the other clips.
        model.reshape({"clip": [1, self.info.clip_frames, 3, self.info.size, self.info.size]})
        outputs = [found for name in OUTPUTS for found in model.outputs if name in found.get_names()]
        self.has_patches = len(outputs) > 1
        self.compile(model, outputs, precision, threads)

    def read(self, path: Path) -> tuple[Any, dict[str, str]]:
        """An ONNX file as a model of OpenVINO, and its metadata."""
        from openvino.frontend import FrontEndManager

        # `Core.read_model` would try the readers of other formats as well, and those print to the log.
        frontend = FrontEndManager().load_by_framework("onnx")
        model = frontend.convert(frontend.load(str(path)))
        found = model.get_rt_info()
        framework = found["framework"] if "framework" in found else {}  # noqa: SIM401 (an RTMap has no `get`)
        return model, {key: str(value.value) for key, value in framework.items()}

    def compile(self, model: Any, outputs: Sequence[Any], precision: str | None, threads: int | None) -> None:
        """Compile a model without the layers of all but some outputs."""
        import openvino

        from facetell.faces.runtime import openvino_core

        self.precision = openvino_precision(openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"), precision)
        self.version = openvino.__version__.split("-")[0]
        config: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "LATENCY",
            # Off: else OpenVINO also rounds the inputs of 8-bit matrices to 8 bits on CPUs with VNNI (docs/models.md).
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        only = openvino.Model(outputs, model.get_parameters())
        self._request = openvino_core().compile_model(only, "CPU", config).create_infer_request()

    def infer(self, values: FloatArray) -> list[FloatArray]:
        """The outputs for one input."""
        return [np.array(value, dtype=np.float32) for value in self._request.infer({0: values}).values()]

    def run(self, clips: FloatArray) -> Sequence[FloatArray]:
        """See :meth:`Engine.run`."""
        return [np.concatenate(parts) for parts in zip(*(self.infer(clip[None]) for clip in clips), strict=True)]


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime, float32, on the CPU or ("cuda") on the first visible NVIDIA GPU, never on the CPU in its place."""

    name = "onnxruntime"

    def __init__(
        self, path: Path, precision: str | None = None, threads: int | None = None, device: str = "cpu"
    ) -> None:
        only_f32(self.name, precision)
        runtime = require("onnxruntime", self.name, "onnxruntime" if device == "cpu" else "cuda")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.use_deterministic_compute = True
        if device == "cuda":
            runtime.preload_dlls()  # CUDA and cuDNN where they are Python packages
        providers = [*([CUDA] if device == "cuda" else []), ("CPUExecutionProvider", {})]
        usable = runtime.get_available_providers()
        if providers[0][0] in usable:
            self._session = runtime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
            usable = self._session.get_providers()
        if providers[0][0] not in usable:
            raise FacetellError(
                f"ONNX Runtime {runtime.__version__} cannot use CUDA here, only {', '.join(usable)}: install the GPU's "
                "driver, and onnxruntime-gpu in place of onnxruntime (docs/models.md), or leave out --device cuda"
            )
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        super().__init__(path, self._session.get_modelmeta().custom_metadata_map, shapes.get("logit", ()))
        self._outputs = [name for name in OUTPUTS if name in shapes]
        self.has_patches = len(self._outputs) > 1
        self.version = runtime.__version__

    def run(self, clips: FloatArray) -> Sequence[FloatArray]:
        """See :meth:`Engine.run`."""
        return [np.asarray(value, dtype=np.float32) for value in self._session.run(self._outputs, {"clip": clips})]


class FunctionEngine(Engine):
    """Calls ``function(frames, fps, face_boxes)`` for each clip; it returns a logit, positive = forged.

    ``frames`` is uint8 RGB (T, S, S, 3), ``fps`` their approximate rate, ``face_boxes`` float32 (T, 4): x0, y0, x1, y1
    in pixels of the crop. :data:`FUNCTION_DEFAULTS`, or the attribute ``model`` of the function, a dictionary, give T,
    S and all else that :class:`ModelInfo` describes. FacetellError: there is no such function, importable from the
    current folder or the Python path, or its description is invalid.
    """

    name = "python"
    version = platform.python_version()

    def __init__(self, name: str) -> None:
        module_name, _, function_name = name.partition(":")
        try:
            if os.getcwd() not in sys.path:  # noqa: PTH109  # as `python -m` does
                sys.path.insert(0, os.getcwd())  # noqa: PTH109
            module = importlib.import_module(module_name)
            self._function = getattr(module, function_name)
            source = Path(inspect.getsourcefile(module) or "")
            self.sha256 = file_sha256(source) if source.is_file() else ""
        except (Exception, SystemExit) as error:  # whatever the module raises when it is imported
            raise FacetellError(
                f"{name} cannot be used as a model ({describe(error)}); give MODULE:FUNCTION, importable "
                "from the current folder"
            ) from None
        stated = getattr(self._function, "model", {})
        if not callable(self._function) or not isinstance(stated, Mapping):
            raise FacetellError(f"{name} is not a function, or its attribute `model` not a dictionary (docs/models.md)")
        described: dict[str, Any] = {**FUNCTION_DEFAULTS, "name": name, **stated}
        try:
            self.info = ModelInfo(**described)
        except ValidationError as error:
            raise FacetellError(f"{name}: in the attribute `model`, {invalid_field(error)} (docs/models.md)") from None
        self.path = Path(name)
        half = self.info.size / self.info.crop_scale / 2
        box = self.info.size / 2 + half * np.array([-1, -1, 1, 1])
        self._boxes = np.tile(box.astype(np.float32), (self.info.clip_frames, 1))

    def outputs(self, clips: UInt8Array) -> Sequence[FloatArray]:
        """See :meth:`Engine.outputs`. FacetellError: the function fails or returns no number."""
        try:
            logits = [float(self._function(clip, self.info.frame_rate, self._boxes.copy())) for clip in clips]
        except (Exception, SystemExit) as error:
            raise FacetellError(f"{self.path} failed ({describe(error)})") from error
        return [np.array(logits, dtype=np.float32)]


DEVICES = {"cpu": "openvino", "cuda": "onnxruntime"}  # by name: the engine that runs models there by default
# Of ONNX Runtime. TF32 would round the inputs of matrix products to 11 bits; of convolutions, the algorithm that is
# fastest in a trial may be another one in each run.
CUDA = "CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
# By name; imported when used. That of torch is with the networks, as it builds one.
ENGINES = {
    "openvino": "facetell.engine.engines:OpenVinoEngine",
    "onnxruntime": "facetell.engine.engines:OnnxRuntimeEngine",
    "torch": "facetell.models.export:TorchEngine",
}
FOREIGN = "facetell.engine.foreign:ForeignEngine"


def load_engine(
    model: Path | str | None = None,
    engine: str | None = None,
    *,
    precision: str | None = None,
    threads: int | None = None,
    given: InputFormat | None = None,
    device: str = "cpu",
) -> Engine:
    """Load a model (:func:`model_path`) into one of :data:`ENGINES`; a function needs none.

    ``engine`` is by default that of the ``device``, one of :data:`DEVICES`. ``precision`` is "f32" or "bf16" (OpenVINO
    only, see :func:`openvino_precision`), ``threads`` by default all cores. ``given`` describes the input of a network
    of another program, which runs on OpenVINO. FacetellError: unknown engine, engine not installed, precision or device
    not supported, no such model file, or ``given`` does not describe it.
    """
    if device not in DEVICES:
        raise FacetellError(f"there is no device '{device}'; choose one of {', '.join(DEVICES)}")
    engine = engine or DEVICES[device]
    if engine not in ENGINES:
        raise FacetellError(f"there is no engine '{engine}'; choose one of {', '.join(ENGINES)}")
    path = model_path(model)
    if device != "cpu" and (engine != DEVICES[device] or given or is_function(path)):
        raise FacetellError(
            f"only the engine {DEVICES[device]} runs on {device}, and only model files of facetell; leave out --device"
        )
    if is_function(path):
        if given:
            raise given.refused(path)
        return FunctionEngine(str(path))
    if given and engine != "openvino":
        raise FacetellError(f"the engine {engine} runs model files of facetell only; use --engine openvino for {path}")
    module, _, name = (FOREIGN if given else ENGINES[engine]).partition(":")
    options = {"precision": precision, "threads": threads} | ({"given": given} if given else {})
    options |= {"device": device} if device != "cpu" else {}
    try:
        return cast(Engine, getattr(require(module, engine, "train"), name)(path, **options))
    except FacetellError:
        raise
    except Exception as error:  # each engine has its own exception types for a file that it cannot read
        # The last line: those before it are about places in the source of the engine.
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].lstrip("- ")
        hint = "check the file, --size and --frames" if given else "give a model file exported by facetell"
        hint += ", and check the GPU with nvidia-smi" * (device == "cuda")
        raise FacetellError(f"{engine} cannot load {path}: {reason}; {hint}") from error


def require(module: str, engine: str, extra: str) -> Any:
    """Import a library; raises FacetellError with the optional extra that contains it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise needs_extra(f"the engine '{engine}'", extra) from None


def openvino_precision(capabilities: Sequence[str], precision: str | None) -> str:
    """``precision`` if given, else bf16 where it is supported, else f32. FacetellError: bf16 is not supported.

    The ``capabilities`` of OpenVINO ignore the environment variable of oneDNN that limits the instruction set.
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

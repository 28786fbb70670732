"""Model files: a network as ONNX (``docs/models.md``), and back; the torch engine; comparison of engines with torch.

Every array keeps its name in the network's state dict and nothing is folded, so that the torch network can be built
again from the file alone; engines fold when they load it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from facetell.engine import ModelInfo, load_engine
from facetell.engine.engines import Engine, only_f32, require
from facetell.models.graph import SCALE, store_small, trace
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError, FloatArray

Precision = Literal["fp32", "fp16", "w8"]
ROUNDING: dict[Precision, float] = {"fp32": 1e-3, "fp16": 5e-2, "w8": 0.3}
"""Largest deviation of a logit by storage that is accepted."""
ENGINES = ("openvino", "onnxruntime")  # compared with torch at a release


def export_onnx(
    model: ClipNetwork,
    path: Path | str,
    *,
    metadata: Mapping[str, str] | None = None,
    with_motion: bool = False,
    precision: Precision = "fp32",
) -> Path:
    """Write the network in evaluation mode, without its anomaly block.

    Args:
        model: not changed.
        path: file to write; input ``clip`` float32 (N, T, 3, H, W), output ``logit`` (N,), optionally ``motion``.
        metadata: one string a field; by default those of :func:`info_of`.
        with_motion: add the output ``motion`` (N, T, h, w).
        precision: storage of the weights: "fp16" stores large arrays in half precision; "w8" also stores large matrices
            and 1 x 1 kernels in 8 bits. Computation is in float32. Weights that come from such a file, or from CLIP's,
            are stored without any change.

    Raises:
        FacetellError: ``with_motion`` for a network without motion blocks.
    """
    if with_motion and not carries_motion(model):
        raise FacetellError(f"'{model.config.name}' has no motion blocks; export it without motion output")
    names = ["logit", "motion"] if with_motion else ["logit"]
    return _write(model, Path(path), names, precision, info_of(model).to_metadata() if metadata is None else metadata)


def export_features(model: ClipNetwork, path: Path) -> Path:
    """Write the backbone alone, its weights in 8 bits as in a released file: ``clip`` to ``features`` (N*T, F)."""
    return _write(model, path, ["features"], "w8", {})


def _write(model: ClipNetwork, path: Path, names: list[str], precision: Precision, metadata: Mapping[str, str]) -> Path:
    proto = trace(model, names)
    if precision != "fp32":
        store_small(proto, short=precision == "w8")
    write_metadata(proto, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path


def write_metadata(proto: Any, metadata: Mapping[str, str]) -> None:
    """Replace the metadata of an ONNX model."""
    proto.ClearField("metadata_props")
    for key in sorted(metadata):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, metadata[key]


def carries_motion(model: ClipNetwork) -> bool:
    """Whether a network has motion blocks, by its architecture."""
    return model.architecture.get("motion") != "none"


def info_of(model: ClipNetwork, name: str = "", **more: Any) -> ModelInfo:
    """The metadata that follow from the network itself, and ``more`` of them.

    Raises:
        ValidationError: the network is not one that detection can use.
    """
    config = model.config
    return ModelInfo(
        name=name or config.name,
        clip_frames=config.clip_frames,
        frame_rate=config.frame_rate,
        size=config.size,
        crop_scale=config.crop_scale,
        architecture=dict(model.architecture),
        **more,
    )


def load_onnx_state(path: Path | str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata of a model file, and its arrays as a float32 state dict.

    Raises:
        FacetellError: the file is missing or not ONNX.
    """
    import onnx

    try:
        proto = onnx.load_model(path)
    except FileNotFoundError:
        raise FacetellError(f"there is no model file at {path}; give an .onnx file exported by facetell") from None
    except Exception as error:  # protobuf's own error types are not public
        raise FacetellError(f"{path} is not an ONNX file; give one exported by facetell") from error
    arrays = {array.name: np.array(onnx.numpy_helper.to_array(array)) for array in proto.graph.initializer}
    state = {}
    for name, values in arrays.items():
        scale = arrays.get(f"{name}{SCALE}")
        if values.dtype == np.int8 and scale is not None:
            values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
        if values.dtype in (np.float16, np.float32) and not name.endswith(SCALE):
            state[name] = torch.from_numpy(values.astype(np.float32))
    return {entry.key: entry.value for entry in proto.metadata_props}, state


def model_from_onnx(path: Path | str) -> tuple[dict[str, str], ClipNetwork]:
    """Metadata of a model file, and its network built in torch (evaluation mode, without anomaly block).

    Raises:
        FacetellError: the file cannot be read, its metadata do not define the network, or arrays are missing.
    """
    metadata, state = load_onnx_state(path)
    return metadata, _filled(_built(metadata, path), state, path)


def _built(metadata: Mapping[str, str], path: Path | str) -> ClipNetwork:
    """The network that a model file describes, with initial weights."""
    try:
        architecture: dict[str, Any] = json.loads(metadata["architecture"])
        if "streams" in architecture:
            raise FacetellError(f"{path} cannot be built in torch by this version; use another engine")
        for key in ("frame_rate", "crop_scale"):
            if key in metadata:
                architecture[key] = float(json.loads(metadata[key]))
        return create_model(**{**architecture, "anomaly": "none"})
    except (KeyError, TypeError, ValueError) as error:
        raise FacetellError(
            f"the metadata of {path} do not define its network ({error}); export it with `facetell export`"
        ) from error


def _filled(model: ClipNetwork, state: Mapping[str, Tensor], path: Path | str) -> ClipNetwork:
    """The network with the arrays of a model file, in evaluation mode."""
    wanted = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    missing = wanted - state.keys()
    if missing:
        raise FacetellError(
            f"{path} lacks {len(missing)} arrays of its network, such as '{min(missing)}'; export it again"
        )
    model.load_state_dict({name: state[name] for name in wanted}, strict=False)
    return model.eval()


class TorchEngine(Engine):
    """The torch engine: the network rebuilt from its model file, float32; see :class:`facetell.engine.Engine`."""

    name = "torch"
    version = str(torch.__version__)

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        only_f32(self.name, precision)
        require("onnx", self.name, "train")  # it reads the file
        if threads:
            torch.set_num_threads(threads)
        metadata, state = load_onnx_state(path)
        ModelInfo.from_metadata(metadata, str(path))  # before the network is built from them
        self._model = _filled(_built(metadata, path), state, path)
        classes = self._model.num_classes
        super().__init__(path, metadata, ["N"] if classes == 1 else ["N", classes])

    def run(self, clips: FloatArray) -> FloatArray:
        """See :meth:`facetell.engine.Engine.run`."""
        with torch.inference_mode():
            return np.asarray(self._model(torch.from_numpy(clips)).logit.float().numpy(), dtype=np.float32)


Parity = dict[str, float | str]
"""By engine and precision ("openvino f32"): largest deviation of a logit from torch's, or why it does not run."""


def export_compared(
    model: ClipNetwork,
    path: Path,
    clips: FloatArray,
    *,
    metadata: Mapping[str, str],
    with_motion: bool,
    precision: Precision,
    engines: Sequence[str] = ENGINES,
) -> tuple[float, Parity]:
    """:func:`export_onnx`, and compare the file with the network on ``clips`` (N, T, 3, S, S) in [0, 1].

    Returns the largest deviation of a logit by storing the weights in fewer bits; and that of each engine (OpenVINO
    also in bfloat16) from the network as it is stored.
    """
    export_onnx(model, path, metadata=metadata, with_motion=with_motion, precision=precision)
    _, stored = model_from_onnx(path)
    with torch.inference_mode():
        own, want = (network(torch.from_numpy(clips)).logit.numpy() for network in (model, stored))
    parity: Parity = {}
    for engine in engines:
        for arithmetic in ("f32", "bf16") if engine == "openvino" else ("f32",):
            try:
                got = load_engine(path, engine, precision=arithmetic).run(clips)
                parity[f"{engine} {arithmetic}"] = float(np.abs(got - want).max())
            except FacetellError as error:
                parity[f"{engine} {arithmetic}"] = str(error)
    return float(np.abs(own - want).max()), parity

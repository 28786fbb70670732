"""Model files: a network as ONNX (``docs/models.md``), and back; the torch engine; comparison of engines with torch.

Every array keeps its name in the network's state dict and nothing is folded, so that the torch network can be built
again from the file alone; engines fold when they load it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from facetell.engine import ModelInfo, load_engine
from facetell.engine.engines import Engine, only_f32, require
from facetell.files import write_bytes
from facetell.models.network import ClipNetwork, patches_of
from facetell.models.zoo import create_model
from facetell.types import FacetellError, FloatArray

Precision = Literal["fp32", "w8"]
ROUNDING: dict[Precision, float] = {"fp32": 1e-3, "w8": 0.3}
"""Largest deviation of a logit by storage that is accepted."""
ENGINES = ("openvino", "onnxruntime")  # compared with torch at a release
OPSET = 18
HALF_FROM = 256  # elements; smaller arrays (norms, biases) stay float32: they are small and matter most
SHORT_FROM = 65536  # elements of a matrix or 1 x 1 kernel stored in 8 bits; rounding narrow ones costs most
PREFIX = "network."  # of the names of arrays in a traced graph
SCALE = "/scale"  # suffix of the array of scales, one per output channel, of an array that is stored in 8 bits


def export_onnx(
    model: ClipNetwork,
    path: Path,
    *,
    metadata: Mapping[str, str] | None = None,
    precision: Precision = "fp32",
    output: Literal["logit", "features"] = "logit",
) -> Path:
    """Write a network without its anomaly block, and put it into evaluation mode.

    The file has the input ``clip`` float32 (N, T, 3, H, W) and the outputs ``logit`` (N,) and, of a classifier with a
    part for them, ``patches`` (N, P); or, of the backbone alone, ``features`` (N*T, F) and, of its deepest maps,
    ``patches`` (N*T, P, C). ``metadata`` are one string a field, by default those of :func:`info_of`. The
    ``precision`` "w8" stores large matrices and 1 x 1 kernels in 8 bits and other large arrays in 16; computation is in
    float32. Weights that come from such a file, or from CLIP's, are stored without any change.
    """
    import onnx

    proto = _trace(model, output)
    if precision == "w8":
        _store_small(proto)
    metadata = info_of(model).to_metadata() if metadata is None else metadata
    onnx.helper.set_model_props(proto, dict(sorted(metadata.items())))
    write_bytes(path, proto.SerializeToString(deterministic=True))
    return path


class _Exported(nn.Module):
    """The output of a model file."""

    def __init__(self, network: ClipNetwork, output: str) -> None:
        super().__init__()
        self.network, self.output = network, output

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        if self.output == "features":
            maps, features = self.network.features(clip)
            return features, patches_of(maps)
        found = self.network(clip, with_anomaly=False)
        return (found.logit,) if found.patches is None else (found.logit, found.patches)


def _trace(network: ClipNetwork, output: str) -> Any:
    """ONNX model of the network in evaluation mode for any batch size, weights in float32, nothing folded."""
    import onnx_ir
    from onnxscript import optimizer

    config = network.config
    clip = torch.zeros(2, config.clip_frames, 3, config.size, config.size)
    wrapper = _Exported(network, output).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of optional packages
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            wrapper,
            (clip,),
            input_names=["clip"],
            output_names=[output, "patches"],
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # its optimiser merges batch norms into convolutions
            verbose=False,
        )
    graph_model = program.model  # type: ignore[union-attr]
    optimizer.fold_constants(graph_model, should_fold=_may_fold)
    optimizer.remove_unused_nodes(graph_model)
    proto = onnx_ir.to_proto(graph_model)
    _tidy(proto)
    _free_batch(proto)
    return proto


def _may_fold(node: Any) -> bool | None:
    """Fold what is computed from shapes and constants, but nothing computed from the network's arrays."""
    of_network = any(value is not None and (value.name or "").startswith(PREFIX) for value in node.inputs)
    return False if of_network and node.op_type != "Shape" else None


def _tidy(proto: Any) -> None:
    """Give arrays their names in the state dict, and remove the exporter's debugging notes."""
    graph = proto.graph
    kept = {value.name for value in [*graph.input, *graph.output]} | {""}

    def rename(name: str) -> str:
        if name.startswith(PREFIX):
            return name.removeprefix(PREFIX)
        return name if name in kept else f"/{name}"  # no intermediate value can then have the name of an array

    for array in graph.initializer:
        array.name = rename(array.name)
    for node in graph.node:
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
        node.name = node.output[0]
        if node.op_type == "Conv":  # named after the module whose weights it has
            node.name = f"{node.input[1].removesuffix('.weight')}{node.name}"
    for part in [*graph.initializer, *graph.node]:
        part.ClearField("doc_string")
    for part in [*graph.initializer, *graph.node, *graph.input, *graph.output, graph, proto]:
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
    graph.name = "facetell"


def _free_batch(proto: Any) -> None:
    """Make a graph that was traced for one batch size accept any.

    Tracing a symbolic batch takes several times as long and leaves a shape computation before every reshape. In these
    networks only axis 0 depends on the batch (N or N*T), so axis 0 of every reshape is set to -1.
    """
    import onnx

    graph = proto.graph
    constants = {array.name: array for array in graph.initializer}
    sizes: dict[str, list[int]] = {}
    for node in graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = np.atleast_1d(
                onnx.helper.get_node_attr_value(node, node.attribute[0].name)
            ).tolist()
    extra = []
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape":
            continue
        name = node.input[1]
        shape = onnx.numpy_helper.to_array(constants[name]).tolist() if name in constants else sizes[name]
        if -1 in shape[1:]:
            raise ValueError(f"the traced reshape to {shape} has an open axis other than the batch")
        node.input[1] = f"/shape_{number}"
        extra.append(onnx.numpy_helper.from_array(np.array([-1, *shape[1:]], dtype=np.int64), node.input[1]))
    graph.initializer.extend(extra)
    for node in graph.node:
        if node.op_type == "Conv" and node.input[2:] and node.input[2] in constants and node.input[2].startswith("/"):
            del node.input[2]  # zeros that the exporter adds to a convolution without bias
    used = {name for node in graph.node for name in node.input}
    arrays = [array for array in graph.initializer if array.name in used]
    del graph.initializer[:]
    graph.initializer.extend(arrays)
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _store_small(proto: Any) -> None:
    """Store matrices and 1 x 1 kernels as int8 with a scale per output, other large arrays as float16."""
    import onnx

    graph = proto.graph
    nodes, renamed, scales = [], {}, []
    for array in graph.initializer:
        if array.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(array)
        if values.size < HALF_FROM or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name, wide = array.name, f"{array.name}/float32"
        renamed[name] = wide
        if len(values.shape) in (2, 4) and values.shape[2:] in ((), (1, 1)) and values.size >= SHORT_FROM:
            rows = values.reshape(len(values), -1)
            scale = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
            scales.append(onnx.numpy_helper.from_array(scale, f"{name}{SCALE}"))
            steps = np.rint(rows / scale[:, None]).astype(np.int8).reshape(values.shape)
            array.CopyFrom(onnx.numpy_helper.from_array(steps, name))
            nodes.append(onnx.helper.make_node("DequantizeLinear", [name, f"{name}{SCALE}"], [wide], axis=0))
        else:
            array.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(onnx.helper.make_node("Cast", [name], [wide], to=onnx.TensorProto.FLOAT))
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(scales)


def info_of(model: ClipNetwork, name: str = "", **more: Any) -> ModelInfo:
    """The metadata that follow from the network itself, and ``more`` of them."""
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


def model_from_onnx(path: Path | str) -> tuple[dict[str, str], ClipNetwork]:
    """Metadata of a model file, and its network built in torch (float32, evaluation mode, without anomaly block).

    FacetellError: the file cannot be read, its metadata do not define the network, or arrays are missing.
    """
    import onnx

    try:
        proto = onnx.load_model(path)
    except FileNotFoundError:
        raise FacetellError(f"there is no model file at {path}; give an .onnx file exported by facetell") from None
    except Exception as error:  # protobuf's own error types are not public
        raise FacetellError(f"{path} is not an ONNX file; give one exported by facetell") from error
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    info = ModelInfo.from_metadata(metadata, str(path))
    of_clips: dict[str, Any] = {"frame_rate": info.frame_rate, "crop_scale": info.crop_scale}
    try:
        model = create_model(**{**info.architecture, **of_clips, "anomaly": "none"})
    except (TypeError, ValueError) as error:
        raise FacetellError(
            f"the metadata of {path} do not define its network ({error}); export it with `facetell export`"
        ) from error
    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in proto.graph.initializer}
    wanted = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    if missing := wanted - arrays.keys():
        raise FacetellError(
            f"{path} lacks {len(missing)} arrays of its network, such as '{min(missing)}'; export it again"
        )
    state = {}
    for name in wanted:
        values = arrays[name].astype(np.float32)
        if (scale := arrays.get(f"{name}{SCALE}")) is not None:
            values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
        state[name] = torch.from_numpy(values)
    model.load_state_dict(state, strict=False)
    return metadata, model.eval()


class TorchEngine(Engine):
    """The torch engine: the network rebuilt from its model file, float32; see :class:`facetell.engine.Engine`."""

    name = "torch"
    version = str(torch.__version__)

    def __init__(self, path: Path, precision: str | None = None, threads: int | None = None) -> None:
        only_f32(self.name, precision)
        require("onnx", self.name, "train")  # it reads the file
        if threads:
            torch.set_num_threads(threads)
        metadata, self._model = model_from_onnx(path)
        classes = self._model.num_classes
        super().__init__(path, metadata, ["N"] if classes == 1 else ["N", classes])
        self.has_patches = getattr(self._model.classifier, "local", None) is not None

    def run(self, clips: FloatArray) -> Sequence[FloatArray]:
        """See :meth:`facetell.engine.Engine.run`."""
        with torch.inference_mode():
            found = self._model(torch.from_numpy(clips))
        return [value.float().numpy() for value in (found.logit, found.patches) if value is not None]


Parity = dict[str, float | str]
"""By engine and precision ("openvino f32"): largest deviation from torch's logit (relative from 1 on), or a fault."""


def export_compared(
    model: ClipNetwork,
    path: Path,
    clips: FloatArray,
    *,
    metadata: Mapping[str, str],
    precision: Precision,
    engines: Sequence[str] = ENGINES,
) -> tuple[float, Parity]:
    """:func:`export_onnx`, and compare the file with the network on ``clips`` (N, T, 3, S, S) in [0, 1].

    Returns the largest deviation of a logit by storing the weights in fewer bits; and that of each engine (OpenVINO
    also in bfloat16) from the network as it is stored.
    """
    export_onnx(model, path, metadata=metadata, precision=precision)
    _, stored = model_from_onnx(path)
    with torch.inference_mode():
        own, want = (network(torch.from_numpy(clips)).logit.numpy() for network in (model, stored))
    parity: Parity = {}
    for engine in engines:
        for arithmetic in ("f32", "bf16") if engine == "openvino" else ("f32",):
            try:
                got = load_engine(path, engine, precision=arithmetic).run(clips)[0]
                parity[f"{engine} {arithmetic}"] = float(np.abs(got - want).max() / max(1.0, np.abs(want).max()))
            except FacetellError as error:
                parity[f"{engine} {arithmetic}"] = str(error)
    return float(np.abs(own - want).max()), parity

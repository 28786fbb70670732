"""Model files: a network as ONNX under the contract of ``docs/models.md``, and back.

Every array keeps the name it has in the network's state dict and nothing is folded away, so that the torch network can
be built again from the file alone; engines fold what they like when they load it.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from facetell.models.blocks import differences
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError

OPSET = 18
HALF_FROM = 256  # elements; smaller arrays (norms, biases) stay float32: they weigh nothing and matter most

SHORT_FROM = 65536  # elements of a matrix or 1 x 1 kernel that takes 8 bits; rounding the narrow ones costs most

_SCALE = "/scale"  # suffix of the array of scales, one per output channel, of an array that is stored in 8 bits

Precision = Literal["fp32", "fp16", "w8"]
ROUNDING: dict[Precision, float] = {"fp32": 1e-3, "fp16": 5e-2, "w8": 0.3}  # of a logit; more is a fault


class _Exported(nn.Module):
    """What the file computes: positional outputs in the contract's order."""

    def __init__(self, network: ClipNetwork, with_motion: bool) -> None:
        super().__init__()
        self.network, self.with_motion = network, with_motion
        self.names = ["logit", *["motion"] * with_motion]

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        output = self.network(clip, self.with_motion, with_anomaly=False)
        return tuple(getattr(output, name) for name in self.names)


class _Features(_Exported):
    """What the file of :func:`export_features` computes."""

    def __init__(self, network: ClipNetwork) -> None:
        super().__init__(network, with_motion=False)
        self.names = ["features"]

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        return (self.network.features(clip)[1],)


def export_onnx(
    model: ClipNetwork,
    path: Path | str,
    *,
    metadata: Mapping[str, str] | None = None,
    with_motion: bool = False,
    precision: Precision = "fp32",
) -> Path:
    """Write the network as it scores (evaluation mode, without its AD block).

    Args:
        model: left as it is.
        path: file to write; input ``clip`` float32 (N, T, 3, H, W), output ``logit`` (N,), optionally ``motion``.
        metadata: one string a field; by default what the network knows of itself (:func:`describe`).
        with_motion: add the output ``motion`` (N, T, h, w).
        precision: "fp16" stores large arrays in half precision, at half the size; "w8" also large matrices and 1 x 1
            kernels in 8 bits, EfficientNet-Lite0 at three tenths, a ViT at a quarter. The file still computes in
            float32. Weights that come from such a file, or from CLIP's, are stored again without any change.

    Raises:
        FacetellError: ``with_motion`` for a network without motion blocks.
    """
    if with_motion and not carries_motion(model):
        raise FacetellError(
            f"'{model.config.name}' has no motion blocks to explain by; export it without motion output"
        )
    proto = _trace(_Exported(model, with_motion))
    _tidy(proto)
    _free_batch(proto)
    if precision != "fp32":
        _store_small(proto, short=precision == "w8")
    fields = describe(model) if metadata is None else dict(metadata)
    for key in sorted(fields):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, fields[key]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path


def export_features(model: ClipNetwork, path: Path) -> Path:
    """Write the backbone alone, with the weights stored in 8 bits as in a released file.

    Args:
        model: left as it is.
        path: file to write; input ``clip`` float32 (N, T, 3, H, W), output ``features``, the vectors (N*T, F) that the
            classifier sees.
    """
    proto = _trace(_Features(model))
    _tidy(proto)
    _free_batch(proto)
    _store_small(proto, short=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path


def carries_motion(model: ClipNetwork) -> bool:
    """Whether a network has motion blocks to explain by, as far as it says how it was built."""
    return model.architecture.get("motion") != "none"


def stored_bytes(model: ClipNetwork, precision: Precision) -> int:
    """What the weights of a file without AD block take, about."""
    wide = {"fp32": 4, "fp16": 2, "w8": 2}[precision]
    return sum(
        values.numel() * (1 if precision == "w8" and _is_short(tuple(values.shape)) else wide)
        for name, values in model.state_dict().items()
        if not name.startswith("anomaly.")
    )


def _is_short(shape: tuple[int, ...]) -> bool:
    """Whether an array is a matrix or a 1 x 1 kernel, (out, in) or (out, in, 1, 1), large enough for 8 bits."""
    return len(shape) in (2, 4) and shape[2:] in ((), (1, 1)) and math.prod(shape) >= SHORT_FROM


def describe(model: ClipNetwork) -> dict[str, str]:
    """The metadata that a network can tell of itself, each value JSON."""
    config = model.config
    fields = {
        "name": config.name,
        "clip_frames": config.clip_frames,
        "frame_rate": config.frame_rate,
        "size": config.size,
        "crop_scale": config.crop_scale,
        "architecture": model.architecture,
    }
    return {key: json.dumps(value, sort_keys=True) for key, value in fields.items()}


def load_onnx_state(path: Path | str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata of a model file, and its arrays as a float32 state dict.

    Raises:
        FacetellError: the file is missing or no ONNX.
    """
    import onnx

    path = Path(path)
    try:
        proto = onnx.load_model(path)
    except FileNotFoundError:
        raise FacetellError(f"there is no model file at {path}; give an .onnx file exported by facetell") from None
    except Exception as error:  # protobuf's own error types are not public
        raise FacetellError(f"{path} is not an ONNX file; give one exported by facetell") from error
    arrays = {array.name: np.array(onnx.numpy_helper.to_array(array)) for array in proto.graph.initializer}
    state = {}
    for name, values in arrays.items():
        scale = arrays.get(f"{name}{_SCALE}")
        if values.dtype == np.int8 and scale is not None:
            values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
        if values.dtype in (np.float16, np.float32) and not name.endswith(_SCALE):
            state[name] = torch.from_numpy(values.astype(np.float32))
    return {entry.key: entry.value for entry in proto.metadata_props}, state


def model_from_onnx(path: Path | str) -> tuple[dict[str, str], ClipNetwork]:
    """Metadata of a model file, and its network built again in torch (evaluation mode, without AD block).

    Raises:
        FacetellError: the file does not say how its network is built, or lacks some of its arrays.
    """
    metadata, state = load_onnx_state(path)
    return metadata, built_network(metadata, state, path)


def built_network(metadata: Mapping[str, str], state: Mapping[str, Tensor], path: Path | str) -> ClipNetwork:
    """The network of :func:`load_onnx_state`'s result (evaluation mode, without AD block); ``path`` is for messages.

    Raises:
        FacetellError: the metadata do not define the network, or arrays of it are missing.
    """
    model = _built(metadata, path)
    wanted = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    missing = wanted - state.keys()
    if missing:
        raise FacetellError(
            f"{path} lacks {len(missing)} arrays of its network, such as '{min(missing)}'; export it again"
        )
    model.load_state_dict({name: state[name] for name in wanted}, strict=False)
    return model.eval()


def _built(metadata: Mapping[str, str], path: Path | str) -> ClipNetwork:
    """The network that a model file says it is of, with weights of its own."""
    try:
        architecture: dict[str, Any] = json.loads(metadata["architecture"])
        for key in ("frame_rate", "crop_scale"):
            if key in metadata:
                architecture[key] = float(json.loads(metadata[key]))
        return create_model(**{**architecture, "anomaly": "none"})
    except (KeyError, TypeError, ValueError) as error:
        raise FacetellError(
            f"{path} does not say how its network is built ({error}); export it with `facetell export`"
        ) from error


def continue_from(model: ClipNetwork, path: Path | str) -> None:
    """Fill a network with the weights of a model file, to train it on; only its AD block stays as it is.

    Raises:
        FacetellError: the file is missing, no ONNX, or holds another network.
    """
    metadata, state = load_onnx_state(path)
    fitting = {
        name: state[name]
        for name, own in model.state_dict().items()
        if name in state and state[name].shape == own.shape
    }
    lacking = [
        name
        for name in model.state_dict()
        if name not in fitting and not name.startswith("anomaly.") and not name.endswith("num_batches_tracked")
    ]
    if lacking:
        built = metadata.get("architecture", "which it does not say")
        raise FacetellError(
            f"{path} holds another network: '{lacking[0]}' is not in it, or of another shape; "
            f"set model, motion and overrides as that file has them ({built})"
        )
    if metadata.get("architecture", "{}") != "{}":  # else the zoo has not built it
        its_network = _built(metadata, path)
        architecture = json.loads(metadata["architecture"])
        for key, own in model.backbone.decided.items():  # some leave no trace in the arrays
            if architecture.get(key, own) != own:
                raise FacetellError(
                    f"{path} was built with {key}={architecture[key]}, not {own}; set it so in overrides to train it on"
                )
        for name, (mine, its) in differences(model.backbone, its_network.backbone).items():
            raise FacetellError(
                f"{path} was built with {its} at '{name}', not {mine}; set motion and overrides as that file has them "
                f"({metadata['architecture']})"
            )
    model.load_state_dict(fitting, strict=False)


def _trace(wrapper: _Exported) -> Any:
    """ONNX graph of the network in evaluation mode for a batch of two, weights untouched."""
    import onnx_ir
    from onnxscript import optimizer

    model = wrapper.network
    config = model.config
    clip = torch.zeros(2, config.clip_frames, 3, config.size, config.size)
    training = model.training
    wrapper.eval()
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)  # the exporter tells of packages that it could also have exported
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                wrapper,
                (clip,),
                input_names=["clip"],
                output_names=wrapper.names,
                opset_version=OPSET,
                dynamo=True,
                optimize=False,  # its optimiser merges batch norms into convolutions
                verbose=False,
            )
    finally:
        noisy.setLevel(level)
        model.train(training)
    graph_model = program.model  # type: ignore[union-attr]
    optimizer.fold_constants(graph_model, should_fold=_may_fold)
    optimizer.remove_unused_nodes(graph_model)
    return onnx_ir.to_proto(graph_model)


def _may_fold(node: Any) -> bool | None:
    """Fold what the exporter computes from shapes and constants, but nothing computed from the network's arrays."""
    of_network = any(value is not None and (value.name or "").startswith("network.") for value in node.inputs)
    return False if of_network and node.op_type != "Shape" else None


def _tidy(proto: Any) -> None:
    """Give arrays their names in the state dict, and drop what the exporter noted for its own debugging."""
    graph = proto.graph
    kept = {value.name for value in [*graph.input, *graph.output]} | {""}
    prefix = "network."

    def rename(name: str) -> str:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
        return name if name in kept else f"/{name}"  # no intermediate can then bear the name of an array

    for array in graph.initializer:
        array.name = rename(array.name)
        array.ClearField("doc_string")
        array.ClearField("metadata_props")
    for node in graph.node:
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
        node.name = node.output[0]
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for value in [*graph.input, *graph.output]:
        value.ClearField("metadata_props")
    graph.ClearField("value_info")
    graph.ClearField("metadata_props")
    proto.ClearField("metadata_props")
    graph.name = "facetell"
    arrays = {array.name for array in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Conv":  # known by the module whose weights it has, however they are put together
            weight = node.input[1]
            while weight not in arrays:
                weight = makers[weight].input[0]
            node.name = f"{weight.removesuffix('.weight')}{node.output[0]}"


def _free_batch(proto: Any) -> None:
    """Make a graph traced for one batch size serve any.

    Tracing a symbolic batch takes several times as long and leaves a shape computation before every reshape. In these
    networks axis 0 always runs over the batch (N or N*T) and no other axis does, so that it is enough to leave axis 0
    of every reshape open.
    """
    import onnx

    graph = proto.graph
    constants = {array.name: array for array in graph.initializer}
    parameters = {name for name in constants if not name.startswith("/")}
    sizes: dict[str, list[int]] = {}
    for node in graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = np.atleast_1d(
                onnx.helper.get_node_attr_value(node, node.attribute[0].name)
            ).tolist()
    extra = []
    for number, node in enumerate(graph.node):
        if node.op_type not in ("Reshape", "Resize"):
            continue
        which = len(node.input) - 1
        name = node.input[which]
        shape = onnx.numpy_helper.to_array(constants[name]).tolist() if name in constants else sizes[name]
        if node.op_type == "Reshape":
            if -1 in shape[1:]:
                raise ValueError(f"the traced reshape to {shape} leaves an axis other than the batch open")
            shape = [-1, *shape[1:]]
        else:
            shape = shape[2:]
            node.attribute.append(onnx.helper.make_attribute("axes", [2, 3]))
        node.input[which] = f"/shape_{number}"
        extra.append(onnx.numpy_helper.from_array(np.array(shape, dtype=np.int64), node.input[which]))
    graph.initializer.extend(extra)
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in constants.keys() - parameters:
            del node.input[2]  # zeros that the exporter gives a convolution without bias
    used = {name for node in graph.node for name in node.input}
    arrays = [array for array in graph.initializer if array.name in used]
    del graph.initializer[:]
    graph.initializer.extend(arrays)
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _store_small(proto: Any, short: bool) -> None:
    """Store large float32 arrays as float16, each followed by what makes it float32 again.

    If ``short``, large matrices and 1 x 1 kernels are stored as int8, with a scale per output channel.
    """
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
        if short and _is_short(values.shape):
            rows = values.reshape(len(values), -1)
            scale = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
            scales.append(onnx.numpy_helper.from_array(scale, f"{name}{_SCALE}"))
            steps = np.rint(rows / scale[:, None]).astype(np.int8).reshape(values.shape)
            array.CopyFrom(onnx.numpy_helper.from_array(steps, name))
            nodes.append(onnx.helper.make_node("DequantizeLinear", [name, f"{name}{_SCALE}"], [wide], axis=0))
        else:
            array.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(onnx.helper.make_node("Cast", [name], [wide], to=onnx.TensorProto.FLOAT))
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(scales)

"""The ONNX graph of a network: tracing, names, open batch axis, storage in fewer bits."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facetell.models.network import ClipNetwork

OPSET = 18
HALF_FROM = 256  # elements; smaller arrays (norms, biases) stay float32: they are small and matter most
SHORT_FROM = 65536  # elements of a matrix or 1 x 1 kernel stored in 8 bits; rounding narrow ones costs most
SCALE = "/scale"  # suffix of the array of scales, one per output channel, of an array that is stored in 8 bits


class _Exported(nn.Module):
    """The outputs of a model file, in order."""

    def __init__(self, network: ClipNetwork, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        if self.names == ["features"]:
            return (self.network.features(clip)[1],)
        output = self.network(clip, "motion" in self.names, with_anomaly=False)
        return tuple(getattr(output, name) for name in self.names)


def trace(network: ClipNetwork, names: list[str]) -> Any:
    """ONNX model of the network in evaluation mode for any batch size, weights in float32.

    ``names`` are its outputs, "logit" and "motion", or "features" alone.
    """
    proto = _trace(_Exported(network, names))
    _tidy(proto)
    _free_batch(proto)
    return proto


def _trace(wrapper: _Exported) -> Any:
    """ONNX model for a batch of two, without folded weights."""
    import onnx_ir
    from onnxscript import optimizer

    model = wrapper.network
    config = model.config
    clip = torch.zeros(2, config.clip_frames, 3, config.size, config.size)
    training = model.training
    wrapper.eval()
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)  # it warns of optional packages
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
    """Fold what is computed from shapes and constants, but nothing computed from the network's arrays."""
    of_network = any(value is not None and (value.name or "").startswith("network.") for value in node.inputs)
    return False if of_network and node.op_type != "Shape" else None


def _tidy(proto: Any) -> None:
    """Give arrays their names in the state dict, and remove the exporter's debugging notes."""
    graph = proto.graph
    kept = {value.name for value in [*graph.input, *graph.output]} | {""}
    prefix = "network."

    def rename(name: str) -> str:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
        return name if name in kept else f"/{name}"  # no intermediate value can then have the name of an array

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
        if node.op_type == "Conv":  # named after the module whose weights it has
            weight = node.input[1]
            while weight not in arrays:
                weight = makers[weight].input[0]
            node.name = f"{weight.removesuffix('.weight')}{node.output[0]}"


def _free_batch(proto: Any) -> None:
    """Make a graph that was traced for one batch size accept any.

    Tracing a symbolic batch takes several times as long and leaves a shape computation before every reshape. In these
    networks only axis 0 depends on the batch (N or N*T), so axis 0 of every reshape is set to -1.
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
                raise ValueError(f"the traced reshape to {shape} has an open axis other than the batch")
            shape = [-1, *shape[1:]]
        else:
            shape = shape[2:]
            node.attribute.append(onnx.helper.make_attribute("axes", [2, 3]))
        node.input[which] = f"/shape_{number}"
        extra.append(onnx.numpy_helper.from_array(np.array(shape, dtype=np.int64), node.input[which]))
    graph.initializer.extend(extra)
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in constants.keys() - parameters:
            del node.input[2]  # zeros that the exporter adds to a convolution without bias
    used = {name for node in graph.node for name in node.input}
    arrays = [array for array in graph.initializer if array.name in used]
    del graph.initializer[:]
    graph.initializer.extend(arrays)
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def store_small(proto: Any, short: bool) -> None:
    """Store large float32 arrays as float16, each followed by a cast to float32.

    If ``short``, large matrices and 1 x 1 kernels are stored as int8 with a scale per output channel.
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


def _is_short(shape: tuple[int, ...]) -> bool:
    """Whether an array is a matrix or a 1 x 1 kernel, (out, in) or (out, in, 1, 1), large enough for 8 bits."""
    return len(shape) in (2, 4) and shape[2:] in ((), (1, 1)) and math.prod(shape) >= SHORT_FROM

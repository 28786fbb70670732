"""The vision transformer: its features, its motion adapter, and CLIP's weights."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from facetell.assets import locate
from facetell.models.zoo import create_model

T, SIZE, WIDTH = 4, 32, 64
TINY = {"depth": 2, "width": WIDTH, "heads": 2, "motion_after": 1}


def tiny(motion="none", **more):
    return create_model("clip_vit_b16", motion, "none", T, SIZE, **{**TINY, **more}).eval()


def test_features_are_ordered_by_block_then_class_token_mean_and_deviation():
    backbone = tiny(taps=[2, 1], pools=["std", "cls", "mean"]).backbone
    tokens = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda module, inputs, output: tokens.append(output))
    with torch.no_grad():
        deep, features = backbone(torch.randn(3, 3, SIZE, SIZE), 3)
    parts = [part for t in tokens for part in (t[:, 0], t[:, 1:].mean(dim=1), t[:, 1:].std(dim=1, correction=0))]
    assert features.shape == (3, backbone.feature_channels) == (3, 2 * 3 * WIDTH)
    torch.testing.assert_close(features, torch.cat(parts, dim=1), atol=1e-4, rtol=1e-4)
    assert deep.shape == (3, backbone.deep_channels, 2, 2)
    torch.testing.assert_close(deep.flatten(2).transpose(1, 2), tokens[-1][:, 1:])


def test_the_motion_adapter_starts_as_the_identity(some_clips):
    still, moving = tiny(taps=[1, 2]), tiny("mcb", taps=[1, 2])
    missing = moving.load_state_dict(still.state_dict(), strict=False).missing_keys
    assert missing and all(name.startswith("backbone.motion.") for name in missing)
    frames = some_clips(2, T, SIZE).flatten(0, 1)
    with torch.no_grad():
        for mode in (True, False):
            torch.testing.assert_close(moving.train(mode).backbone(frames, T)[1], still.backbone(frames, T)[1])


def float_graph(path, output):
    """A dynamically quantised graph up to ``output``, with products of floats in place of those of integers."""
    proto = onnx.load(path)
    arrays = {array.name: array for array in proto.graph.initializer}
    whole = {node.output[0]: node.input[0] for node in proto.graph.node if node.op_type == "DynamicQuantizeLinear"}
    nodes = []
    for node in proto.graph.node:
        if node.op_type == "MatMulInteger":
            array = arrays[node.input[1]]
            scale = onnx.numpy_helper.to_array(arrays[array.name.replace("_quantized", "_scale")])
            floats = onnx.numpy_helper.to_array(array).astype(np.float32) * scale
            array.CopyFrom(onnx.numpy_helper.from_array(floats, array.name))
            inputs, product = [whole[node.input[0]], array.name], node.output[0].removesuffix("_output_quantized")
            nodes.append(onnx.helper.make_node("MatMul", inputs, [product]))
        elif "quant" not in node.name.lower():
            nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.output[:]
    proto.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    return proto


@pytest.mark.parametrize("depth", [1, pytest.param(9, marks=pytest.mark.slow)])
def test_clip_s_weights_give_the_tokens_of_its_own_graph(depth, some_clips):
    model = create_model("clip_vit_b16", "none", "none", 1, pretrained=True, depth=depth, pools=["cls"]).eval()
    frame = (some_clips(1, 1, 224)[0] - model.mean) / model.std
    graph = float_graph(locate("clip_vit"), f"/vision_model/encoder/layers.{depth - 1}/Add_1_output_0")
    (want,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"pixel_values": frame.numpy()})
    with torch.no_grad():
        maps, token = model.backbone(frame, 1)
    got = torch.cat([token[:, None], maps.flatten(2).transpose(1, 2)], dim=1).numpy()
    assert np.abs(want).max() > 1
    np.testing.assert_allclose(got, want, atol=1e-3, rtol=1e-3)

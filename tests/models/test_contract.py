"""One contract for every network of the zoo, with every motion module and every form of the AD block, at tiny size."""

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch

from facetell.cli import main
from facetell.models.blocks import CMM
from facetell.models.export import export_onnx, info_of, model_from_onnx
from facetell.models.network import ClipOutput, anomaly_l1, combined_loss
from facetell.models.zoo import MODELS, create_model
from facetell.types import FacetellError

T, SIZE = 4, 32
ANOMALIES = ("full", "no_cls2", "no_l1", "none")
COMBINATIONS = [(name, motion) for name, entry in MODELS.items() for motion in entry.motions]

# Together they are built of every kind of block; each export takes seconds.
OFTEN = (("lite0", "mcb"), ("lite0", "cmm"), ("stm_resnet18", "none"), ("stm_resnet50", "mcb"), ("clip_vit_b16", "mcb"))
EXPORTED = [pytest.param(*each, marks=() if each in OFTEN else pytest.mark.slow) for each in COMBINATIONS]


def tiny(name, motion, anomaly="full", **more):
    if name.startswith("lite"):
        narrow = {"width": 0.25, "depth": 0.5}
    elif name.startswith("clip_vit"):
        narrow = {"width": 64, "heads": 2, "depth": 2, "motion_after": 1}
    else:
        narrow = {"width": 16, "layers": (1, 1, 1, 1)}
    return create_model(name, motion, anomaly, clip_frames=T, size=SIZE, **narrow, **more)


@pytest.mark.parametrize(
    ("name", "motion", "anomaly"),
    [*((*each, "full") for each in COMBINATIONS), *(("lite0", "mcb", anomaly) for anomaly in ANOMALIES[1:])],
)
def test_forward_and_backward(name, motion, anomaly, some_clips):
    model = tiny(name, motion, anomaly, drop_path=0.0) if name.startswith("lite") else tiny(name, motion, anomaly)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)  # a scale of zero passes no gradient on
        elif isinstance(module, CMM):
            torch.nn.init.normal_(module.kernel.weight)  # a true difference has no gradient to its inputs' common bias
    torch.nn.init.normal_(model.classifier.weight, std=0.05)
    labels = torch.tensor([0.0, 1.0, 0.0])
    output = model(some_clips(3, T, SIZE))
    assert output.logit.shape == (3,)
    assert (output.aux_logit is None) == (anomaly in ("none", "no_cls2"))
    assert (output.anomaly_map is None) == (anomaly in ("none", "no_l1"))
    combined_loss(output, labels)[0].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []
    new = set(model.new_parameter_names())
    assert {"classifier.weight", "classifier.bias"} <= new
    assert any(".motion." in n for n in new) == (motion != "none")
    assert not any(".spatial." in n for n in new)


@pytest.mark.parametrize(("name", "motion"), COMBINATIONS)
def test_scores(name, motion, some_clips, enliven):
    """Scores repeat, do not depend on the batch or the memory format, and stay close in bfloat16."""
    model = enliven(tiny(name, motion))
    clips = some_clips(3, T, SIZE)
    with torch.no_grad():
        scores = model(clips).logit
        assert scores.std() > 1e-3
        assert torch.equal(model(clips).logit, scores)
        torch.testing.assert_close(model(clips[1:2]).logit, scores[1:2], atol=1e-5, rtol=1e-5)
        fast = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(fast(clips).logit, scores, atol=1e-4, rtol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(clips).logit.float()
        assert (half - scores).abs().max() < 0.1 * max(1.0, scores.abs().max().item())


@pytest.mark.parametrize(("name", "motion"), EXPORTED)
def test_export(name, motion, some_clips, enliven, tmp_path):
    """The file scores as torch does, a batch of another size than it was traced with, in both engines and rebuilt."""
    model = enliven(tiny(name, motion))
    path = export_onnx(model, tmp_path / "model.onnx")
    clips = some_clips(3, T, SIZE)
    with torch.no_grad():
        want = model(clips).logit.numpy()
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map == info_of(model).to_metadata()
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(session.run(["logit"], {"clip": clips.numpy()})[0], want, atol=1e-4)
    np.testing.assert_allclose(compiled({"clip": clips.numpy()})["logit"], want, atol=1e-4)
    _, rebuilt = model_from_onnx(path)
    with torch.no_grad():
        assert torch.equal(rebuilt(clips).logit, model(clips).logit)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("lite9", {}, "choose one of lite0"),
        ("lite2", {"pretrained": True}, "no weights for 'lite2'"),
        ("lite0", {"pretrained": "clip"}, r"clip cannot be read .*; give a \.pth file"),
        ("lite0", {"temporal": "ctsm"}, "there is no temporal 'ctsm'; choose one of"),
        ("resnet50", {"motion": "mcb"}, "no motion for 'resnet50' 'mcb'"),
        ("resnet50", {"colour": "red"}, "does not accept these arguments"),
        ("clip_vit_b16", {"taps": [13]}, r"taps are numbers of blocks from 1 to 9, not \[13\]"),
        ("clip_vit_b16", {"motion": "mcb", "motion_after": 13}, "motion_after is the number of a block from 1 to 9"),
    ],
)
def test_a_wrong_argument_is_one_message(name, wrong, message):
    with torch.device("meta"), pytest.raises(FacetellError, match=message):
        create_model(name, **wrong)


def test_the_document_repeats_the_table(capsys):
    assert main(["models"]) == 0
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    table = text.split("<!-- facetell models -->\n")[1].split("<!-- end -->")[0]
    assert table == capsys.readouterr().out, "put what `facetell models` prints into docs/models.md"


@pytest.fixture(scope="module")
def network(enliven):
    return enliven(create_model("lite0", clip_frames=4, size=48, width=0.25, motion_blocks=(2, 6)))


def test_the_file_keeps_the_contract(network, tmp_path):
    path = export_onnx(network, tmp_path / "a.onnx")
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    (clip,) = proto.graph.input
    dims = [dim.dim_value or dim.dim_param for dim in clip.type.tensor_type.shape.dim]
    assert (clip.name, dims) == ("clip", ["N", 4, 3, 48, 48])
    assert [output.name for output in proto.graph.output] == ["logit"]
    assert not any("anomaly" in array.name for array in proto.graph.initializer)
    assert not any(entry.key.startswith("pkg.") for node in proto.graph.node for entry in node.metadata_props)
    assert str(Path.cwd()).encode() not in path.read_bytes()


def arrays_file(model, path, **metadata):
    """A file of a network's arrays and metadata without its graph: tracing the graph takes seconds."""
    state = {name: values for name, values in model.state_dict().items() if not name.startswith("anomaly.")}
    arrays = [onnx.numpy_helper.from_array(values.numpy(), name) for name, values in state.items()]
    proto = onnx.helper.make_model(onnx.helper.make_graph([], "arrays", [], [], arrays))
    onnx.helper.set_model_props(proto, {**info_of(model).to_metadata(), **metadata})
    onnx.save(proto, path)
    return path


@pytest.mark.parametrize("architecture", ["{", "[1]", "{}", '{"name": "lite0", "colour": 3}'])
def test_a_file_with_an_invalid_architecture_is_one_message(architecture, network, tmp_path):
    path = arrays_file(network, tmp_path / "odd.onnx", architecture=architecture)
    with pytest.raises(FacetellError, match=r"'architecture' is|do not define its network|does not accept these"):
        model_from_onnx(path)


# --- loss terms, against sums written out


def test_l1_is_the_mean_over_reals_and_elements_and_zero_without_reals():
    anomaly, labels = torch.randn(4, 2, 3, 5, 5), torch.tensor([0.0, 1.0, 0.0, 1.0])
    by_hand = sum(abs(v) for v in anomaly[::2].flatten().tolist()) / (2 * 150)
    assert anomaly_l1(anomaly, labels).item() == pytest.approx(by_hand, rel=1e-5)
    assert anomaly_l1(anomaly, torch.ones(4)).item() == 0


def test_the_sum_takes_what_the_output_has():
    logit, labels = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    by_hand = [math.log1p(math.exp(-2.0)) + 0.1 * 2, math.log1p(math.exp(-1.0)) + 0.1 * 1]  # targets .9 and .1
    output = ClipOutput(logit, torch.tensor([1.0, 2.0]), torch.ones(2, 1, 1, 2, 2))
    loss, parts = combined_loss(output, labels, aux_weight=0.5, anomaly_weight=3.0, label_smoothing=0.2)
    assert loss.item() == pytest.approx(parts["cls1"] + 0.5 * parts["cls2"] + 3.0 * parts["l1"], rel=1e-6)
    assert parts["cls1"] == pytest.approx(sum(by_hand) / 2, rel=1e-6) and parts["l1"] == 1
    loss, parts = combined_loss(output._replace(aux_logit=None, anomaly_map=None), labels)
    assert parts == {"cls1": pytest.approx(loss.item())}

"""One contract for every network of the zoo, with every motion module and every form of the AD block, at tiny size."""

from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch

from facetell.cli import main
from facetell.models.blocks import CMM
from facetell.models.export import export_onnx, info_of, model_from_onnx
from facetell.models.network import combined_loss
from facetell.models.zoo import MODELS, create_model
from facetell.types import FacetellError

T, SIZE = 4, 32
ANOMALIES = ("full", "no_cls2", "no_l1", "none")
COMBINATIONS = [(name, motion) for name, entry in MODELS.items() for motion in entry.motions]

# Together they are built of every kind of block; each export takes seconds.
OFTEN = (
    ("lite0", "mcb"),
    ("lite0", "cmm"),
    ("stm_resnet50", "mcb"),
    ("resnet18", "none"),
    ("clip_vit_b16", "mcb"),
)
EXPORTED = [pytest.param(*each, marks=() if each in OFTEN else pytest.mark.slow) for each in COMBINATIONS]


def tiny(name, motion, anomaly="full", **more):
    """A network of the zoo with every kind of its parts, narrow and shallow."""
    if name.startswith("lite"):
        narrow = {"width": 0.25, "depth": 0.5 + 0.1 * int(name[-1])}
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
    loss, _ = combined_loss(output, labels, labels)
    loss.backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []
    new = set(model.new_parameter_names())
    assert {"classifier.weight", "classifier.bias"} <= new
    assert any(".motion." in n for n in new) == (motion != "none")
    assert not any(".spatial." in n for n in new)


@pytest.mark.parametrize(("name", "motion"), COMBINATIONS)
def test_scores(name, motion, some_clips, enliven):
    """Scores repeat, do not depend on the batch, stay close in bfloat16 and survive a state dict's round trip."""
    model = enliven(tiny(name, motion))
    clips = some_clips(3, T, SIZE)
    with torch.no_grad():
        scores = model(clips).logit
        assert scores.std() > 1e-3
        assert torch.equal(model(clips).logit, scores)
        order = torch.tensor([1, 2, 0])
        torch.testing.assert_close(model(clips[order]).logit, scores[order], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model(clips[1:2]).logit, scores[1:2], atol=1e-5, rtol=1e-5)
        fast = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(fast(clips).logit, scores, atol=1e-4, rtol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(clips).logit.float()
        assert (half - scores).abs().max() < 0.1 * max(1.0, scores.abs().max().item())
        other = tiny(name, motion).eval()
        other.load_state_dict(model.state_dict())
        torch.testing.assert_close(other(clips).logit, scores, atol=1e-5, rtol=1e-5)
        motion_map = model(clips, with_motion=True).motion
    if motion == "none":
        assert motion_map is None
    else:
        assert motion_map.shape[:2] == (3, T)
        assert motion_map[:, 0].max() > 0
        assert motion_map[:, -1].max() < 1e-5


@pytest.mark.parametrize(("name", "motion"), EXPORTED)
def test_export(name, motion, some_clips, enliven, tmp_path):
    """The file scores as torch does, a batch of another size than it was traced with, in both engines and rebuilt."""
    model = enliven(tiny(name, motion))
    path = export_onnx(model, tmp_path / "model.onnx", with_motion=motion == "cmm")  # mcb: see test_export.py
    clips = some_clips(3, T, SIZE)
    with torch.no_grad():
        want = model(clips, with_motion=True)
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map == info_of(model).to_metadata()
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled({"clip": clips.numpy()})
    for number, output in enumerate(session.get_outputs()):
        expected = (want.logit, want.motion)[number].numpy()
        np.testing.assert_allclose(session.run([output.name], {"clip": clips.numpy()})[0], expected, atol=1e-4)
        np.testing.assert_allclose(result[output.name], expected, atol=1e-4)
    _, rebuilt = model_from_onnx(path)
    with torch.no_grad():
        assert torch.equal(rebuilt(clips).logit, model(clips).logit)


@pytest.mark.parametrize("name", MODELS)
def test_whole_size_and_several_classes(name, some_clips):
    model = tiny(name, MODELS[name].motions[0], num_classes=5)
    output = model(some_clips(2, T, SIZE))
    assert output.logit.shape == (2, 5)
    assert output.aux_logit.shape == (2, 5)
    with torch.device("meta"):
        whole = create_model(name)
    config = whole.config
    scores = whole(torch.zeros(1, config.clip_frames, 3, config.size, config.size, device="meta"))
    assert scores.logit.shape == (1,)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("lite9", {}, "choose one of lite0"),
        ("lite1", {"pretrained": True}, "no pretrained checkpoint for 'lite1'"),
        ("lite0", {"pretrained": "clip"}, r"clip cannot be read .*; give a \.pth file, or 'imagenet'"),
        ("clip_vit_b16", {"pretrained": "imagenet"}, r"imagenet cannot be read .*; give a \.pth file, or 'clip'"),
        ("lite0", {"temporal": "ctsm"}, "there is no temporal 'ctsm'; choose one of"),
        ("resnet18", {"motion": "mcb"}, "no motion for 'resnet18' 'mcb'"),
        ("resnet18", {"colour": "red"}, "does not accept these arguments"),
        ("clip_vit_b16", {"taps": [13]}, r"taps are numbers of blocks from 1 to 9, not \[13\]"),
        ("clip_vit_b16", {"pools": "cls"}, "pools are a list of any of cls, mean, std, not 'cls'"),
        ("clip_vit_b16", {"width": 64, "heads": 3}, "width 64 not one of heads 3"),
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

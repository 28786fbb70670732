"""One contract for every network of the zoo, with every motion module and every form of the AD block, at tiny size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from torch import Tensor

from facetell.models.blocks import CMM
from facetell.models.export import export_onnx, info_of, model_from_onnx
from facetell.models.network import ClipNetwork, combined_loss
from facetell.models.zoo import MODELS, create_model

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

Clips = Callable[..., Tensor]
Enliven = Callable[[ClipNetwork], ClipNetwork]


def tiny(name: str, motion: str, anomaly: str = "full", **more: object) -> ClipNetwork:
    """A network of the zoo with every kind of its parts, narrow and shallow."""
    if name.startswith("lite"):
        narrow: dict[str, object] = {"width": 0.25, "depth": 0.5 + 0.1 * int(name[-1])}
    elif name.startswith("clip_vit"):
        narrow = {"width": 64, "heads": 2, "depth": 2, "motion_after": 1}
    else:
        narrow = {"width": 16, "layers": (1, 1, 1, 1)}
    return create_model(name, motion, anomaly, clip_frames=T, size=SIZE, **narrow, **more)


@pytest.mark.parametrize("anomaly", ANOMALIES)
@pytest.mark.parametrize(("name", "motion"), COMBINATIONS)
def test_forward_and_backward(name: str, motion: str, anomaly: str, some_clips: Clips) -> None:
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
def test_scores(name: str, motion: str, some_clips: Clips, enliven: Enliven) -> None:
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
def test_export(name: str, motion: str, some_clips: Clips, enliven: Enliven, tmp_path: Path) -> None:
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
def test_whole_size_and_several_classes(name: str, some_clips: Clips) -> None:
    model = tiny(name, MODELS[name].motions[0], num_classes=5)
    output = model(some_clips(2, T, SIZE))
    assert output.logit.shape == (2, 5)
    assert output.aux_logit.shape == (2, 5)
    with torch.device("meta"):
        whole = create_model(name)
    config = whole.config
    scores = whole(torch.zeros(1, config.clip_frames, 3, config.size, config.size, device="meta"))
    assert scores.logit.shape == (1,)

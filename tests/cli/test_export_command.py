"""``facetell export`` from a checkpoint as training writes it, proved on the sample clips."""

import pytest
import torch
from torch import nn

from facetell.cli import main
from facetell.engine import load_engine
from facetell.models.export import ROUNDING, model_from_onnx
from facetell.models.zoo import create_model, parameters
from facetell.train.run import read_trained


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    narrow = {"width": 0.25, "depth": 0.5}
    model = create_model("lite0", clip_frames=3, size=32, **narrow)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
            nn.init.uniform_(module.weight, 0.2, 0.4)
    nn.init.normal_(model.classifier.weight, std=0.2)
    batch = {"clip_frames": 3, "size": 32, "crop_scale": 1.4}
    config = {"model": "lite0", "motion": "mcb", "anomaly": "full", "overrides": narrow, "batch": batch}
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    torch.save({"config": config, "average": model.state_dict(), "step": 7}, path)
    return path


@pytest.mark.parametrize(("precision", "share"), [("fp32", 4.5), ("w8", 2.1)])
def test_files_are_written_and_proved(precision, share, checkpoint, tmp_path, capsys):
    target = tmp_path / "model.onnx"
    assert main(["export", str(checkpoint), "--to", str(target), "--precision", precision]) == 0
    printed = capsys.readouterr().out
    assert all(f"{engine} f32" in printed for engine in ("openvino", "onnxruntime", "torch"))
    assert target.stat().st_size < share * parameters(read_trained(checkpoint)[0])
    info = load_engine(target).info
    assert (info.clip_frames, info.size, info.crop_scale) == (3, 32, 1.4)
    assert info.training["steps"] == 7


def test_what_storing_costs_has_a_limit(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ROUNDING, "w8", 1e-9)
    assert main(["export", str(checkpoint), "--to", str(tmp_path / "model.onnx"), "--precision", "w8"]) == 2
    assert "by storing in fewer bits" in capsys.readouterr().out


def test_a_model_file_can_be_written_again(checkpoint, tmp_path):
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    assert main(["export", str(checkpoint), "--to", str(first)]) == 0
    assert main(["export", str(first), "--to", str(second)]) == 0
    (_, one), (_, two) = model_from_onnx(first), model_from_onnx(second)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def test_each_fault_is_one_message(checkpoint, tmp_path, capsys):
    odd = tmp_path / "odd.pt"
    state = torch.load(checkpoint)
    torch.save(state | {"config": state["config"] | {"batch": {"clip_frames": 1, "size": 32}}}, odd)
    for source, target, words in (
        (odd, "a.onnx", "odd.pt: 'batch.clip_frames' is 1: input should be greater than or equal"),
        (checkpoint, "a.bin", "its name would end in .onnx"),
        (checkpoint, checkpoint / "a.onnx", "cannot write"),
    ):
        assert main(["export", str(source), "--to", str(tmp_path / target)]) == 1
        printed = capsys.readouterr().err
        assert words in printed and printed.count("\n") == 1

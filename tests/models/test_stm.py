"""ResNets: sizes as published, and checkpoints in torchvision's names."""

import pytest
import torch

from facetell.models.zoo import create_model, load_pretrained, multiply_adds, parameters
from facetell.types import FacetellError


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        *(("resnet18", 11.689512), ("resnet50", 25.557032)),
        *(("lite0", 4.65), ("lite1", 5.42), ("lite2", 6.09)),  # the EfficientNet-Lite release notes
    ],
)
def test_plain_networks_have_the_published_parameters(name, millions):
    plain = {"temporal": "none"} if name.startswith("lite") else {}
    with torch.device("meta"):
        count = parameters(create_model(name, "none", "none", num_classes=1000, **plain))
    assert count / 1e6 == pytest.approx(millions, abs=0.006 if plain else 1e-9)


def test_stm_is_about_as_large_as_published():
    """24.0 M parameters (174 classes) and 33.3 G multiply-adds for 8 frames of 224 x 224; ours are with batch norms."""
    with torch.device("meta"):
        model = create_model("stm_resnet50", "cmm", "none", num_classes=174)
        assert 23.9e6 < parameters(model) < 24.1e6
        assert multiply_adds(model) / 1e9 == pytest.approx(33.3, rel=0.015)
        fuller = create_model("stm_resnet50", "mcb", "none", num_classes=174)
        assert multiply_adds(fuller) < 1.01 * multiply_adds(model)


def torchvision_state(bottleneck, layers, width):
    """A ResNet's arrays in torchvision's names, each filled with a number of its own."""
    state = {}

    def add(name, *shape):
        state[name] = torch.full(shape, float(len(state)))

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            add(f"{name}.{part}", channels)

    add("conv1.weight", width, 3, 7, 7)
    norm("bn1", width)
    inputs = width
    for stage, count in enumerate(layers):
        w = width << stage
        out = w * 4 if bottleneck else w
        for block in range(count):
            path = f"layer{stage + 1}.{block}"
            shapes = [(w, inputs, 1), (w, w, 3), (out, w, 1)] if bottleneck else [(w, inputs, 3), (w, w, 3)]
            for number, (o, i, k) in enumerate(shapes, 1):
                add(f"{path}.conv{number}.weight", o, i, k, k)
                norm(f"{path}.bn{number}", o)
            if inputs != out or (stage and not block):
                add(f"{path}.downsample.0.weight", out, inputs, 1, 1)
                norm(f"{path}.downsample.1", out)
            inputs = out
    add("fc.weight", 1000, inputs)
    add("fc.bias", 1000)
    return state


@pytest.mark.parametrize(("name", "bottleneck"), [("stm_resnet18", False), ("stm_resnet50", True), ("resnet50", True)])
def test_a_torchvision_checkpoint_loads_by_name(name, bottleneck, tmp_path):
    state = torchvision_state(bottleneck, (2, 1, 1, 1), 16)
    path = tmp_path / "resnet.pth"
    torch.save(state, path)
    backbone = create_model(name, layers=(2, 1, 1, 1), width=16, size=32).backbone
    new = load_pretrained(backbone, name, path)
    assert all(".temporal." in array or ".motion." in array for array in new)
    assert bool(new) == name.startswith("stm")
    own = backbone.state_dict()
    assert (own["stem.0.weight"] == state["conv1.weight"][0, 0, 0, 0]).all()
    assert (own["stages.0.1.mix.spatial.0.weight"] == state["layer1.1.conv2.weight"][0, 0, 0, 0]).all()
    assert (own["stages.3.0.downsample.1.running_var"] == state["layer4.0.downsample.1.running_var"][0]).all()


def test_half_a_checkpoint_is_refused(tmp_path):
    state = torchvision_state(True, (1, 1, 1, 1), 16)
    del state["layer3.0.conv2.weight"]
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(FacetellError, match="1 are absent"):
        create_model("stm_resnet50", layers=(1, 1, 1, 1), width=16, pretrained=tmp_path / "half.pth")
    with pytest.raises(FacetellError, match="not a checkpoint of 'lite0'"):
        create_model("lite0", pretrained=tmp_path / "half.pth")
    (tmp_path / "empty.pth").touch()
    for path in ("empty.pth", "none.pth"):
        with pytest.raises(FacetellError, match="cannot be read"):
            create_model("stm_resnet50", pretrained=tmp_path / path)

"""ResNets: sizes as published, and checkpoints in torchvision's names."""

import pytest
import torch

from facetell.models.zoo import create_model, load_pretrained, multiply_adds, parameters
from facetell.types import FacetellError


@pytest.mark.parametrize(("name", "millions"), [("resnet50", 25.557032), ("lite0", 4.65), ("lite2", 6.09)])
def test_plain_networks_have_the_published_parameters(name, millions):
    """Those of EfficientNet-Lite stand in its release notes."""
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


def torchvision_state(backbone):
    """A backbone's arrays in torchvision's names, each filled with a number of its own, and a classifier."""
    state = {"fc.weight": torch.zeros(1)}
    for name, values in backbone.state_dict().items():
        if ".motion." in name or ".temporal." in name or name.endswith("num_batches_tracked"):
            continue
        name = name.replace("stem.0", "conv1").replace("stem.1", "bn1").replace(".mix.spatial", ".middle")
        for number, part in ((1, "first"), (2, "middle"), (3, "expand")):
            name = name.replace(f".{part}.0.", f".conv{number}.").replace(f".{part}.1.", f".bn{number}.")
        if name.startswith("stages."):
            _, stage, rest = name.split(".", 2)
            name = f"layer{int(stage) + 1}.{rest}"
        state[name] = torch.full_like(values, len(state))
    return state


@pytest.mark.parametrize("name", ["stm_resnet18", "stm_resnet50", "resnet50"])
def test_a_torchvision_checkpoint_loads_by_name(name, tmp_path):
    backbone = create_model(name, layers=(2, 1, 1, 1), width=16, size=32).backbone
    state = torchvision_state(backbone)
    for known in ("conv1.weight", "layer1.1.conv2.weight", "layer2.0.bn1.bias", "layer4.0.downsample.1.running_var"):
        assert known in state
    torch.save(state, tmp_path / "resnet.pth")
    new = load_pretrained(backbone, tmp_path / "resnet.pth")
    assert all(".temporal." in array or ".motion." in array for array in new)
    assert bool(new) == name.startswith("stm")
    own = backbone.state_dict()
    assert (own["stem.0.weight"] == state["conv1.weight"][0, 0, 0, 0]).all()
    assert (own["stages.0.1.mix.spatial.0.weight"] == state["layer1.1.conv2.weight"][0, 0, 0, 0]).all()
    assert (own["stages.3.0.downsample.1.running_var"] == state["layer4.0.downsample.1.running_var"][0]).all()


def test_half_a_checkpoint_is_refused(tmp_path):
    small = {"layers": (1, 1, 1, 1), "width": 16}
    state = torchvision_state(create_model("stm_resnet50", **small).backbone)
    del state["layer3.0.conv2.weight"]
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(FacetellError, match="1 are absent"):
        create_model("stm_resnet50", **small, pretrained=tmp_path / "half.pth")
    with pytest.raises(FacetellError, match="not a checkpoint of this network"):
        create_model("lite0", pretrained=tmp_path / "half.pth")
    (tmp_path / "empty.pth").touch()
    for path in ("empty.pth", "none.pth"):
        with pytest.raises(FacetellError, match="cannot be read"):
            create_model("stm_resnet50", pretrained=tmp_path / path)

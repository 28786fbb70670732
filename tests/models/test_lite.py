"""EfficientNet-Lite: the ImageNet start is the published network, and motion sits where it should."""

from pathlib import Path

import cv2
import pytest
import torch
from sklearn import datasets

from facetell.assets import locate
from facetell.models.blocks import CSTM
from facetell.models.lite import SameConv2d
from facetell.models.zoo import create_model

PALACE, DAISY = 698, 985


@pytest.mark.parametrize(("name", "label"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_the_imagenet_start_classifies_photos(name, label):
    reference = torch.load(locate("imagenet_lite0"), weights_only=True)
    model = create_model("lite0", "none", "none", 1, num_classes=1000, pretrained=True, temporal="none").eval()
    model.classifier.load_state_dict({"weight": reference["_fc.weight"], "bias": reference["_fc.bias"]})
    image = cv2.imread(str(Path(datasets.__file__).parent / "images" / name))[..., ::-1]
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    crop = cv2.resize(image[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    clip = torch.from_numpy(crop).permute(2, 0, 1)[None, None].float() / 255
    with torch.no_grad():
        assert model(clip).logit.argmax().item() == label


def test_motion_and_time_do_not_disturb_the_start_on_a_still_clip():
    """With the shift undone, a network with new motion blocks has the logits of the plain one."""
    plain = create_model("lite0", "none", "none", 4, 64, pretrained=True, temporal="none").eval()
    moving = create_model("lite0", "mcb", "none", 4, 64, pretrained=True).eval()
    for module in moving.modules():
        if isinstance(module, CSTM):
            torch.nn.init.constant_(module.weight, 0).data[:, 0, 1] = 1
    moving.classifier.load_state_dict(plain.classifier.state_dict())
    clip = torch.rand(1, 4, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(moving(clip).logit, plain(clip).logit)


@pytest.mark.parametrize(("size", "kernel", "offset"), [(8, 3, 1), (9, 3, 0), (8, 5, 1), (9, 5, 0)])
def test_the_offset_is_where_the_first_output_is_centred(size, kernel, offset):
    conv = SameConv2d(1, 1, kernel, 2, bias=False)
    torch.nn.init.dirac_(conv.weight)
    x = torch.arange(size * size, dtype=torch.float32).view(1, 1, size, size)
    assert conv.offset(size) == offset
    torch.testing.assert_close(conv(x), x[..., offset::2, offset::2])


def test_whole_clips_are_dropped_not_frames():
    torch.manual_seed(3)
    block = create_model("lite0", "none", "none", 4, 64, drop_path=0.5).backbone.blocks[14].train()
    x = torch.randn(8 * 4, 192, 2, 2)
    passed = (block(x, 4) == x).flatten(1).all(dim=1).view(8, 4)
    assert passed.any() and not passed.all()
    assert (passed.all(dim=1) == passed.any(dim=1)).all()

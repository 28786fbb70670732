"""Two streams: what each of them sees, and that fusing sums logits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from facetell.models.fuse import fuse
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError

NARROW = {"width": 0.25, "depth": 0.5}
Clips = Callable[..., Tensor]
Enliven = Callable[[ClipNetwork], ClipNetwork]


def spatial(**changes: object) -> ClipNetwork:
    arguments = {"motion": "none", "temporal": "none", "clip_frames": 1, "size": 32, **NARROW, **changes}
    return create_model("lite0", **arguments)  # type: ignore[arg-type]


def temporal(**changes: object) -> ClipNetwork:
    arguments = {"motion": "mcb", "clip_frames": 5, "size": 32, "motion_blocks": [2, 4], **NARROW, **changes}
    return create_model("lite0", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_logit_is_the_weighted_sum_of_both(every: int, some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial()), enliven(temporal())
    clips = some_clips(3, 5, 32)
    with torch.no_grad():
        both = fuse(one, other, (1.0, 0.5), spatial_every=every)(clips).logit
        # Each picture seen stands for those around it: its logit counts as often as there are such.
        middles = [min(t // every * every + every // 2, 4) for t in range(5)]
        seen = torch.stack([one(clips[:, t : t + 1]).logit for t in middles])
        want = seen.mean(dim=0) + 0.5 * other(clips).logit
    assert want.std() > 1e-3
    torch.testing.assert_close(both, want, atol=1e-5, rtol=1e-5)


def test_the_temporal_stream_may_see_less_detail(some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial(size=64)), enliven(temporal())
    clips = some_clips(2, 5, 64)
    small = torch.nn.functional.interpolate(clips.flatten(0, 1), size=(32, 32), mode="bilinear")
    with torch.no_grad():
        model = fuse(one, other, spatial_every=1, temporal_size=32)
        want = one(clips).logit + other(small.unflatten(0, (2, 5))).logit
        torch.testing.assert_close(model(clips).logit, want, atol=1e-5, rtol=1e-5)
    assert (model.config.size, model.config.clip_frames) == (64, 5)


def test_temporal_kernels_of_a_spatial_network_become_their_sums(some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial(temporal="cstm", clip_frames=5, motion_blocks=[2, 4])), enliven(temporal())
    for name, parameter in one.named_parameters():
        if name.endswith("temporal.weight"):
            torch.nn.init.normal_(parameter, mean=0.4, std=0.2)
    clips = some_clips(2, 5, 32)[:, :1].repeat(1, 9, 1, 1, 1)
    with torch.no_grad():
        apart = fuse(one, other, (1.0, 0.0), spatial_every=1)(clips[:, :1]).logit
        frames = (clips.flatten(0, 1) - one.mean) / one.std
        _, features = one.backbone(frames, 9)
        # The middle one of nine equal frames: two blocks and more from the zeros at the ends of the clip.
        middle = one.classifier(features.unflatten(0, (2, 9))[:, 4]).squeeze(1)
    assert middle.std() > 1e-3
    torch.testing.assert_close(apart, middle, atol=1e-4, rtol=1e-4)


def test_what_the_streams_see(some_clips: Clips, enliven: Enliven) -> None:
    model = enliven(create_model("lite0_two_stream", clip_frames=4, size=32, spatial_every=2, **NARROW))
    clips = some_clips(1, 4, 32)
    backbone = model.backbone
    with torch.no_grad():
        frames = (clips.flatten(0, 1) - model.mean) / model.std
        deep, _ = backbone(frames, 4)
        changed = frames.clone()
        changed[2] = 0
        after, _ = backbone(changed, 4)
    channels = backbone.spatial_stream.deep_channels
    assert torch.equal(deep[:, :channels], after[:, :channels]), "the spatial stream sees every second frame alone"
    assert torch.equal(deep[0, :channels], deep[1, :channels])
    assert not torch.equal(deep[:, channels:], after[:, channels:])
    assert model.architecture["spatial_every"] == 2
    assert len(backbone.layers()) == len(backbone.temporal_stream.layers())


def test_imagenet_fills_both_streams(some_clips: Clips) -> None:
    model = create_model("lite0_two_stream", pretrained=True)
    start = create_model("lite0", "none", pretrained=True, temporal="none").backbone.state_dict()
    for stream in (model.backbone.spatial_stream, model.backbone.temporal_stream):
        own = stream.state_dict()
        assert all(torch.equal(own[name], values) for name, values in start.items())


@pytest.mark.parametrize("weights", [(float("nan"), 1.0), (float("inf"), 1.0), (0.0, 0.0)])
def test_weights_that_score_nothing_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(FacetellError, match="the weights of the two logits"):
        fuse(spatial(), temporal(), weights)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"spatial_every": 0}, "spatial_every is a whole number of at least 1, not 0"),
        ({"spatial_every": 2.5}, "not 2.5"),
        ({"temporal_size": 16}, "temporal_size is a whole number of at least 32, not 16"),
        ({"temporal_size": "x"}, "not 'x'"),
    ],
)
def test_overrides_out_of_range_are_refused(override: dict[str, object], says: str) -> None:
    with pytest.raises(FacetellError) as error:
        create_model("lite0_two_stream", **override)  # type: ignore[arg-type]
    assert says in str(error.value)


def test_the_temporal_stream_sees_the_size_it_was_built_for() -> None:
    assert fuse(spatial(size=64), temporal()).architecture["temporal_size"] == 32


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (temporal(), temporal(), "must be a 'lite0' built with motion=none, not a 'lite0' with motion=mcb"),
        (spatial(num_classes=2), temporal(), "differ in num_classes (2, 1)"),
        (spatial(width=0.5), temporal(), "differ in width (0.5, 0.25)"),
        (spatial(), temporal(motion="none"), "the temporal stream must have motion modules"),
        (
            spatial(),
            create_model("stm_resnet18", size=32, width=16, layers=(1, 1, 1, 1)),
            "two 'stm_resnet18' cannot be fused",
        ),
    ],
)
def test_what_does_not_fit_is_refused(one: ClipNetwork, other: ClipNetwork, says: str) -> None:
    with pytest.raises(FacetellError) as error:
        fuse(one, other)
    assert says in str(error.value)

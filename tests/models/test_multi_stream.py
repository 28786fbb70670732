"""Several streams: what each of them sees, how their words are put together, and how trained networks are fused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from facetell.models.classifier import noisy_or
from facetell.models.fuse import fuse, mean_of, stream_of
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError

NARROW = {"width": 0.25, "depth": 0.5}
MOVING = {"motion_blocks": [2, 4], **NARROW}
Clips = Callable[..., Tensor]
Enliven = Callable[[ClipNetwork], ClipNetwork]


def spatial(**changes: object) -> ClipNetwork:
    arguments = {"motion": "none", "temporal": "none", "clip_frames": 1, "size": 32, **NARROW, **changes}
    return create_model("lite0", **arguments)  # type: ignore[arg-type]


def temporal(**changes: object) -> ClipNetwork:
    arguments = {"motion": "mcb", "clip_frames": 5, "size": 32, **MOVING, **changes}
    return create_model("lite0", **arguments)  # type: ignore[arg-type]


def whole(*streams: dict[str, object], size: int = 32, **more: object) -> ClipNetwork:
    """Each stream a witness of its own, where it does not say whose it is."""
    told = [{"witness": number, **stream} for number, stream in enumerate(streams)]
    return create_model("lite0_multi_stream", clip_frames=5, size=size, streams=told, **{**MOVING, **more}).eval()


def test_any_witness_may_tell() -> None:
    """The probability of genuine is the product of what each gives it, wherever on the scale they stand."""
    logits = torch.tensor([[0.0, 0.0, 0.0], [2.0, -1.0, 0.5], [-9.0, -8.0, -7.0]], dtype=torch.float64)
    genuine = (1 - torch.sigmoid(logits)).prod(dim=1)
    torch.testing.assert_close(torch.sigmoid(noisy_or(logits)).squeeze(1), 1 - genuine)
    far = torch.tensor([[40.0, -60.0], [-60.0, -60.0], [80.0, 80.0]])
    told = noisy_or(far).squeeze(1)
    torch.testing.assert_close(told, torch.tensor([40.0, -60.0 + 0.693147, 160.0]))
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(noisy_or(logits[:, order]), noisy_or(logits))
    torch.testing.assert_close(noisy_or(logits[:, :1]), logits[:, :1])


@pytest.mark.parametrize(
    ("every", "middles"), [(1, [0, 1, 2, 3, 4]), (2, [1, 1, 3, 3, 4]), (3, [1, 1, 1, 4, 4]), (8, [2] * 5)]
)
def test_the_logit_is_the_noisy_or_of_all(every: int, middles: list[int], some_clips: Clips, enliven: Enliven) -> None:
    one, other, third = enliven(spatial()), enliven(temporal()), enliven(temporal())
    for network, bias in ((one, 0.4), (other, -0.3), (third, 0.1)):
        nn.init.normal_(network.classifier.weight, std=0.3)  # no two alike
        nn.init.constant_(network.classifier.bias, bias)
    clips = some_clips(3, 5, 32)
    both = whole({"kind": "spatial", "every": every}, {"kind": "temporal"}, {"kind": "temporal"})
    fuse(both, [one, other, third])
    with torch.no_grad():
        # Each picture seen stands for those around it: its logit counts as often as there are such.
        seen = torch.stack([one(clips[:, t : t + 1]).logit for t in middles]).mean(dim=0)
        want = noisy_or(torch.stack([seen, other(clips).logit, third(clips).logit], dim=1)).squeeze(1)
        assert want.std() > 1e-3
        torch.testing.assert_close(both(clips).logit, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("witnesses", [(0, 0, 0), (0, 0, 1), (0, 1, 1)])
def test_logits_of_one_witness_are_summed(witnesses: tuple[int, ...], some_clips: Clips, enliven: Enliven) -> None:
    networks = [enliven(temporal()) for _ in witnesses]
    for network, bias in zip(networks, (0.4, -0.3, 0.1), strict=True):
        nn.init.normal_(network.classifier.weight, std=0.3)
        nn.init.constant_(network.classifier.bias, bias)
    model = whole(*({"kind": "temporal", "witness": witness} for witness in witnesses))
    fuse(model, networks)
    clips = some_clips(3, 5, 32)
    with torch.no_grad():
        said = [network(clips).logit for network in networks]
        of_each = [sum(s for s, w in zip(said, witnesses, strict=True) if w == n) for n in range(witnesses[-1] + 1)]
        want = noisy_or(torch.stack(of_each, dim=1)).squeeze(1)
        torch.testing.assert_close(model(clips).logit, want, atol=1e-5, rtol=1e-5)


def test_a_stream_may_see_less_detail(some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial(size=64)), enliven(temporal())
    clips = some_clips(2, 5, 64)
    small = torch.nn.functional.interpolate(clips.flatten(0, 1), size=(32, 32), mode="bilinear")
    model = whole({"kind": "spatial"}, {"kind": "temporal", "size": 32}, size=64)
    fuse(model, [one, other])
    with torch.no_grad():
        parts = torch.stack([one(clips).logit, other(small.unflatten(0, (2, 5))).logit], dim=1)
        torch.testing.assert_close(model(clips).logit, noisy_or(parts).squeeze(1), atol=1e-5, rtol=1e-5)
        motion = model(clips, with_motion=True).motion
        own = other(small.unflatten(0, (2, 5)), with_motion=True).motion
    torch.testing.assert_close(motion, own, atol=1e-5, rtol=1e-5)


def test_a_temporal_stream_may_see_fewer_frames(some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial()), enliven(temporal())
    model = whole({"kind": "spatial"}, {"kind": "temporal", "every": 2})
    fuse(model, [one, other])
    clips = some_clips(2, 8, 32)
    with torch.no_grad():
        seen = torch.stack([one(clips[:, t : t + 1]).logit for t in range(8)]).mean(dim=0)
        fewer = other(clips[:, 1::2], with_motion=True)
        got = model(clips, with_motion=True)
    want = noisy_or(torch.stack([seen, fewer.logit], dim=1)).squeeze(1)
    torch.testing.assert_close(got.logit, want, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got.motion, fewer.motion.repeat_interleave(2, dim=1), atol=1e-6, rtol=1e-5)


def test_motion_maps_of_streams_of_several_sizes_lie_on_the_finest_grid(some_clips: Clips, enliven: Enliven) -> None:
    coarse, fine = {"kind": "temporal", "size": 32}, {"kind": "temporal"}
    for order in ((coarse, fine), (fine, coarse)):
        model = enliven(whole(*order, size=64))
        with torch.no_grad():
            assert model(some_clips(1, 5, 64), with_motion=True).motion.shape == (1, 5, 8, 8)


def test_temporal_kernels_of_a_spatial_network_become_their_sums(some_clips: Clips, enliven: Enliven) -> None:
    one, other = enliven(spatial(temporal="cstm", clip_frames=5, motion_blocks=[2, 4])), enliven(temporal())
    for name, parameter in one.named_parameters():
        if name.endswith("temporal.weight"):
            torch.nn.init.normal_(parameter, mean=0.4, std=0.2)
    clips = some_clips(2, 5, 32)[:, :1].repeat(1, 9, 1, 1, 1)
    model = whole({"kind": "spatial"}, {"kind": "temporal"})
    fuse(model, [one, other])
    with torch.no_grad():
        _, features = model.backbone((clips[:, 0] - one.mean) / one.std, 1)
        apart = model.classifier.logits(features)[:, 0]
        frames = (clips.flatten(0, 1) - one.mean) / one.std
        _, features = one.backbone(frames, 9)
        # The middle one of nine equal frames: two blocks and more from the zeros at the ends of the clip.
        middle = one.classifier(features.unflatten(0, (2, 9))[:, 4]).squeeze(1)
    assert middle.std() > 1e-3
    torch.testing.assert_close(apart, middle, atol=1e-4, rtol=1e-4)


def test_what_the_streams_see(some_clips: Clips, enliven: Enliven) -> None:
    model = enliven(whole({"kind": "spatial", "every": 2}, {"kind": "temporal"}))
    clips = some_clips(1, 4, 32)
    backbone = model.backbone
    with torch.no_grad():
        frames = (clips.flatten(0, 1) - model.mean) / model.std
        deep, _ = backbone(frames, 4)
        changed = frames.clone()
        changed[2] = 0
        after, _ = backbone(changed, 4)
    channels = backbone.streams[0].deep_channels
    assert torch.equal(deep[:, :channels], after[:, :channels]), "the spatial stream sees every second frame alone"
    assert torch.equal(deep[0, :channels], deep[1, :channels])
    assert not torch.equal(deep[:, channels:], after[:, channels:])
    assert len(backbone.layers()) == len(backbone.streams[1].layers())
    # What the defaults add is kept with the weights, in words that a file can hold.
    assert json.loads(json.dumps(model.architecture))["streams"] == [
        {"kind": "spatial", "every": 2, "size": None, "witness": 0},
        {"kind": "temporal", "every": 1, "size": None, "witness": 1},
    ]


def test_streams_say_even_odds_together_before_they_have_learnt(some_clips: Clips) -> None:
    model = whole({"kind": "spatial"}, {"kind": "temporal"}, {"kind": "temporal"})
    assert model.classifier.bias.shape == (3,)
    torch.nn.init.zeros_(model.classifier.weight)
    with torch.no_grad():
        assert model(some_clips(2, 4, 32)).logit.abs().max() < 1e-6


def test_imagenet_fills_all_streams() -> None:
    model = create_model("lite0_multi_stream", pretrained=True)
    start = create_model("lite0", "none", pretrained=True, temporal="none").backbone.state_dict()
    assert len(model.backbone.streams) == 2
    for stream in model.backbone.streams:
        own = stream.state_dict()
        assert all(torch.equal(own[name], values) for name, values in start.items())


@pytest.mark.parametrize(
    ("streams", "says"),
    [
        ([{"kind": "spatial", "every": 0}, {"kind": "temporal"}], "every is a whole number of at least 1, not 0"),
        ([{"kind": "spatial", "every": 2.5}, {"kind": "temporal"}], "not 2.5"),
        ([{"kind": "temporal", "size": 16}], "a stream's size is a whole number of at least 32, not 16"),
        ([{"kind": "temporal", "size": "x"}], "not 'x'"),
        ([{"kind": "optical"}], "a stream's kind is spatial or temporal, not 'optical'"),
        ([{"kind": "spatial", "every": True}, {"kind": "temporal"}], "not True"),
        ([{"kind": "spatial"}], "none of the streams is temporal"),
        ([], "has at least one"),
        (
            [{"kind": "temporal", "witness": 1}],
            "the witnesses of the streams are numbered from 0 on, in order, not [1]",
        ),
        ([{"kind": "temporal", "witness": 1}, {"kind": "temporal"}], "in order, not [1, 0]"),
        ([{"kind": "temporal"}, {"kind": "temporal", "witness": 2}], "in order, not [0, 2]"),
        ([{"kind": "temporal", "witness": None}], "a stream's witness is a whole number of at least 0, not None"),
        ([{"kind": "temporal", "sise": 64}], "streams are a list of tables"),
        (["temporal"], "streams are a list of tables"),
        (3, "streams are a list of tables"),
    ],
)
def test_streams_that_make_no_sense_are_refused(streams: object, says: str) -> None:
    with pytest.raises(FacetellError) as error:
        create_model("lite0_multi_stream", streams=streams)
    assert says in str(error.value)


def test_a_witness_may_have_to_pass_a_level(some_clips: Clips, enliven: Enliven) -> None:
    networks = [enliven(temporal()) for _ in range(2)]
    model = whole({"kind": "temporal"}, {"kind": "temporal"})
    fuse(model, networks, gains=[1.0, 2.5], levels=[0.0, 0.75])
    x = some_clips(2, 5, 32)
    one, other = (network(x).logit for network in networks)
    expected = noisy_or(torch.stack([one, 2.5 * (other - 0.75)], dim=1))[:, 0]
    assert torch.allclose(model(x).logit, expected, atol=1e-5)
    for wrong in ({"gains": [1.0]}, {"gains": [1.0, 0.0]}, {"levels": [1.0, 1.0, 1.0]}):
        with pytest.raises(FacetellError, match="for each of 2 networks, or for none"):
            fuse(model, networks, **wrong)


def test_spatial_streams_alone_are_trained_without_motion(some_clips: Clips, enliven: Enliven) -> None:
    shapes = {"kind": "spatial", "every": 2}, {"kind": "spatial", "size": 32, "witness": 0}
    model = enliven(whole(*shapes, motion="none"))
    clips = some_clips(2, frames=5, size=32)
    assert model(clips).motion is None
    again = create_model(**model.architecture, anomaly="none")
    fuse(again, [stream_of(model, 1), stream_of(model, 2)])
    torch.testing.assert_close(again.eval()(clips).logit, model(clips).logit)


def test_streams_taken_out_and_fused_again_make_the_same_network(some_clips: Clips, enliven: Enliven) -> None:
    shapes = (
        {"kind": "spatial", "every": 4},
        {"kind": "temporal", "size": 32, "witness": 0},
        {"kind": "temporal", "witness": 1},
    )
    model = enliven(whole(*shapes))
    nn.init.normal_(model.classifier.weight, std=0.3)
    model.classifier.bias.data[:] = torch.tensor([0.7, -0.2])
    again = whole(*shapes)
    fuse(again, [stream_of(model, number) for number in (1, 2, 3)])
    clips = some_clips(2, frames=5, size=32)
    torch.testing.assert_close(again(clips).logit, model(clips).logit)
    for number, says in ((0, "has no stream 0: it has 3"), (4, "has no stream 4")):
        with pytest.raises(FacetellError, match=says):
            stream_of(model, number)
    with pytest.raises(FacetellError, match="tells 3 classes"):
        stream_of(whole(*shapes, num_classes=3), 1)
    for number, seen in (
        (1, clips[:, [2, 4]]),
        (3, clips),
    ):  # of five frames, the middle ones of the first four and of the rest
        alone = stream_of(model, number)
        again = create_model(**alone.architecture, anomaly="none")  # type: ignore[arg-type]
        again.load_state_dict(alone.state_dict())
        torch.testing.assert_close(again.eval()(seen).logit, alone(seen).logit)
        assert alone.config.clip_frames == seen.shape[1]
    with pytest.raises(FacetellError, match="'lite0' has no stream 1: it has none"):
        stream_of(temporal(), 1)


def test_the_mean_of_networks_has_the_mean_of_their_weights(enliven: Enliven) -> None:
    one, other = enliven(temporal()), enliven(temporal())
    before = {name: values.clone() for name, values in one.state_dict().items()}
    mean = mean_of([one, other]).state_dict()
    theirs = other.state_dict()
    for name, values in before.items():
        assert torch.equal(one.state_dict()[name], values)
        averaged = values.is_floating_point() and not name.startswith("anomaly.")
        want = (values + theirs[name]) / 2 if averaged else values
        torch.testing.assert_close(mean[name], want)
    for strange in (spatial(), temporal(motion="cmm"), temporal(separate_kernels=False)):
        with pytest.raises(FacetellError, match="number 2 is another"):
            mean_of([one, strange])
    with pytest.raises(FacetellError, match="number 2 is another"):
        mean_of([whole({"kind": "temporal"}), whole({"kind": "temporal", "every": 2})])


def test_what_is_misspelt_is_refused_though_no_stream_takes_it() -> None:
    with pytest.raises(FacetellError, match="unexpected argument 'droppath'"):
        whole({"kind": "spatial"}, motion="none", droppath=0.3)


def test_networks_of_the_same_arrays_need_not_fit() -> None:
    shared = {"separate_kernels": False, "separate_restore": False}
    model = whole({"kind": "spatial"}, {"kind": "temporal"}, **shared)
    fuse(model, [spatial(), temporal(**shared, temporal="cstm", time_padding="zeros")])  # defaults, written out
    with pytest.raises(FacetellError, match="which is temporal: they differ in 'blocks"):
        fuse(model, [spatial(), temporal(motion="cmm")])


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        ([temporal(), temporal()], "network 1 (name=lite0, motion=mcb"),
        ([spatial(), spatial()], "does not fit stream 2, which is temporal: they differ in 'blocks.2."),
        ([spatial(width=0.5), temporal()], "does not fit stream 1, which is spatial: they differ in 'blocks."),
        ([spatial(num_classes=2), temporal()], "does not fit stream 1, which is spatial;"),
        ([spatial(), temporal(motion="cmm")], "does not fit stream 2"),
        ([spatial(), temporal(), temporal()], "there are 2 streams, but networks for 3; give one each"),
        (
            [spatial(), temporal(time_padding="repeat")],
            "which is temporal: they differ in 'blocks.2.",
        ),
        ([spatial(temporal="tsm", motion_blocks=[2, 4]), temporal()], "which is spatial: they differ in 'blocks.2."),
    ],
)
def test_what_does_not_fit_is_refused(networks: list[ClipNetwork], says: str) -> None:
    model = whole({"kind": "spatial"}, {"kind": "temporal"})
    before = {name: values.clone() for name, values in model.state_dict().items()}
    with pytest.raises(FacetellError) as error:
        fuse(model, networks)
    assert says in str(error.value)
    assert all(torch.equal(before[name], values) for name, values in model.state_dict().items())
    with pytest.raises(FacetellError, match="'lite0' has no streams"):
        fuse(temporal(), networks)

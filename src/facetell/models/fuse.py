"""Trained networks put into the streams of one, and taken out of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from facetell.models.blocks import CSTM, differences
from facetell.models.classifier import NoisyOr
from facetell.models.multi_stream import SPATIAL_SHAPE, MultiStream
from facetell.models.network import Backbone, ClipNetwork
from facetell.types import FacetellError

TEMPORAL, SPATIAL = ".temporal.weight", ".spatial.conv.weight"  # of a motion block: CSTM, then the depthwise kernel


def fuse(
    model: ClipNetwork, networks: Sequence[ClipNetwork], *, gains: Sequence[float] = (), levels: Sequence[float] = ()
) -> None:
    """Fill a network of several streams with trained ones, each of which then says of what its stream sees what it did.

    They may have been trained on other sizes, frame rates and lengths of clips. A network that learnt from as many
    forged clips as genuine ones still gives forged a third or so where it sees nothing, for it knows that it misses
    some; where any witness may tell, that drowns what others see. A level to be passed and a gain make it silent then.

    Args:
        model: to be filled; its AD block stays as it is.
        networks: trained, one for each stream, in their order. For a spatial stream one without motion modules; if it
            has temporal convolutions (CSTM), it is taken as it answers to a still picture.
        gains, levels: one for each network, whose logit then counts as gain (logit - level); by default 1 and 0.

    Raises:
        FacetellError: the model has no streams, they are of another number, or one is another network; nothing is
            filled then.
    """
    backbone, classifier = model.backbone, model.classifier
    if not isinstance(backbone, MultiStream) or model.num_classes != 1:
        raise FacetellError(f"'{model.config.name}' has no streams that tell forged from genuine; name one that has")
    if len(networks) != len(backbone.specs):
        raise FacetellError(f"there are {len(backbone.specs)} streams, but networks for {len(networks)}; give one each")
    gains, levels = gains or [1.0] * len(networks), levels or [0.0] * len(networks)
    if not len(gains) == len(levels) == len(networks) or not all(0 < gain < math.inf for gain in gains):
        raise FacetellError(f"gains (above 0) and levels are given for each of {len(networks)} networks, or for none")
    states: list[dict[str, Tensor]] = []
    heads: list[nn.Linear] = []
    for number, (spec, stream, network) in enumerate(zip(backbone.specs, backbone.streams, networks, strict=True), 1):
        spatial = spec.kind == "spatial"
        state = _still(network) if spatial else network.backbone.state_dict()
        wanted, given = _shapes(stream.state_dict()), _shapes(state)
        strange = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        built = network.architecture
        # A spatial stream has none of these modules, nor is CSTM left of its network.
        strange += [
            name
            for name, (_, its) in differences(stream, network.backbone).items()
            if not (spatial and its == CSTM.__name__)
        ]
        head = network.classifier
        if strange or not isinstance(head, nn.Linear) or head.out_features != 1:
            told = ", ".join(f"{key}={value}" for key, value in built.items())
            raise FacetellError(
                f"network {number} ({told}) does not fit stream {number}, which is {spec.kind}"
                + (f": they differ in '{strange[0]}'" if strange else "")
                + "; give a network without motion modules for a spatial stream, one with those of the whole for a "
                "temporal one"
            )
        states.append(state)
        heads.append(head)
    for stream, state in zip(backbone.streams, states, strict=True):
        stream.load_state_dict(state)
    assert isinstance(classifier, NoisyOr | nn.Linear)
    witnesses = [spec.witness for spec in backbone.specs]
    with torch.no_grad():
        weights = [gain * head.weight for gain, head in zip(gains, heads, strict=True)]
        biases = [gain * (head.bias - level) for gain, level, head in zip(gains, levels, heads, strict=True)]
        classifier.weight.copy_(torch.cat(weights, dim=1))
        classifier.bias.zero_().index_add_(0, torch.tensor(witnesses), torch.cat(biases))


def stream_of(model: ClipNetwork, number: int) -> ClipNetwork:
    """One stream of a network of several as a network of its own, to be fused with others.

    It takes the frames that the stream sees. Its logit is what the stream gives its witness; streams that share one
    share the bias alike.

    Args:
        model: its stream is shared, not copied.
        number: of the stream, from 1 on.

    Raises:
        FacetellError: there is no such stream, or the network does not tell forged from genuine.
    """
    backbone, classifier, whole = model.backbone, model.classifier, model.config
    if not isinstance(backbone, MultiStream) or not 1 <= number <= len(backbone.specs):
        count = len(backbone.specs) if isinstance(backbone, MultiStream) else 0
        raise FacetellError(f"'{whole.name}' has no stream {number}: it has {count or 'none'}")
    if model.num_classes != 1:
        raise FacetellError(
            f"'{whole.name}' tells {model.num_classes} classes, not forged from genuine; name one that does"
        )
    stream, spec = backbone.streams[number - 1], backbone.specs[number - 1]
    assert isinstance(stream, Backbone) and isinstance(classifier, NoisyOr | nn.Linear)
    config = replace(
        whole,
        name=whole.name.removesuffix("_multi_stream"),
        clip_frames=-(-whole.clip_frames // spec.every),
        frame_rate=whole.frame_rate / spec.every,
        size=spec.size or whole.size,
    )
    network = ClipNetwork(config, stream, anomaly="none")
    built = {key: value for key, value in model.architecture.items() if key != "streams"}
    if spec.kind == "spatial":
        kept = ("num_classes", *SPATIAL_SHAPE)
        built = {key: value for key, value in built.items() if key in kept} | {"motion": "none", "temporal": "none"}
    network.architecture = {**built, "name": config.name, "clip_frames": config.clip_frames, "size": config.size}
    first = sum(part.feature_channels for part in backbone.streams[: number - 1])  # type: ignore[misc]
    sharing = sum(other.witness == spec.witness for other in backbone.specs)
    assert isinstance(network.classifier, nn.Linear)
    with torch.no_grad():
        network.classifier.weight.copy_(classifier.weight[:, first : first + stream.feature_channels])
        network.classifier.bias.copy_(classifier.bias[spec.witness : spec.witness + 1] / sharing)
    return network.eval()


def mean_of(networks: Sequence[ClipNetwork]) -> ClipNetwork:
    """The network whose weights are the mean of those of several that come from one start.

    Trained on and averaged with what it was before, a network keeps more of what that knew of other footage
    (arXiv 2109.01903, WiSE-FT). The AD block is the first one's.

    Raises:
        FacetellError: they are not of one kind.
    """
    first = networks[0]
    for number, other in enumerate(networks[1:], 2):
        strange = sorted(differences(first.backbone, other.backbone))
        seen = [network.backbone.decided.get("streams") for network in (first, other)]
        if strange or seen[0] != seen[1] or _shapes(_weights(first)) != _shapes(_weights(other)):
            where = f" (they differ in '{strange[0]}')" if strange else ""
            raise FacetellError(
                f"the mean of networks needs networks of one kind, and number {number} is another{where}"
            )
    states = [_weights(network) for network in networks]
    mean = deepcopy(first)
    for name, values in _weights(mean).items():
        if values.is_floating_point():
            values.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return mean


def _weights(network: ClipNetwork) -> dict[str, Tensor]:
    """All but those of the AD block, which model files leave out."""
    return {name: values for name, values in network.state_dict().items() if not name.startswith("anomaly.")}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in state.items()}


def _still(network: ClipNetwork) -> dict[str, Tensor]:
    """The backbone's state without temporal convolutions, to answer one picture as before a still clip.

    Of equal frames CSTM makes the same frames times the sum of each channel's kernel, which the depthwise convolution
    behind it can do as well.
    """
    state = network.backbone.state_dict()
    for name in [name for name in state if name.endswith(TEMPORAL)]:
        gain = state.pop(name).sum(dim=2)[:, :, None]  # (C, 1, 3, 1) to (C, 1, 1, 1)
        convolution = f"{name.removesuffix(TEMPORAL)}{SPATIAL}"
        state[convolution] = state[convolution] * gain
    return state

"""Trained networks put into the streams of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facetell.models.classifier import NoisyOr
from facetell.models.multi_stream import MultiStream
from facetell.models.network import ClipNetwork
from facetell.types import FacetellError

TEMPORAL, SPATIAL = ".temporal.weight", ".spatial.conv.weight"  # of a motion block: CSTM, then the depthwise kernel


def fuse(model: ClipNetwork, networks: Sequence[ClipNetwork]) -> None:
    """Fill a network of several streams: its logit is the noisy-or of what ``networks`` say.

    Args:
        model: to be filled; its AD block stays as it is.
        networks: trained, one for each stream, in their order. For a spatial stream one without motion modules; if it
            has temporal convolutions (CSTM), it is taken as it answers to a still picture.

    Raises:
        FacetellError: the model has no streams, they are of another number, or one is another network.
    """
    backbone, classifier = model.backbone, model.classifier
    if not isinstance(backbone, MultiStream) or not isinstance(classifier, NoisyOr):
        raise FacetellError(f"'{model.config.name}' has no streams that tell forged from genuine; name one that has")
    if len(networks) != len(backbone.seen):
        raise FacetellError(f"there are {len(backbone.seen)} streams and {len(networks)} networks; give one for each")
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    for number, (stream, own, network) in enumerate(zip(backbone.seen, backbone.streams, networks, strict=True), 1):
        state = _still(network) if stream.kind == "spatial" else network.backbone.state_dict()
        wanted = {name: values.shape for name, values in own.state_dict().items()}
        strange = sorted(name for name in wanted.keys() | state.keys() if wanted.get(name) != _shape(state.get(name)))
        head = network.classifier
        if strange or not isinstance(head, nn.Linear) or head.out_features != 1:
            built = ", ".join(f"{key}={value}" for key, value in network.architecture.items())
            raise FacetellError(
                f"network {number} ({built}) does not fit stream {number}, which is {stream.kind}"
                + (f": '{strange[0]}' is not in both of them, alike" if strange else "")
                + "; give a network without motion modules for a spatial stream, one with those of the whole for a "
                "temporal one"
            )
        own.load_state_dict(state)
        weights.append(head.weight)
        biases.append(head.bias)
    with torch.no_grad():
        classifier.weight.copy_(torch.cat(weights, dim=1))
        classifier.bias.copy_(torch.cat(biases))


def _shape(values: Tensor | None) -> torch.Size | None:
    return None if values is None else values.shape


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

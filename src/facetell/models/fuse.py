"""Two trained networks made one of two streams."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facetell.models.network import ClipNetwork
from facetell.models.two_stream import TwoStreams
from facetell.models.zoo import create_model, list_models
from facetell.types import FacetellError

TEMPORAL, SPATIAL = ".temporal.weight", ".spatial.conv.weight"  # of a motion block: CSTM, then the depthwise kernel


def fuse(
    spatial: ClipNetwork,
    temporal: ClipNetwork,
    weights: tuple[float, float] = (1.0, 1.0),
    *,
    spatial_every: int = 4,
    temporal_size: int | None = None,
) -> ClipNetwork:
    """The network whose logit is the weighted sum of two networks' logits, each at the size that it is shown.

    Args:
        spatial: is to see single pictures: built with ``motion="none"``. With temporal convolutions (CSTM) it is taken
            as it answers to a still picture.
        temporal: of the same kind, with motion modules.
        weights: of the logits of the two.
        spatial_every, temporal_size: see :class:`facetell.models.two_stream.TwoStreams`; the size is by default the one
            that ``temporal`` was built for.

    Returns:
        In evaluation mode, without AD block; its input is of the spatial network's size.

    Raises:
        FacetellError: the two do not fit together, there is no such network of two streams, or an argument is out of
            range.
    """
    whole, still = dict(temporal.architecture), dict(spatial.architecture)
    name = f"{whole['name']}_two_stream"
    if name not in list_models():
        raise FacetellError(f"two '{whole['name']}' cannot be fused; there is no network '{name}'")
    if (still["name"], still["motion"]) != (whole["name"], "none"):
        raise FacetellError(
            f"the spatial stream must be a '{whole['name']}' built with motion=none, not a '{still['name']}' with "
            f"motion={still['motion']}"
        )
    if whole["motion"] == "none":
        raise FacetellError("the temporal stream must have motion modules; give one built with motion=mcb or cmm")
    for key in ("num_classes", "width", "depth"):
        if still.get(key) != whole.get(key):
            raise FacetellError(
                f"the two networks differ in {key} ({still.get(key)}, {whole.get(key)}); fuse such that agree"
            )
    if not all(map(math.isfinite, weights)) or not any(weights):
        raise FacetellError(f"the weights of the two logits are numbers, not both 0; not {weights[0]} and {weights[1]}")
    if temporal_size is None and whole["size"] != still["size"]:
        temporal_size = int(str(whole["size"]))
    own = {"name": name, "anomaly": "none", "spatial_every": spatial_every, "temporal_size": temporal_size}
    model = create_model(**{**whole, **own, "size": still["size"]})  # type: ignore[arg-type]
    assert isinstance(model.backbone, TwoStreams)
    model.backbone.spatial_stream.load_state_dict(_still(spatial))
    model.backbone.temporal_stream.load_state_dict(temporal.backbone.state_dict())
    first, second = weights
    with torch.no_grad():
        parts = [spatial.classifier.weight * first, temporal.classifier.weight * second]
        model.classifier.weight.copy_(torch.cat(parts, dim=1))
        model.classifier.bias.copy_(spatial.classifier.bias * first + temporal.classifier.bias * second)
    return model.eval()


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

"""Two trained networks made one of two streams."""

from __future__ import annotations

import torch
from torch import Tensor

from facetell.models.network import ClipNetwork
from facetell.models.two_stream import STREAMS
from facetell.models.zoo import create_model, list_models
from facetell.types import FacetellError


def fuse(
    spatial: ClipNetwork,
    temporal: ClipNetwork,
    weights: tuple[float, float] = (1.0, 1.0),
    *,
    spatial_every: int = 4,
    temporal_size: int | None = None,
) -> ClipNetwork:
    """The network whose logit is the weighted sum of two networks' logits.

    Args:
        spatial: sees single pictures: built with ``motion="none", temporal="none"``.
        temporal: of the same kind, with motion modules.
        weights: of the logits of the two.
        spatial_every, temporal_size: see :class:`facetell.models.two_stream.TwoStreams`.

    Returns:
        In evaluation mode, without AD block; its input is of the spatial network's size.

    Raises:
        FacetellError: the two do not fit together, or there is no such network of two streams.
    """
    whole, still = dict(temporal.architecture), dict(spatial.architecture)
    name = f"{whole['name']}_two_stream"
    if name not in list_models():
        raise FacetellError(f"two '{whole['name']}' cannot be fused; there is no network '{name}'")
    if still["name"] != whole["name"] or (still["motion"], still.get("temporal")) != ("none", "none"):
        raise FacetellError(
            f"the spatial stream must be a '{whole['name']}' built with motion=none and temporal=none, not {still}"
        )
    if still["num_classes"] != whole["num_classes"]:
        raise FacetellError(
            f"one network tells {still['num_classes']} classes apart, the other {whole['num_classes']}; fuse such that "
            "agree"
        )
    own = {"name": name, "anomaly": "none", "spatial_every": spatial_every, "temporal_size": temporal_size}
    model = create_model(**{**whole, **own, "size": still["size"]})  # type: ignore[arg-type]
    state: dict[str, Tensor] = {}
    for stream, network in zip(STREAMS, (spatial, temporal), strict=True):
        state |= {f"backbone.{stream}.{key}": value for key, value in network.backbone.state_dict().items()}
    heads = list(zip((spatial.classifier, temporal.classifier), weights, strict=True))
    state["classifier.weight"] = torch.cat([head.weight.detach() * weight for head, weight in heads], dim=1)
    state["classifier.bias"] = torch.stack([head.bias.detach() * weight for head, weight in heads]).sum(dim=0)
    model.load_state_dict(state)
    return model.eval()

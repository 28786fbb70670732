"""The network that a run begins with."""

from __future__ import annotations

import torch

from facetell.models.export import continue_from
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model, pretrained_on
from facetell.train.config import TrainConfig
from facetell.types import FacetellError

PINNED = ("imagenet", "clip")


def starts_trained(config: TrainConfig) -> bool:
    """Whether the start is a trained model of the same network, motion modules and all."""
    return config.pretrained.endswith(".onnx")


def build_network(config: TrainConfig, pretrained: bool) -> ClipNetwork:
    """The network of a run, channels last; with the start that its configuration names if ``pretrained``.

    Raises:
        FacetellError: see :func:`facetell.models.zoo.create_model`; or the configuration names the pinned weights of
            another network.
    """
    start: bool | str = False
    trained = starts_trained(config)
    if pretrained and config.pretrained in PINNED:
        start = True
        if config.pretrained != pretrained_on(config.model):
            raise FacetellError(
                f"the weights of {config.model} are not pretrained on {config.pretrained}; "
                f"set pretrained={pretrained_on(config.model)}"
            )
    elif pretrained and config.pretrained and not trained:
        start = config.pretrained
    network = create_model(
        config.model,
        motion=config.motion or None,
        anomaly=config.anomaly,
        clip_frames=config.batch.clip_frames,
        size=config.batch.size,
        pretrained=start,
        frame_rate=config.batch.frame_rate,
        crop_scale=config.batch.crop_scale,
        **config.overrides,
    )
    if pretrained and trained:
        continue_from(network, config.pretrained)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network

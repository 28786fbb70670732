"""The network that a run begins with."""

from __future__ import annotations

import torch

from facetell.models.export import continue_from
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.train.config import TrainConfig


def starts_trained(config: TrainConfig) -> bool:
    """Whether the start is a trained model of the same network, motion modules and all."""
    return config.pretrained.endswith(".onnx")


def build_network(config: TrainConfig, pretrained: bool) -> ClipNetwork:
    """The network of a run, channels last; with the start that its configuration names if ``pretrained``."""
    start: bool | str = False
    trained = starts_trained(config)
    if pretrained and config.pretrained and not trained:
        start = True if config.pretrained == "imagenet" else config.pretrained
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

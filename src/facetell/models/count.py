"""How large a network is: parameters and multiply-adds, counted and not estimated."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from facetell.models.network import ClipNetwork


def parameters(model: ClipNetwork) -> int:
    """Number of trainable values, AD block included where the network has one."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: ClipNetwork) -> int:
    """Multiply-adds of all convolutions and matrix products for one clip of the network's own length and size.

    The network may live on the "meta" device: nothing is computed.
    """
    config = model.config
    device = next(model.parameters()).device
    clip = torch.zeros(1, config.clip_frames, 3, config.size, config.size, device=device)
    training = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(clip)
    model.train(training)
    return int(counter.get_total_flops()) // 2

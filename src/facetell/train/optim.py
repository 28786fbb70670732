"""Optimisers, the learning rate schedule, frozen modules, and the moving average of the weights."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import nn

from facetell.models.blocks import CMM, CSTM, MCB
from facetell.models.network import ClipNetwork
from facetell.train.config import OptimConfig, ScheduleConfig
from facetell.types import FacetellError


def new_parameters(model: ClipNetwork, trained: bool) -> set[int]:
    """Ids of the parameters without pretrained weights; none if the start is a ``trained`` model of this network."""
    return set() if trained else {id(model.get_parameter(name)) for name in model.new_parameter_names()}


def make_optimizer(model: ClipNetwork, config: OptimConfig, trained: bool = False) -> torch.optim.Optimizer:
    """AdamW or SGD over :func:`parameter_groups`."""
    groups = parameter_groups(model, config, trained)
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)


def parameter_groups(model: ClipNetwork, config: OptimConfig, trained: bool = False) -> list[dict[str, Any]]:
    """Trainable parameters in up to four groups: new or pretrained, with or without weight decay.

    Biases, norms and the kernels of motion modules that start as identities do not decay: their differences would
    cease to be differences. ``factor`` of a group multiplies its learning rate.
    """
    new = new_parameters(model, trained)
    identities = set()
    for module in model.modules():
        if isinstance(module, CSTM):
            identities.add(id(module.weight))
        elif isinstance(module, CMM):
            identities |= {id(module.kernel.weight)}
            identities |= {id(module.kernel2.weight)} if isinstance(module, MCB) else set()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[id(parameter) in new, parameter.ndim > 1 and id(parameter) not in identities].append(parameter)
    return [
        {
            "params": parameters,
            "factor": config.new_lr_factor if is_new else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (is_new, decays), parameters in groups.items()
    ]


def hold_still(model: ClipNetwork, config: OptimConfig, trained: bool = False) -> list[nn.Module]:
    """Modules that the caller keeps in evaluation mode: frozen layers, and norms with the statistics of the start.

    Frozen layers get no gradients; norms are trained on, with fixed statistics. Norms of new modules use those of the
    batch.

    Raises:
        FacetellError: the network has fewer layers, or a frozen one has parameters without pretrained weights.
    """
    layers, new = model.backbone.layers(), new_parameters(model, trained)
    if config.frozen > len(layers):
        raise FacetellError(f"optim.frozen={config.frozen}, but this network has {len(layers)} layers")
    still = layers[: config.frozen]
    for number, layer in enumerate(still):
        if any(id(p) in new for p in layer.parameters()):
            raise FacetellError(f"optim.frozen={config.frozen} includes layer {number}, which has an untrained module")
        layer.requires_grad_(False)
    if config.norms == "start":
        norms = (m for m in model.backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
        still += [norm for norm in norms if not any(id(p) in new for p in norm.parameters())]
    return still


def schedule(step: int, steps: int, config: ScheduleConfig) -> float:
    """Factor of the peak learning rate at ``step`` of ``steps``.

    >>> [schedule(s, 100, ScheduleConfig("step", warmup=2, milestones=(0.5,))) for s in (0, 1, 49, 50)]
    [0.5, 1.0, 1.0, 0.1]
    """
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.kind == "step":
        return float(config.gamma ** sum(step >= share * steps for share in config.milestones))
    done = min(1.0, (step - config.warmup) / max(1, steps - config.warmup))
    return config.floor + (1 - config.floor) * (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the averaged weights towards the model's: a <- d a + (1 - d) w; counters are copied.

    d = min(``decay``, (1 + step) / (10 + step)), so that the initial weights have little influence.
    """
    decay = min(decay, (1 + step) / (10 + step))
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    moving = [(a, w) for a, w in pairs if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in moving], [w for _, w in moving], 1 - decay)
    for a, w in pairs:
        if not a.is_floating_point():
            a.copy_(w)

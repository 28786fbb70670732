"""Optimisers, the learning rate's course, and the moving average of the weights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from facetell.models.blocks import CMM, CSTM, MCB
from facetell.models.network import ClipNetwork
from facetell.train.config import OptimConfig, ScheduleConfig
from facetell.types import FacetellError


def make_optimizer(model: ClipNetwork, config: OptimConfig, trained: bool = False) -> torch.optim.Optimizer:
    """AdamW or SGD over :func:`parameter_groups`."""
    groups = parameter_groups(model, config, trained)
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)


def parameter_groups(model: ClipNetwork, config: OptimConfig, trained: bool = False) -> list[dict[str, Any]]:
    """Parameters in up to four groups: new or pretrained, with or without weight decay.

    None decays on biases and norms, nor on the kernels of motion modules that start as identities: decay would pull
    their differences away from differences. Each group's ``factor`` is what its learning rate is multiplied by.
    ``trained`` as for :func:`freeze`.
    """
    new = _not_given(model, trained)
    identities = {id(parameter) for parameter in _identities(model)}
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


def freeze(model: ClipNetwork, count: int, trained: bool = False) -> list[nn.Module]:
    """Keep the first ``count`` layers as they are: no gradients. The caller holds them in evaluation mode.

    Args:
        trained: the start was a trained model of the same network, so that its motion modules are learnt as well.

    Raises:
        FacetellError: there are not so many, or one holds parameters that the start has not given.
    """
    layers = model.backbone.layers()
    if count > len(layers):
        raise FacetellError(f"optim.frozen={count}, but this network has {len(layers)} layers")
    new = _not_given(model, trained)
    for number, layer in enumerate(layers[:count]):
        if any(id(p) in new for p in layer.parameters()):
            raise FacetellError(f"optim.frozen={count} would freeze layer {number}, which has a motion module to learn")
        layer.requires_grad_(False)
    return layers[:count]


def still_norms(model: ClipNetwork, trained: bool = False) -> list[nn.Module]:
    """Batch norms of the backbone whose statistics the start has given, to be held in evaluation mode by the caller.

    They learn on. ``trained`` as for :func:`freeze`. Others keep to their batches: those of new motion modules, and of
    the anomaly block, which model files mostly leave out.
    """
    new = _not_given(model, trained)
    norms = (module for module in model.backbone.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return [norm for norm in norms if not any(id(p) in new for p in norm.parameters())]


def _identities(model: ClipNetwork) -> Iterator[nn.Parameter]:
    for module in model.modules():
        if isinstance(module, CSTM):
            yield module.weight
        elif isinstance(module, CMM):
            yield from module.kernel.parameters()
            if isinstance(module, MCB) and module.kernel2 is not None:
                yield from module.kernel2.parameters()


def _not_given(model: ClipNetwork, trained: bool) -> set[int]:
    """Ids of the backbone's parameters, and others, that the start has not given."""
    return set() if trained else {id(model.get_parameter(name)) for name in model.new_parameter_names()}


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its learning rate, ``rate`` times the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


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
    """Move the averaged weights towards the model's.

    a <- d a + (1 - d) w with d = min(``decay``, (1 + step) / (10 + step)): the average of the first steps is short, so
    that the start is soon forgotten. Counters are copied.
    """
    decay = min(decay, (1 + step) / (10 + step))
    kept, fresh = list(average.state_dict().values()), list(model.state_dict().values())
    moving = [(a, w) for a, w in zip(kept, fresh, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in moving], [w for _, w in moving], 1 - decay)
    for a, w in zip(kept, fresh, strict=True):
        if not a.is_floating_point():
            a.copy_(w)

"""Optimisers, the learning rate schedule, batch norm statistics, and the moving average of the weights."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import nn

from facetell.models.network import ClipNetwork
from facetell.train.config import OptimConfig, ScheduleConfig

IDENTITIES = (".temporal.weight", ".kernel.weight", ".kernel2.weight")  # of motion modules, which start as identities


def make_optimizer(model: ClipNetwork, config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW or SGD over up to four groups: new or pretrained parameters, with or without weight decay.

    Biases, norms and :data:`IDENTITIES` do not decay: their differences would cease to be differences. ``factor`` of a
    group multiplies its learning rate.
    """
    new = set(model.new_parameter_names())
    parameters: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        parameters[name in new, parameter.ndim > 1 and not name.endswith(IDENTITIES)].append(parameter)
    groups = [
        {
            "params": members,
            "factor": config.new_lr_factor if is_new else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (is_new, decays), members in parameters.items()
    ]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)


def still_norms(model: ClipNetwork, config: OptimConfig) -> list[nn.Module]:
    """Batch norms with the statistics of the start, which the caller keeps in evaluation mode.

    Their weights are trained. Norms of new modules use the statistics of the batch.
    """
    if config.norms != "start":
        return []
    new = set(model.new_parameter_names())
    norms = ((f"backbone.{name}.weight", module) for name, module in model.backbone.named_modules())
    return [m for name, m in norms if isinstance(m, nn.modules.batchnorm._BatchNorm) and name not in new]


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

import math

import pytest
import torch
from torch import nn

from facetell.models.zoo import create_model
from facetell.train.config import OptimConfig, ScheduleConfig
from facetell.train.optim import make_optimizer, schedule, update_average


def test_the_cosine_warms_up_and_falls_to_its_floor():
    config = ScheduleConfig("cosine", warmup=10, floor=0.05)
    values = [schedule(step, 110, config) for step in range(111)]
    assert values[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    closed = [0.05 + 0.95 * math.cos(math.pi * i / 200) ** 2 for i in range(101)]  # (1 + cos 2x) / 2 = cos² x
    assert values[10:] == pytest.approx(closed)


def test_steps_are_those_of_stm():
    config = ScheduleConfig("step", warmup=0, milestones=(0.6, 0.8, 0.9), gamma=0.1)
    values = [schedule(epoch, 50, config) for epoch in (0, 29, 30, 39, 40, 44, 45, 49)]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_average_of_constant_weights_approaches_them_geometrically():
    average, model = nn.Linear(2, 1), nn.Linear(2, 1)
    nn.init.zeros_(average.weight)
    nn.init.ones_(model.weight)
    missing = 1.0
    for step in range(60):
        update_average(average, model, step, decay=0.9)
        missing *= min(0.9, (1 + step) / (10 + step))
    assert average.weight.detach().flatten().tolist() == pytest.approx([1 - missing] * 2, rel=1e-5)
    assert torch.equal(model.weight, torch.ones(1, 2))


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_new_modules_learn_faster_and_norms_and_identity_kernels_do_not_decay(kind):
    model = create_model("lite0", width=0.25, depth=0.5)
    config = OptimConfig(kind, lr=0.1, new_lr_factor=3, weight_decay=0.02)
    groups = make_optimizer(model, config).param_groups
    assert sum(len(group["params"]) for group in groups) == len([*model.parameters()])
    of = {id(p): (group["factor"], group["weight_decay"]) for group in groups for p in group["params"]}
    stem, block = model.backbone.stem, next(b.mix for b in model.backbone.blocks if b.mix.motion is not None)
    assert (of[id(stem.conv.weight)], of[id(stem.norm.weight)]) == ((1, 0.02), (1, 0))
    assert of[id(model.classifier.weight)] == of[id(block.motion.reduce[0].weight)] == (3, 0.02)
    for kernel in (block.temporal.weight, block.motion.kernel.weight, block.motion.kernel2.weight):
        assert of[id(kernel)] == (3, 0)

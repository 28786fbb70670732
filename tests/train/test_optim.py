import math

import pytest
import torch
from torch import nn

from facetell.models.zoo import create_model
from facetell.train.config import OptimConfig, ScheduleConfig
from facetell.train.optim import hold_still, make_optimizer, parameter_groups, schedule, update_average
from facetell.types import FacetellError


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
def test_new_modules_learn_faster_and_norms_do_not_decay(kind):
    model = create_model("lite0", width=0.25, depth=0.5)
    config = OptimConfig(kind, lr=0.1, new_lr_factor=3, weight_decay=0.02)
    groups = parameter_groups(model, config)
    assert sum(len(g["params"]) for g in groups) == len([*model.parameters()])
    of = {id(p): g for g in make_optimizer(model, config).param_groups for p in g["params"]}
    assert of[id(model.classifier.weight)]["factor"] == 3
    stem = model.backbone.stem
    assert of[id(stem.conv.weight)]["factor"] == 1
    assert of[id(stem.conv.weight)]["weight_decay"] == 0.02 and of[id(stem.norm.weight)]["weight_decay"] == 0


@pytest.mark.parametrize("motion", ["mcb", "cmm"])
def test_kernels_that_start_as_identities_do_not_decay(motion):
    model = create_model("lite0", motion=motion, width=0.25, depth=0.5)
    decay = {id(p): g["weight_decay"] for g in parameter_groups(model, OptimConfig()) for p in g["params"]}
    block = next(b.mix for b in model.backbone.blocks if b.mix.motion is not None)
    kernels = [block.temporal.weight, block.motion.kernel.weight]
    kernels += [block.motion.kernel2.weight] if motion == "mcb" else []
    assert [decay[id(k)] for k in kernels] == [0] * len(kernels)
    assert decay[id(block.motion.reduce[0].weight)] == OptimConfig().weight_decay


def test_what_cannot_be_frozen_is_told_in_a_sentence():
    model = create_model("lite0", width=0.25, depth=0.5, motion_blocks=[1])
    with pytest.raises(FacetellError, match="includes layer 2, which has an untrained module"):
        hold_still(model, OptimConfig(frozen=3))
    with pytest.raises(FacetellError, match="this network has"):
        hold_still(model, OptimConfig(frozen=99))
    assert hold_still(model, OptimConfig(frozen=3), trained=True) == [model.backbone.stem, *model.backbone.blocks[:2]]

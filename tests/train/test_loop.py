"""Training, tiny: a run learns, is resumed with the same losses, and stops at a loss that is not finite."""

import math
import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from facetell.models.zoo import create_model
from facetell.runtime import STOP_SIGNALS
from facetell.train.config import OptimConfig, ScheduleConfig
from facetell.train.loop import Trainer, make_optimizer, schedule, update_average
from facetell.train.run import BEST, CHECKPOINT, Stop
from facetell.train.run import read_checkpoint as load
from facetell.types import FacetellError
from fixtures import TINY
from scans import lines

SCRIPT = Path(__file__).with_name("run_tiny.py")


def start(out, folder):
    command = [sys.executable, *map(str, (SCRIPT, TINY, out, folder))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process):
    try:
        printed, errors = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, errors
    return printed


def logged(out, what, name):
    return [line[name] for line in lines(out / "log.jsonl") if line["what"] == what]


def equal(one, other):
    """Whether two nested values are equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    return all(map(equal, one, other)) and len(one) == len(other) if isinstance(one, list | tuple) else one == other


def same(a, b, file, *parts):
    one, other = load(a / file), load(b / file)
    return all(equal(one[part], other[part]) for part in ("average", *parts))


@pytest.fixture(scope="module")
def whole(prepared, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    assert "done=True" in finish(start(out, prepared))
    return out


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(how, whole, prepared, tmp_path):
    process = start(tmp_path, prepared)
    while len(logged(tmp_path, "train", "loss")) < 3 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, how)
    printed, _ = process.communicate(timeout=600)
    if how == signal.SIGTERM:
        assert "done=False" in printed and "it was asked to stop" in printed
    assert load(tmp_path / CHECKPOINT)["step"] < 6
    assert "done=True" in finish(start(tmp_path, prepared))
    assert logged(tmp_path, "train", "loss") == logged(whole, "train", "loss")
    steps, expected = ([line["step"] for line in lines(out / "log.jsonl")] for out in (tmp_path, whole))
    assert steps == expected
    assert same(tmp_path, whole, CHECKPOINT, "model", "optimizer", "best") and same(tmp_path, whole, BEST, "val")


def test_a_run_leaves_what_is_needed_to_see_and_use_it(whole):
    aucs, best = logged(whole, "val", "auc"), load(whole / BEST)
    assert logged(whole, "val", "step") == [3, 6]
    assert best["val"]["auc"] == pytest.approx(max(aucs), abs=1e-4)
    assert "6 clips of train and val" in best["about"]["data"]


def test_workers_outlive_signals_to_their_process_group(tiny, tmp_path):
    """A terminal sends them to all processes; the main one may be waiting for a batch, and stops after its step."""
    stream = Trainer(tiny("machine.workers=1"), tmp_path).batches()
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    for process in (server, *server.children()):
        for number in STOP_SIGNALS:
            process.send_signal(number)
    for _ in range(6):  # more than are made ahead
        assert len(next(stream).labels) == 4


def test_a_loss_that_is_no_number_stops_the_run(tiny, tmp_path):
    trainer = Trainer(tiny(), tmp_path)
    with torch.no_grad():
        trainer.network.classifier.weight.fill_(float("nan"))
    with pytest.raises(FacetellError, match="the loss is nan and its gradient nan at step 0"), Stop() as stop:
        trainer.run(stop)
    assert not (tmp_path / CHECKPOINT).exists()


def test_norms_of_the_start_keep_its_statistics_and_learn_on(tiny, tmp_path):
    trainer = Trainer(tiny("steps=2", "optim.norms=start"), tmp_path)
    norms = {n: m for n, m in trainer.network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    before = {name: (norm.running_mean.clone(), norm.weight.detach().clone()) for name, norm in norms.items()}
    with Stop() as stop:
        trainer.run(stop)
    kept = {name for name, norm in norms.items() if torch.equal(norm.running_mean, before[name][0])}
    new = {name.rpartition(".")[0] for name in trainer.network.new_parameter_names()}
    assert kept == norms.keys() - new and kept and new & norms.keys()
    assert any(not torch.equal(norms[name].weight, before[name][1]) for name in kept)


def test_the_best_weights_are_kept(tiny, tmp_path):
    for steps, earlier, kept in ((1, -1.0, 1), (2, 2.0, 1), (3, -1.0, 3)):  # no AUC is above 2, all are above -1
        trainer = Trainer(tiny(f"steps={steps}", "val.every=1"), tmp_path)
        trainer.best["auc"] = earlier
        with Stop() as stop:
            assert trainer.run(stop)
        assert load(tmp_path / BEST)["step"] == kept


def test_the_cosine_warms_up_and_falls_to_its_floor():
    values = [schedule(step, 110, ScheduleConfig("cosine", warmup=10, floor=0.05)) for step in range(111)]
    assert values[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert values[10:] == pytest.approx([0.05 + 0.95 * math.cos(math.pi * i / 200) ** 2 for i in range(101)])


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
    groups = make_optimizer(model, OptimConfig(kind, lr=0.1, new_lr_factor=3, weight_decay=0.02)).param_groups
    assert sum(len(group["params"]) for group in groups) == len([*model.parameters()])
    of = {id(p): (group["factor"], group["weight_decay"]) for group in groups for p in group["params"]}
    stem, block = model.backbone.stem, next(b.mix for b in model.backbone.blocks if b.mix.motion is not None)
    assert (of[id(stem.conv.weight)], of[id(stem.norm.weight)]) == ((1, 0.02), (1, 0))
    assert of[id(model.classifier.weight)] == of[id(block.motion.reduce[0].weight)] == (3, 0.02)
    for kernel in (block.temporal.weight, block.motion.kernel.weight, block.motion.kernel2.weight):
        assert of[id(kernel)] == (3, 0)

"""Training, tiny: it learns, it goes on where it was stopped with the same losses, it stops at nonsense."""

import json
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
from tiny_training import tiny_config

from facetell.runtime import STOP_SIGNALS
from facetell.train.loop import Trainer, train
from facetell.train.run import BEST, CHECKPOINT, Stop
from facetell.train.run import read_checkpoint as load
from facetell.types import FacetellError

SCRIPT = Path(__file__).with_name("run_tiny.py")
STEPS = ["steps=6", "val.every=3", "machine.checkpoint_every=2"]


def start(out, folder, *changes):
    command = [sys.executable, str(SCRIPT), str(out), str(folder), *STEPS, *changes]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process):
    try:
        printed, errors = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, errors
    return printed


def lines(out):
    path = out / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def losses(out):
    return [line["loss"] for line in lines(out) if line["what"] == "train"]


def same_weights(a, b, file=CHECKPOINT, parts=("model", "average")):
    one, other = load(a / file), load(b / file)
    equal = all(torch.equal(one[part][name], other[part][name]) for part in parts for name in one[part])
    return equal and all(str(one.get(part)) == str(other.get(part)) for part in ("val", "optimizer"))


@pytest.fixture(scope="module")
def whole(prepared, data, tmp_path_factory):
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    assert "done=True" in finish(start(out, prepared))
    return out


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(how, whole, prepared, tmp_path):
    process = start(tmp_path, prepared)
    while len(losses(tmp_path)) < 3 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, how)
    printed, _ = process.communicate(timeout=600)
    if how == signal.SIGTERM:
        assert "done=False" in printed and "it was asked to stop" in printed
    assert load(tmp_path / CHECKPOINT)["step"] < 6
    assert "done=True" in finish(start(tmp_path, prepared))
    assert losses(tmp_path) == losses(whole)
    assert [line["step"] for line in lines(tmp_path)] == [line["step"] for line in lines(whole)]
    assert same_weights(tmp_path, whole)
    assert same_weights(tmp_path, whole, BEST, ("average",))


def test_a_run_leaves_what_is_needed_to_see_and_use_it(whole):
    val = [line for line in lines(whole) if line["what"] == "val"]
    assert [line["step"] for line in val] == [3, 6] and 0 <= val[-1]["auc"] <= 1 and "auc/G" in val[-1]
    best = load(whole / BEST)
    assert best["val"]["auc"] == pytest.approx(max(line["auc"] for line in val), abs=1e-4)
    assert "2 real clips of 2 identities, 1 forged (G 1)" in best["about"]["data"]


def test_workers_outlive_signals_to_their_process_group(data, tmp_path):
    """A terminal sends them to all processes; the main one may be waiting for a batch, and stops after its step."""
    stream = Trainer(tiny_config(data, machine={"workers": 1}), tmp_path).batches()
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    for process in (server, *server.children()):
        for number in STOP_SIGNALS:
            process.send_signal(number)
    for _ in range(6):  # more than are made ahead
        assert len(next(stream).kinds) == 4


def test_a_loss_that_is_no_number_stops_with_the_batch_kept(tiny, tmp_path):
    trainer = Trainer(tiny, tmp_path)
    with torch.no_grad():
        trainer.network.classifier.weight.fill_(float("nan"))
    with pytest.raises(FacetellError, match="the loss is nan and its gradient nan at step 0"), Stop() as stop:
        trainer.run(stop)
    kept = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert kept["clips"].shape == (4, 4, 3, 64, 64)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_batch_without_clips_is_refused(data, tmp_path):
    with pytest.raises(FacetellError, match="a batch holds no clip"):
        Trainer(tiny_config(data, batch={"pairs": 0, "generated": 0, "clip_frames": 4}), tmp_path)


def test_norms_of_the_start_keep_its_statistics_and_learn_on(data, tmp_path):
    trainer = Trainer(tiny_config(data, steps=2, optim={"norms": "start"}), tmp_path)
    norms = {n: m for n, m in trainer.network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    before = {name: (norm.running_mean.clone(), norm.weight.detach().clone()) for name, norm in norms.items()}
    with Stop() as stop:
        trainer.run(stop)
    kept = {name for name, norm in norms.items() if torch.equal(norm.running_mean, before[name][0])}
    new = {name.rpartition(".")[0] for name in trainer.network.new_parameter_names()}
    assert kept == norms.keys() - new and kept and new & norms.keys()
    assert any(not torch.equal(norms[name].weight, before[name][1]) for name in kept)


def test_the_best_weights_are_kept(data, tmp_path, monkeypatch):
    gains = iter((0.5, 0.4, 0.9))
    monkeypatch.setattr("facetell.train.loop.figures_of", lambda scores: {"auc": next(gains)})
    for steps, best in ((2, 1), (3, 3)):
        with Stop() as stop:
            assert train(tiny_config(data, steps=steps, val={"every": 1}), tmp_path, stop).step == steps
        assert load(tmp_path / BEST)["step"] == best

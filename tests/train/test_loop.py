"""Training, tiny: it learns, it goes on where it was stopped with the same losses, it stops at nonsense."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest
import torch
from tiny_training import tiny_config

from facetell.evaluate.scores import read_scores
from facetell.models.export import export_onnx, model_from_onnx
from facetell.models.losses import combined_loss
from facetell.models.zoo import create_model
from facetell.runtime import STOP_SIGNALS
from facetell.train.batches import Sampler
from facetell.train.card import _training
from facetell.train.checkpoint import BEST, CHECKPOINT, load
from facetell.train.corpus import load_recordings
from facetell.train.loop import SCORES, Trainer, train
from facetell.train.stop import Stop
from facetell.types import FacetellError
from model_files import arrays_file

SCRIPT = Path(__file__).with_name("run_tiny.py")
STEPS = ["steps=6", "val.every=3", "machine.checkpoint_every=2"]


def start(out: Path, folder: Path, *changes: str) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(out), str(folder), *STEPS, *changes]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen) -> str:
    try:
        printed, errors = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, errors
    return printed


def lines(out: Path) -> list[dict]:
    path = out / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def losses(out: Path) -> list[float]:
    return [line["loss"] for line in lines(out) if line["what"] == "train"]


def same_weights(a: Path, b: Path) -> bool:
    one, other = load(a / CHECKPOINT), load(b / CHECKPOINT)
    return all(
        torch.equal(one[part][name], other[part][name]) for part in ("model", "average") for name in one[part]
    ) and str(one["optimizer"]) == str(other["optimizer"])


@pytest.fixture(scope="module")
def whole(prepared, data, tmp_path_factory) -> Path:
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
    assert (tmp_path / SCORES).read_bytes() == (whole / SCORES).read_bytes()


def test_a_run_leaves_what_is_needed_to_see_and_use_it(whole):
    val = [line for line in lines(whole) if line["what"] == "val"]
    assert [line["step"] for line in val] == [3, 6] and 0 <= val[-1]["auc"] <= 1 and "auc/G" in val[-1]
    best = load(whole / BEST)
    assert best["val"]["auc"] == pytest.approx(max(line["auc"] for line in val), abs=1e-4)
    assert "2 real clips of 2 people, 1 forged (G 1)" in best["about"]["data"]
    assert {path.name for path in (whole / "sheets").iterdir()} >= {"step_000001.png", "step_000006.png"}
    assert list((whole / "tensorboard").glob("events*"))


def test_two_processes_and_two_parts_learn_what_one_does(prepared, data, tmp_path):
    """All batch norms keep the statistics of the start: those of a batch depend on how the batch is shared."""
    network = create_model("lite0", anomaly="none", clip_frames=4, size=64, width=0.25, depth=0.5)
    begun = export_onnx(network, tmp_path / "start.onnx")
    # SGD: Adam amplifies the rounding error of gradients near zero.
    changes = ["machine.precision=fp32", "batch.pairs=3", "overrides.dropout=0.0", "overrides.drop_path=0.0"]
    changes += [
        "optim.kind=sgd",
        "optim.lr=0.05",
        "optim.norms=start",
        "anomaly=none",
        f"pretrained={begun}",
        "steps=3",
    ]
    one, two, accumulated = (tmp_path / name for name in ("one", "two", "accumulated"))
    finish(start(one, prepared, *changes))
    assert finish(start(two, prepared, *changes, "machine.devices=2")).count("done=True") == 2
    finish(start(accumulated, prepared, *changes, "optim.accumulate=2"))
    expected = load(one / CHECKPOINT)["model"]

    def distance(state):
        return max(float((state[name] - values).abs().max()) for name, values in expected.items())

    assert distance(network.state_dict()) > 1e-3  # it has learned something
    for out in (two, accumulated):
        assert losses(out) == pytest.approx(losses(one), abs=1e-4)
        assert distance(load(out / CHECKPOINT)["model"]) < 1e-5


def test_workers_outlive_signals_to_their_process_group(data, tmp_path):
    """A terminal sends them to all processes; the main one may be waiting for a batch, and stops after its step."""
    stream = Trainer(tiny_config(data, machine={"workers": 1}), tmp_path)._batches()
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    for process in (server, *server.children()):
        for number in STOP_SIGNALS:
            process.send_signal(number)
    for _ in range(6):  # more than are made ahead
        assert len(next(stream).kinds) == 4


def test_time_that_is_up_ends_the_run_cleanly(tiny, tmp_path):
    with Stop(minutes=0) as stop:
        outcome = train(tiny, tmp_path, stop)
    assert (outcome.done, outcome.step, outcome.reason) == (False, 0, "the time is up")
    assert load(tmp_path / CHECKPOINT)["step"] == 0


def test_a_loss_that_is_no_number_stops_with_the_batch_kept(tiny, tmp_path):
    trainer = Trainer(tiny, tmp_path)
    with torch.no_grad():
        trainer.network.classifier.weight.fill_(float("nan"))
    with pytest.raises(FacetellError, match="the loss is nan and its gradient nan at step 0"), Stop() as stop:
        trainer.run(stop)
    kept = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert kept["clips"].shape == (4, 4, 3, 64, 64)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_batch_that_cannot_be_shared_is_refused(data, tmp_path):
    with pytest.raises(FacetellError, match=r"a batch of 3 slots .* cannot be shared evenly"):
        Trainer(
            tiny_config(data, batch={"pairs": 2, "generated": 1, "clip_frames": 4}, optim={"accumulate": 2}), tmp_path
        )


def test_norms_apart_need_two_slots(data, tmp_path):
    with pytest.raises(FacetellError, match=r"norms=apart needs two slots .* at least 4 in all; there are 2"):
        Trainer(tiny_config(data, optim={"accumulate": 2, "norms": "apart"}), tmp_path)


def test_norms_apart_see_half_the_clips_at_once_and_tell_the_logit_of_each(data, tmp_path):
    still = {"width": 0.25, "depth": 0.5, "dropout": 0.0, "drop_path": 0.0}
    seen: list[int] = []
    logits = []
    for norms in ("apart", "batch"):
        changes = {"overrides": still, "optim": {"norms": norms}, "machine": {"precision": "fp32"}}
        config = tiny_config(data, batch={"pairs": 3, "clip_frames": 4, "size": 64}, **changes)
        trainer = Trainer(config, tmp_path / norms)
        # Held still, so that a clip's logit is the same in any company.
        trainer._still_norms = [m for m in trainer.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        trainer.network.backbone.stem.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
        batch = Sampler(load_recordings(data, "train", 4), config.batch, 1).batch(0)
        logits.append(trainer._learn(batch)[1])
    assert seen == [4 * 4, 4 * 4, 8 * 4]
    assert logits[0] == pytest.approx(logits[1], abs=1e-5)
    assert len({round(logit, 4) for logit in logits[0]}) > 5  # and so hardly any can have changed places


def test_frozen_layers_leave_a_run_as_they_entered_it(data, tmp_path):
    config = tiny_config(data, steps=2, optim={"frozen": 2})
    trainer = Trainer(config, tmp_path)
    layers = trainer.network.backbone.layers()
    before = [{k: v.clone() for k, v in layer.state_dict().items()} for layer in layers]
    with Stop() as stop:
        trainer.run(stop)
    same = [all(torch.equal(v, b[k]) for k, v in a.state_dict().items()) for a, b in zip(layers, before, strict=True)]
    assert same == [True, True] + [False] * (len(layers) - 2)


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


def test_without_a_gain_it_ends_early(data, tmp_path):
    config = tiny_config(data, steps=50, val={"every": 1, "patience": 2}, optim={"lr": 0.0})
    with Stop() as stop:
        outcome = train(config, tmp_path, stop)
    assert outcome.done and outcome.step <= 6


def test_where_nothing_tells_how_good_they_are_the_last_weights_are_taken(data, tmp_path):
    config = tiny_config(data, steps=3, val={"every": 1, "patience": 1})
    config = replace(config, batch=replace(config.batch, generated=0), data=replace(data, without=("G",)))
    with Stop() as stop:
        assert train(config, tmp_path, stop).step == 3
    best = load(tmp_path / BEST)
    assert best["step"] == 3 and math.isnan(best["val"]["chosen_by"])
    assert "the averaged weights of step 3, the last" in " ".join(_training(best))


def test_scores_of_weights_that_are_not_the_best_any_more_are_written_anew(data, tmp_path, monkeypatch):
    """A run that ended for want of gain goes on without patience, and gains."""
    gains = iter((0.5, 0.4, 0.9))
    monkeypatch.setattr("facetell.train.loop.figures_of", lambda *scores: {"chosen_by": next(gains)})
    for patience, steps in ((1, 2), (0, 3)):
        with Stop() as stop:
            config = tiny_config(data, steps=3, val={"every": 1, "patience": patience})
            assert train(config, tmp_path, stop).step == steps
        logits = read_scores(tmp_path / SCORES)["logit"].tolist()
        if patience:
            first = logits
    assert load(tmp_path / BEST)["step"] == 3 and logits != first


def test_a_run_of_no_steps_measures_its_start(data, tmp_path):
    file = arrays_file(create_model("lite0", clip_frames=4, size=64, width=0.25, depth=0.5), tmp_path / "start.onnx")
    config = tiny_config(data, steps=0, pretrained=str(file))
    with Stop() as stop:
        outcome = train(config, tmp_path / "run", stop)
    assert outcome.done and outcome.step == 0
    best = load(tmp_path / "run" / "best.pt")
    assert best["step"] == 0 and 0 <= best["val"]["auc"] <= 1
    _, start = model_from_onnx(file)
    assert all(torch.equal(best["average"][name], values) for name, values in start.state_dict().items())
    with Stop() as stop:
        assert train(config, tmp_path / "run", stop).done


@pytest.mark.parametrize(("steps", "says"), [(-1, "give a number of steps"), (0, "no trained model file")])
def test_numbers_of_steps_that_train_nothing_are_refused(steps, says, data, tmp_path):
    with pytest.raises(FacetellError, match=says):
        Trainer(tiny_config(data, steps=steps), tmp_path)


@pytest.mark.parametrize(
    ("motion", "anomaly"),
    [("none", "none"), ("cmm", "full"), ("mcb", "none"), ("mcb", "no_cls2"), ("mcb", "no_l1"), ("mcb", "full")],
)
def test_eight_clips_are_learned_by_heart(motion, anomaly, data):
    config = replace(tiny_config(data).batch, pairs=4, generated=0, size=32)
    sampler = Sampler(load_recordings(data, "train", 4), config, 1)
    batch = sampler.batch(0)
    assert len(batch.kinds) == 8
    torch.manual_seed(0)
    model = create_model("stm_resnet18", motion, anomaly, 4, 32, width=16, layers=(1, 1), temporal="cstm", dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    clips = batch.clips.float() / 255
    for _ in range(300):
        loss, _ = combined_loss(model(clips), batch.labels, batch.labels, anomaly_weight=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss, parts = combined_loss(model(clips), batch.labels, batch.labels, anomaly_weight=0.1)
    assert parts["cls1"] < 0.02 and parts.get("cls2", 0) < 0.05
    assert loss.item() < 0.1

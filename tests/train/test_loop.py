"""Training, tiny: it learns, it can be stopped and taken up again with the same losses, it stops at nonsense."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from facetell.train.batches import BatchConfig
from facetell.train.loop import TrainConfig, Trainer, _schedule
from facetell.types import FacetellError

TINY = TrainConfig(
    steps=4,
    warmup=1,
    workers=0,
    threads=1,
    checkpoint_every=2,
    validate_every=100,
    batch=BatchConfig(pairs=1, generated=1, clip_frames=4, size=64),
)


def train(config, corpus, out, monkeypatch=None):
    trainer = Trainer(config, corpus, out)
    losses = []
    learn = trainer._learn

    def noted(batch):
        values = learn(batch)
        losses.append(values["loss"])
        return values

    trainer._learn = noted
    trainer.run()
    return trainer, losses


def test_a_stopped_run_goes_on_with_the_losses_of_one_that_was_not(corpus, tmp_path):
    whole, losses = train(TINY, corpus, tmp_path / "whole")
    stopped = Trainer(TINY, corpus, tmp_path / "parts")
    stopped.run(until=0)  # one step, then the time is up
    resumed, rest = train(TINY, corpus, tmp_path / "parts")
    assert whole.step == resumed.step == 4 and len(rest) == 3
    assert rest == losses[1:]
    for a, b in zip(whole.average.state_dict().values(), resumed.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    log = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["what"] for line in log] == ["val", "val"] and 0 <= log[-1]["auc"] <= 1


def test_it_learns_what_it_sees_again_and_again(corpus, tmp_path):
    config = replace(TINY, steps=14, lr=2e-3, label_smoothing=0.0, ema=0.5)
    trainer = Trainer(config, corpus, tmp_path)
    from facetell.train.batches import Sampler
    from facetell.train.corpus import load

    batch = Sampler(load(corpus, "train", 4), config.batch, 1).batch(0)
    losses = []
    for trainer.step in range(config.steps):
        losses.append(trainer._learn(batch)["cls1"])
    assert min(losses[-3:]) < 0.5 * losses[0]


def test_a_loss_that_is_no_number_stops_with_the_batch_kept(corpus, tmp_path):
    trainer = Trainer(TINY, corpus, tmp_path)
    with torch.no_grad():
        trainer.model.classifier.weight.fill_(float("nan"))
    with pytest.raises(FacetellError, match="the loss is nan at step 0"):
        trainer.run()
    kept = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert kept["clips"].shape == (4, 4, 3, 64, 64)


def test_the_schedule_warms_up_and_falls_to_a_hundredth():
    config = TrainConfig(steps=100, warmup=10)
    values = [_schedule(step, config) for step in range(101)]
    assert values[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(values) == pytest.approx(1.0) and values[100] == pytest.approx(0.01)
    assert all(a >= b for a, b in pairwise(values[10:]))
    assert values[55] == pytest.approx(0.01 + 0.99 / 2, abs=0.02)

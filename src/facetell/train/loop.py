"""The training loop: on one device, with checkpoints, resumable to the same losses.

One step: a batch of clips forward (mixed precision, channels-last), the combined loss L^cls1 + a L^cls2 + b L^l1, an
optimiser step, and an update of the moving average of the weights, which is validated and released.

Batches depend on (seed, number), random numbers inside the network (dropout) on (seed, step). So the number of
the step is the position in the data and the state of every random generator, and no other state is stored.
"""

from __future__ import annotations

import copy
import ctypes
import math
import multiprocessing
import platform
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from facetell.evaluate.scores import from_rows
from facetell.files import write_text
from facetell.models.network import combined_loss
from facetell.runtime import signals_blocked
from facetell.train.batches import Batch, BatchStream, Sampler
from facetell.train.config import TrainConfig, plain, to_yaml
from facetell.train.corpus import decode_all, fingerprint, load_recordings
from facetell.train.optim import make_optimizer, schedule, still_norms, update_average
from facetell.train.run import (
    BEST,
    CHECKPOINT,
    Stop,
    check_config,
    check_data,
    code_line,
    data_line,
    device_of,
    log,
    means,
    network_of,
    read_checkpoint,
    save,
    trim_log,
)
from facetell.train.validate import figures_of, score_recordings, torch_score
from facetell.types import FacetellError

CONFIG, BAD_BATCH = "config.yaml", "bad_batch.pt"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run: whether it is ``done``, its ``step``, and why it stopped if it is not done."""

    done: bool
    step: int
    reason: str = ""


def train(config: TrainConfig, out: Path, stop: Stop) -> Outcome:
    """Train, or resume the run in ``out``.

    Raises:
        FacetellError: see :class:`Trainer`; or the loss is not finite.
    """
    return Trainer(config, out).run(stop)


class Trainer:
    """Holds what a checkpoint holds: network, moving average, optimiser and the number of the next step.

    A run found in the folder ``out`` is resumed.

    Raises:
        FacetellError: there is no such device, the run in ``out`` has another configuration or other data, or data
            are missing.
    """

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        keep_freed_memory()
        self.device, self._bf16 = device_of(config.machine), config.machine.precision == "bf16"
        if not config.batch.pairs + config.batch.generated:
            raise FacetellError("a batch holds no clip; set batch.pairs or batch.generated to a number above 0")
        out.mkdir(parents=True, exist_ok=True)
        state = self._stored()
        torch.manual_seed(config.seed)
        self.network = network_of(plain(config), config.pretrained)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self._still = still_norms(self.network, config.optim)
        self.optimizer = make_optimizer(self.network, config.optim)
        self.step = 0
        self.best: dict[str, float] = {}
        self.seconds = 0.0  # of all attempts
        self._pending: list[dict[str, float]] = []  # figures of the steps since the last line of the log
        decode_all(config.data, config.machine.workers)
        recordings = load_recordings(config.data, "train", config.batch.clip_frames)
        self._val = load_recordings(config.data, "val", 1)
        Sampler(recordings, config.batch, config.seed)  # raises here, and not later in a worker, if clips are missing
        self._data = fingerprint([*recordings, *self._val])
        if state is not None:
            check_data(state["data"], self._data, out)
            self.network.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
            self._pending = state["pending"]
        write_text(out / CONFIG, to_yaml(config))
        trim_log(out, self.step)
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{platform.machine()} CPU"
        self._about = {
            "data": data_line([recording.entry for recording in recordings]),
            "device": f"{name}, torch {torch.__version__}",
            "code": code_line(),
        }

    def run(self, stop: Stop) -> Outcome:
        """Train to the end of the run, or until ``stop`` requests it, and write a checkpoint."""
        config, out, seconds = self.config, self.out, 0.0
        stream = iter(()) if self.step >= config.steps else self.batches()
        clips, spent, waited, noted = 0, 0.0, 0.0, time.monotonic()
        while self.step < config.steps:
            if stop.asked(ahead=seconds):
                self._save()
                return Outcome(False, self.step, stop.reason)
            started = time.monotonic()
            batch = next(stream)
            waited += time.monotonic() - started
            self._pending.append(self.learn(batch))
            self.step += 1
            seconds = time.monotonic() - started
            clips, spent = clips + len(batch.kinds), spent + seconds
            self.seconds, noted = self.seconds + time.monotonic() - noted, time.monotonic()
            last = self.step >= config.steps
            validates = last or self.step % config.val.every == 0
            if last or self.step % config.machine.log_every == 0:
                speed = {"clips_per_second": clips / spent, "waiting": waited / spent}
                log(out, self.step, "train", means(self._pending) | speed)
                self._pending.clear()
                clips, spent, waited = 0, 0.0, 0.0
            if validates:
                self._validate()
            if validates or self.step % config.machine.checkpoint_every == 0:
                self._save()
        if not self.best:  # resumed with fewer steps, before the first validation
            self._validate()
            self._save()
        return Outcome(True, self.step)

    def batches(self) -> Iterator[Batch]:
        """The batches from this step on."""
        config, workers = self.config, self.config.machine.workers
        context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may hang
        context.set_forkserver_preload(["facetell.train.batches"])
        loader = DataLoader(
            BatchStream(config.data, config.batch, config.seed, self.step),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            multiprocessing_context=context if workers else None,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # the default one would change the random numbers of the network
        )
        with signals_blocked():  # the workers go on until this process stops at the end of a step
            return iter(loader)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; returns the figures for the log."""
        config = self.config
        torch.manual_seed(hash((config.seed, self.step, 0)) % 2**63)  # 0 was the index of a device
        self.network.train()
        for module in self._still:
            module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = config.optim.lr * schedule(self.step, config.steps, config.schedule) * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        clips, labels = (tensor.to(self.device, non_blocking=True) for tensor in (batch.clips, batch.labels))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            output = self.network((clips.float() / 255).to(torch.bfloat16 if self._bf16 else torch.float32))
        smoothing = config.loss.label_smoothing
        loss, terms = combined_loss(
            output,
            labels * (1 - smoothing) + smoothing / 2,
            labels,
            aux_weight=config.loss.aux_weight,
            anomaly_weight=config.loss.anomaly_weight,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.optim.grad_clip or math.inf))
        value, logits = loss.item(), output.logit.detach().float().tolist()
        if not (math.isfinite(value) and math.isfinite(norm)):
            path = self.out / BAD_BATCH
            torch.save(batch._asdict(), path)
            raise FacetellError(
                f"the loss is {value:g} and its gradient {norm:g} at step {self.step}; the batch is stored in {path}; "
                "start again with a lower optim.lr, or with machine.precision=fp32"
            )
        self.optimizer.step()
        update_average(self.average, self.network, self.step, config.ema)
        return {"loss": value} | terms | {"grad_norm": norm} | _hits(logits, batch)

    def _validate(self) -> None:
        score = torch_score(self.average, self.device, self._bf16)
        figures = figures_of(from_rows([*score_recordings(score, self._val, self.config.batch)], {}))
        # Without an AUC the latest weights are the best.
        if not figures.get("auc", math.nan) <= self.best.get("auc", -math.inf):
            self.best = {"step": float(self.step)} | figures
            save({**self._identity(), "val": self.best}, self.out / BEST)
        log(self.out, self.step, "val", figures)

    def _identity(self) -> dict[str, Any]:
        """What a model file is made from: configuration, step and averaged weights."""
        return {
            "config": plain(self.config),
            "step": self.step,
            "average": self.average.state_dict(),
            "about": self._about | {"time": f"{self.seconds / 60:.0f} minutes"},
        }

    def _save(self) -> None:
        state = {
            "data": self._data,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "seconds": self.seconds,
            "pending": self._pending,
        }
        save(self._identity() | state, self.out / CHECKPOINT)

    def _stored(self) -> dict[str, Any] | None:
        """The checkpoint in the run's folder, which must be of this configuration; None without one."""
        path = self.out / CHECKPOINT
        if not path.exists():
            return None
        state = read_checkpoint(path, str(self.device))
        check_config(state["config"], self.config, self.out)
        if state["step"] > self.config.steps:
            raise FacetellError(
                f"the run in {self.out} is at step {state['step']}, beyond steps={self.config.steps}; "
                "give at least as many, or start another run with --out"
            )
        return state


def keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory for the next step; without glibc do nothing.

    A step allocates and frees gigabytes in large blocks. Returned to the system each time, they cost a million page
    faults: a step of 1.5 s took 8 to 15 s.
    """
    trim_threshold, mmap_max = -1, -4
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


def _hits(logits: Sequence[float], batch: Batch) -> dict[str, float]:
    """Accuracy by kind of clip (threshold 0), for the log."""
    hits: dict[str, list[float]] = defaultdict(list)
    for logit, label, kind in zip(logits, batch.labels.tolist(), batch.kinds, strict=True):
        hits[f"hit/{kind}"].append(float((logit > 0) == bool(label)))
    return {kind: sum(values) / len(values) for kind, values in hits.items()}

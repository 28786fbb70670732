"""The training loop: on any number of devices, with checkpoints, resumable to the same losses.

One step: a batch of clips forward (mixed precision, channels-last), the combined loss L^cls1 + a L^cls2 + b L^l1, an
optimiser step, and an update of the moving average of the weights, which is validated and released.

Batches depend on (seed, number), random numbers inside the network (dropout) on (seed, step, device). So the number of
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
import torch.distributed
from torch import nn
from torch.utils.data import DataLoader

from facetell.evaluate.scores import Scores, from_rows
from facetell.files import write_text
from facetell.models.losses import combined_loss
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
    launch,
    log,
    means,
    network_of,
    read_checkpoint,
    save,
    trim_log,
)
from facetell.train.validate import Row, figures_of, score_pseudo, score_recordings, torch_score
from facetell.types import FacetellError

CONFIG, BAD_BATCH = "config.yaml", "bad_batch.pt"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run: whether it is ``done``, its ``step``, and why it stopped if it is not done.

    ``first`` is false in all processes but one: the others have nothing more to do.
    """

    done: bool
    step: int
    reason: str = ""
    first: bool = True


def train(config: TrainConfig, out: Path, stop: Stop) -> Outcome:
    """Train, or resume the run in ``out``.

    Raises:
        FacetellError: see :class:`Trainer`; or the loss is not finite.
    """
    trainer = Trainer(config, out)
    outcome = trainer.run(stop)
    if trainer.fabric.world_size > 1:
        torch.distributed.destroy_process_group()
    return outcome


class Trainer:
    """Holds what a checkpoint holds: network, moving average, optimiser and the number of the next step.

    A run found in the folder ``out`` is resumed.

    Raises:
        FacetellError: the configuration does not fit the devices, the run in ``out`` has another configuration or
            other data, or data are missing.
    """

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        keep_freed_memory()
        self.fabric = launch(config.machine)
        self.rank, self.world, self.device = self.fabric.global_rank, self.fabric.world_size, self.fabric.device
        self.first = self.rank == 0
        slots = config.batch.pairs + config.batch.generated
        if slots <= 0 or slots % self.world:
            raise FacetellError(
                f"a batch of {slots} slots (batch.pairs + batch.generated) cannot be shared evenly by {self.world} "
                f"device(s); choose a multiple of {self.world}"
            )
        if self.first:
            out.mkdir(parents=True, exist_ok=True)
        self.fabric.barrier()
        state = self._stored()
        torch.manual_seed(config.seed)
        network = network_of(plain(config), config.pretrained)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(network).eval()
        if self.world > 1 and self.device.type == "cuda":  # torch has no such norm for the CPU
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self._still = still_norms(network, config.optim)
        self.model, self.optimizer = self.fabric.setup(network, make_optimizer(network, config.optim))
        self.average.to(self.device)
        self.network = network
        self.step = 0
        self.best: dict[str, float] = {}
        self.seconds = 0.0  # of all attempts
        self._pending: list[dict[str, float]] = []  # figures of the steps since the last line of the log
        if self.first:
            decode_all(config.data, config.machine.workers)
        self.fabric.barrier()
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
            self._pending = state["pending"] if self.first else []
        if self.first:
            write_text(out / CONFIG, to_yaml(config))
            trim_log(out, self.step)
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{platform.machine()} CPU"
        self._about = {
            "data": data_line([recording.entry for recording in recordings]),
            "device": f"{self.world} x {name}, torch {torch.__version__}",
            "code": code_line(),
        }

    def run(self, stop: Stop) -> Outcome:
        """Train to the end of the run, or until ``stop`` requests it, and write a checkpoint."""
        config, seconds = self.config, 0.0
        stream = iter(()) if self.step >= config.steps else self.batches()
        clips, spent, waited, noted = 0, 0.0, 0.0, time.monotonic()
        while self.step < config.steps:
            if self._any(stop.asked(ahead=seconds)):
                self._save()
                return Outcome(False, self.step, stop.reason or "another device was asked to stop", self.first)
            started = time.monotonic()
            batch = next(stream)
            waited += time.monotonic() - started
            self._pending.append(self.learn(batch))
            self.step += 1
            seconds = time.monotonic() - started
            clips, spent = clips + len(batch.kinds) * self.world, spent + seconds
            self.seconds, noted = self.seconds + time.monotonic() - noted, time.monotonic()
            last = self.step >= config.steps
            validates = last or self.step % config.val.every == 0
            if last or self.step % config.machine.log_every == 0:
                speed = {"clips_per_second": clips / spent, "waiting": waited / spent}
                self._log("train", means(self._gather(self._pending)) | speed)
                self._pending.clear()
                clips, spent, waited = 0, 0.0, 0.0
            if validates:
                self._validate()
            if validates or self.step % config.machine.checkpoint_every == 0:
                self._save()
        if not self.best:  # resumed with fewer steps, before the first validation
            self._validate()
            self._save()
        return Outcome(True, self.step, first=self.first)

    def batches(self) -> Iterator[Batch]:
        """The batches from this step on, of this device."""
        config, workers = self.config, self.config.machine.workers
        context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may hang
        context.set_forkserver_preload(["facetell.train.batches"])
        loader = DataLoader(
            BatchStream(config.data, config.batch, config.seed, first=self.step, rank=self.rank, world=self.world),
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
        torch.manual_seed(hash((config.seed, self.step, self.rank)) % 2**63)
        self.model.train()
        for module in self._still:
            module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = config.optim.lr * schedule(self.step, config.steps, config.schedule) * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        clips, labels = (tensor.to(self.device, non_blocking=True) for tensor in (batch.clips, batch.labels))
        output = self.model(clips.float() / 255)
        smoothing = config.loss.label_smoothing
        loss, terms = combined_loss(
            output,
            labels * (1 - smoothing) + smoothing / 2,
            labels,
            aux_weight=config.loss.aux_weight,
            anomaly_weight=config.loss.anomaly_weight,
        )
        self.fabric.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.optim.grad_clip or math.inf))
        value, logits = loss.item(), output.logit.detach().float().tolist()
        if self._any(not (math.isfinite(value) and math.isfinite(norm))):
            path = self.out / BAD_BATCH
            if self.first:
                torch.save(batch._asdict(), path)
            raise FacetellError(
                f"the loss is {value:g} and its gradient {norm:g} at step {self.step}; the batch is stored in {path}; "
                "start again with a lower optim.lr, or with machine.precision=fp32"
            )
        self.optimizer.step()
        update_average(self.average, self.network, self.step, config.ema)
        return {"loss": value} | terms | {"grad_norm": norm} | _hits(logits, batch)

    def _validate(self) -> None:
        figures = figures_of(*self._score_val())
        # Without an AUC the latest weights are the best.
        if not figures["chosen_by"] <= self.best.get("chosen_by", -math.inf):
            self.best = {"step": float(self.step)} | figures
            if self.first:
                save({**self._identity(), "val": self.best}, self.out / BEST)
        self._log("val", figures)

    def _log(self, what: str, figures: dict[str, float]) -> None:
        if self.first:
            log(self.out, self.step, what, figures)

    def _score_val(self) -> tuple[Scores, Scores]:
        """Scores of ``val``, and of its real clips and their pseudo-fakes; each device scores a share."""
        config = self.config
        score = torch_score(self.average, self.device, config.machine.precision == "bf16")
        share = self._val[self.rank :: self.world]
        reals, donors = ([r for r in of if r.entry.label == 0] for of in (share, self._val))
        rows: list[Row] = [*score_recordings(score, share, config.batch)]
        pseudo: list[Row] = [*score_pseudo(score, reals, config.batch, config.val.kinds, donors)]
        return from_rows(self._gather(rows), {}), from_rows(self._gather(pseudo), {})

    def _identity(self) -> dict[str, Any]:
        """What a model file is made from: configuration, step and averaged weights."""
        return {
            "config": plain(self.config),
            "step": self.step,
            "average": self.average.state_dict(),
            "about": self._about | {"time": f"{self.seconds / 60:.0f} minutes"},
        }

    def _save(self) -> None:
        pending = self._gather(self._pending)
        if self.first:
            state = {
                "data": self._data,
                "model": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "seconds": self.seconds,
                "pending": pending,
            }
            save(self._identity() | state, self.out / CHECKPOINT)
        self.fabric.barrier()

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

    def _any(self, flag: bool) -> bool:
        """Whether the flag is true on any device."""
        return any(self._gather([flag]))

    def _gather(self, items: Sequence[Any]) -> list[Any]:
        """The items of all devices, by rank."""
        if self.world == 1:
            return list(items)
        found: list[list[Any]] = [[] for _ in range(self.world)]
        torch.distributed.all_gather_object(found, list(items))
        return [item for part in found for item in part]


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

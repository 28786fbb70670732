"""The training loop: on one device, with checkpoints, resumable to the same losses.

Batches depend on (seed, number), random numbers inside the network (dropout) on (seed, step). So the number of
the step is the position in the data and the state of every random generator, and no other state is stored.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import json
import math
import multiprocessing
import platform
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from facetell.files import write_text
from facetell.models.network import ClipNetwork, combined_loss
from facetell.runtime import signals_blocked
from facetell.train import run as runs
from facetell.train.batches import Batch, BatchStream, Sampler
from facetell.train.config import OptimConfig, ScheduleConfig, TrainConfig
from facetell.train.corpus import decode_all, fingerprint, load_recordings
from facetell.train.run import Stop
from facetell.train.validate import results_of, score_recordings, torch_score
from facetell.types import FacetellError

CONFIG = "config.yaml"
IDENTITIES = (".temporal.weight", ".kernel.weight", ".kernel2.weight")  # of motion modules, which start as identities


class Trainer:
    """Holds what a checkpoint holds: network, moving average, optimiser and the number of the next step.

    A run in the folder ``out`` is resumed. FacetellError: it has another configuration, or data are others or missing.
    """

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        keep_freed_memory()
        self.device, self._bf16 = runs.device_of(config.machine), config.machine.precision == "bf16"
        if not config.batch.pairs + config.batch.generated:
            raise FacetellError("a batch holds no clip; set batch.pairs or batch.generated to a number above 0")
        out.mkdir(parents=True, exist_ok=True)
        path = out / runs.CHECKPOINT
        state = runs.read_checkpoint(path, str(self.device)) if path.exists() else None
        if state is not None:
            runs.check_config(state["config"], config, out)
        torch.manual_seed(config.seed)
        self.network = runs.network_of(config, config.pretrained)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self._still = still_norms(self.network, config.optim)
        self.optimizer = make_optimizer(self.network, config.optim)
        self.step = 0
        self.best: dict[str, float] = {}
        decode_all(config.data, config.machine.workers)
        recordings = load_recordings(config.data, "train", config.batch.clip_frames)
        self._val = load_recordings(config.data, "val", 1)
        Sampler(recordings, config.batch, config.seed)  # raises here, and not later in a worker, if clips are missing
        self._data = fingerprint([*recordings, *self._val])
        if state is not None:
            if state["data"] != self._data:
                raise FacetellError(
                    f"the run in {out} was started with other data ({state['data']['clips']} clips then, "
                    f"{self._data['clips']} now); set data.folders as it was, or start another run with --out"
                )
            if state["step"] > config.steps:
                raise FacetellError(
                    f"the run in {out} is at step {state['step']}, beyond steps={config.steps}; give at least as many, "
                    "or start another run with --out"
                )
            self.network.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best = state["step"], state["best"]
        write_text(out / CONFIG, json.dumps(asdict(config), indent=1) + "\n")  # JSON is YAML
        runs.trim_log(out, self.step)
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{platform.machine()} CPU"
        self._about = {
            "data": f"{self._data['clips']} clips of train and val, sha256 {self._data['contents'][:12]}",
            "device": f"{name}, torch {torch.__version__}",
            "code": runs.code_line(),
        }

    def run(self, stop: Stop) -> bool:
        """Train to the end of the run, or until ``stop`` requests it, and write a checkpoint; returns whether done."""
        config, seconds = self.config, 0.0
        stream = iter(()) if self.step >= config.steps else self.batches()
        while self.step < config.steps:
            if stop.asked(ahead=seconds):
                self._save()
                return False
            started = time.monotonic()
            batch = next(stream)
            waited = time.monotonic() - started
            figures = self.learn(batch)
            self.step += 1
            seconds = time.monotonic() - started
            figures |= {"clips_per_second": len(batch.labels) / seconds, "waiting": waited / seconds}
            last = self.step >= config.steps
            runs.log(self.out, self.step, "train", figures, shown=last or self.step % config.machine.log_every == 0)
            validates = last or self.step % config.val.every == 0
            if validates:
                self._validate()
            if validates or self.step % config.machine.checkpoint_every == 0:
                self._save()
        if not self.best:  # resumed with fewer steps, before the first validation
            self._validate()
            self._save()
        return True

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
        loss, terms = combined_loss(output, labels, **asdict(config.loss))
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.optim.grad_clip or math.inf))
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise FacetellError(
                f"the loss is {value:g} and its gradient {norm:g} at step {self.step}; "
                "start again with a lower optim.lr, or with machine.precision=fp32"
            )
        self.optimizer.step()
        update_average(self.average, self.network, self.step, config.ema)
        return {"loss": value} | terms | {"grad_norm": norm}

    def _validate(self) -> None:
        score = torch_score(self.average, self.device, self._bf16)
        results = results_of([*score_recordings(score, self._val, self.config.batch)])
        auc = results.kinds["all"].auc
        figures = {"auc": auc.value, "auc_low": auc.low, "auc_high": auc.high}
        figures |= {f"auc/{kind}": found.auc.value for kind, found in results.kinds.items() if kind != "all"}
        figures["false_positives_at_0"] = results.fpr.value
        figures = {name: value for name, value in figures.items() if not math.isnan(value)}
        # Without an AUC the latest weights are the best.
        if not figures.get("auc", math.nan) <= self.best.get("auc", -math.inf):
            self.best = {"step": float(self.step)} | figures
            runs.save({**self._identity(), "val": self.best}, self.out / runs.BEST)
        runs.log(self.out, self.step, "val", figures)

    def _identity(self) -> dict[str, Any]:
        """What a model file is made from: configuration, step and averaged weights."""
        return {
            "config": asdict(self.config),
            "step": self.step,
            "average": self.average.state_dict(),
            "about": self._about,
        }

    def _save(self) -> None:
        state = {
            "data": self._data,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
        }
        runs.save(self._identity() | state, self.out / runs.CHECKPOINT)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step: given back each time, it costs a million page faults a step."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def make_optimizer(model: ClipNetwork, config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW or SGD over up to four groups: new or pretrained parameters, with or without weight decay.

    Biases, norms and :data:`IDENTITIES`, which must stay differences, do not decay. ``factor``: of the learning rate.
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
    """Batch norms to keep in evaluation mode, with the statistics of the start; new modules use the batch's."""
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

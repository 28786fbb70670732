"""The training loop: plain, checkpointed, resumable.

One step: a batch of clips forward in bfloat16 (channels-last), the combined loss L^cls1 + a L^cls2 + b L^l1 (METHOD
section 1), AdamW under a cosine schedule with warm-up, and an exponential moving average of the weights, which is what
gets evaluated and released.
"""

from __future__ import annotations

import ctypes
import json
import math
import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from facetell.models.blocks import MotionKind
from facetell.models.losses import combined_loss
from facetell.models.network import AnomalyKind, ClipNetwork
from facetell.models.zoo import create_model
from facetell.train.batches import Batch, BatchConfig, BatchStream
from facetell.train.evaluate import summarise, validate
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    Attributes:
        model, motion, anomaly: names for :func:`facetell.models.zoo.create_model`.
        steps: length of the cosine schedule in steps.
        lr: peak learning rate of AdamW; new modules (motion, heads) learn ``new_lr_factor`` times as fast.
        ema: decay of the moving average of the weights.
        label_smoothing: share by which targets are drawn towards one half.
        aux_weight, anomaly_weight: a and b of METHOD section 1.
        validate_every: steps between validations (and checkpoints kept for them).
    """

    model: str = "lite0"
    motion: MotionKind = "mcb"
    anomaly: AnomalyKind = "full"
    steps: int = 1500
    warmup: int = 100
    lr: float = 4e-4
    new_lr_factor: float = 3.0
    weight_decay: float = 0.02
    ema: float = 0.995
    label_smoothing: float = 0.05
    aux_weight: float = 0.5
    anomaly_weight: float = 0.5
    grad_clip: float = 2.0
    seed: int = 1
    threads: int = 2
    workers: int = 1
    checkpoint_every: int = 50
    validate_every: int = 250
    batch: BatchConfig = field(default_factory=BatchConfig)


class Trainer:
    """Holds what a checkpoint holds: network, moving average, optimiser and the number of the next step.

    Args:
        config: the run.
        corpus: folder made by :func:`facetell.train.corpus.prepare`.
        out: folder for checkpoints and the log; a run found there is taken up again.
    """

    def __init__(self, config: TrainConfig, corpus: Path, out: Path) -> None:
        self.config, self.corpus, self.out = config, corpus, out
        out.mkdir(parents=True, exist_ok=True)
        keep_freed_memory()
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.model = _network(config, pretrained=True)
        self.average = _network(config, pretrained=False).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(_groups(self.model, config), lr=config.lr)
        self.step = 0
        self._resume()

    def run(self, until: float = math.inf) -> None:
        """Train to the end of the schedule, or until ``time.time()`` passes ``until``; then checkpoint."""
        config = self.config
        stream = BatchStream(self.corpus, "train", config.batch, config.seed, first=self.step)
        ahead = 4 if config.workers else None  # batches made ahead by each worker
        # A generator of its own: the loader draws from it, and dropout must not notice whether a run was resumed.
        own = torch.Generator()
        loader = DataLoader(stream, batch_size=None, num_workers=config.workers, prefetch_factor=ahead, generator=own)
        recent: deque[dict[str, float]] = deque(maxlen=50)
        started = time.time()
        for batch in loader:
            recent.append(self._learn(batch))
            self.step += 1
            if self.step % 25 == 0:
                self._log("train", _means(recent) | {"seconds": round(time.time() - started, 1)})
            last = self.step >= config.steps or time.time() > until
            if last or self.step % config.checkpoint_every == 0:
                self._save()
            if last or self.step % config.validate_every == 0:
                scores = validate(self.average, self.corpus, config.batch)
                self._log("val", summarise(scores))
            if last:
                return

    def _learn(self, batch: Batch) -> dict[str, float]:
        config = self.config
        self.model.train()
        factor = _schedule(self.step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * group["factor"] * factor
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = self.model(batch.clips.float() / 255)
        targets = batch.labels * (1 - config.label_smoothing) + config.label_smoothing / 2
        loss, parts = combined_loss(
            output, targets, batch.labels, aux_weight=config.aux_weight, anomaly_weight=config.anomaly_weight
        )
        if not torch.isfinite(loss):
            torch.save(asdict(batch), self.out / "bad_batch.pt")
            raise FacetellError(
                f"the loss is {loss.item()} at step {self.step}; the batch is kept in {self.out / 'bad_batch.pt'}; "
                "resume with a lower learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        self._update_average()
        return _by_kind(output.logit.detach().float(), batch) | {"loss": loss.item()} | parts

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for kept, fresh in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(fresh, 1 - decay)
            else:
                kept.copy_(fresh)

    def _log(self, what: str, values: dict[str, Any]) -> None:
        line = json.dumps({"step": self.step, "what": what} | values)
        print(line, flush=True)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }
        temporary = self.out / "checkpoint.pt.tmp"
        torch.save(state, temporary)
        temporary.replace(self.out / "checkpoint.pt")

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.step = state["step"]


def keep_freed_memory() -> None:
    """Tell glibc's allocator to keep what is freed for the next step; elsewhere do nothing.

    A step frees and takes gigabytes in large blocks. Given back to the system each time, they come again as a million
    page faults: measured, a step of 1.5 s took 8 to 15 s.
    """
    trim_threshold, mmap_max = -1, -4
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


def _network(config: TrainConfig, pretrained: bool) -> ClipNetwork:
    network = create_model(
        config.model,
        motion=config.motion,
        anomaly=config.anomaly,
        clip_frames=config.batch.clip_frames,
        size=config.batch.size,
        pretrained=pretrained,
    )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _groups(model: ClipNetwork, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters in four groups: new or pretrained, with or without weight decay (none on biases and norms)."""
    new = set(model.new_parameter_names())
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        groups[name in new, parameter.ndim > 1].append(parameter)
    return [
        {
            "params": parameters,
            "factor": config.new_lr_factor if is_new else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (is_new, decays), parameters in groups.items()
    ]


def _schedule(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine to 1 % of the peak."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


def _by_kind(logits: torch.Tensor, batch: Batch) -> dict[str, float]:
    """Share of rightly called clips by kind (threshold 0), for the log."""
    hits: dict[str, list[float]] = defaultdict(list)
    for logit, label, kind in zip(logits.tolist(), batch.labels.tolist(), batch.kinds, strict=True):
        hits[f"hit/{kind}"].append(float((logit > 0) == bool(label)))
    return {kind: sum(values) / len(values) for kind, values in hits.items()}


def _means(recent: deque[dict[str, float]]) -> dict[str, float]:
    """Mean of each value over the steps that have it."""
    sums: dict[str, list[float]] = defaultdict(list)
    for values in recent:
        for key, value in values.items():
            sums[key].append(value)
    return {key: round(sum(values) / len(values), 4) for key, values in sorted(sums.items())}

"""The training loop: on any number of devices, checkpointed, resumable to the same losses.

One step: a batch of clips forward (mixed precision, channels-last), the combined loss L^cls1 + a L^cls2 + b L^l1
(METHOD section 1), an optimiser's step, and one of the moving average of the weights, which is what is validated,
chosen by ``val`` and released.

Batches follow from (seed, number), what is random inside the network (dropout) from (seed, step, device): so the step's
number is the position in the data and the state of every random generator, and nothing else of them has to be kept.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from facetell.evaluate.scores import Scores, write_scores
from facetell.files import write_text
from facetell.models.losses import combined_loss
from facetell.runtime import signals_blocked
from facetell.train.about import code_line, data_line, device_line, time_line
from facetell.train.batches import Batch, BatchStream, Sampler, parts_of
from facetell.train.checkpoint import BEST, CHECKPOINT, load, save
from facetell.train.config import TrainConfig
from facetell.train.corpus import decode_all, load_recordings
from facetell.train.devices import Devices
from facetell.train.journal import Clock, Journal, draw_batch, means
from facetell.train.optim import freeze, make_optimizer, schedule, set_rate, still_norms, update_average
from facetell.train.reading import plain, to_yaml
from facetell.train.resume import check_config, check_data, fingerprint
from facetell.train.start import build_network, starts_trained
from facetell.train.stop import Stop
from facetell.train.validate import figures_of
from facetell.train.watch import Watch
from facetell.types import FacetellError

CONFIG, SHEETS, BAD_BATCH = "config.yaml", "sheets", "bad_batch.pt"
SCORES, PSEUDO = "val.parquet", "pseudo.parquet"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a run came: whether it is ``done``, its ``step``, and why it stopped before, if it did.

    ``first`` is false in all processes but one: the others have nothing more to do.
    """

    done: bool
    step: int
    reason: str = ""
    first: bool = True


def train(config: TrainConfig, out: Path, stop: Stop) -> Outcome:
    """Train, or resume the run in ``out``, and write the scores of the chosen weights on ``val`` there.

    Raises:
        FacetellError: see :class:`Trainer`; or the loss is not a number.
    """
    trainer = Trainer(config, out)
    outcome = trainer.run(stop)
    if outcome.done:
        trainer.write_scores()
    trainer.devices.close()
    return outcome


class Trainer:
    """Holds what a checkpoint holds: network, moving average, optimiser and the number of the next step.

    Args:
        config: the run.
        out: folder for checkpoints and the log; a run found there is resumed.

    Raises:
        FacetellError: the configuration does not fit the devices, the run in ``out`` has another configuration or
            other data (:mod:`facetell.train.resume`), or data are missing.
    """

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        keep_freed_memory()
        self.devices = Devices(config.machine)
        _check_steps(config)
        _check_shares(config, self.devices.world)
        if self.devices.first:
            out.mkdir(parents=True, exist_ok=True)
        self.devices.wait()
        state = self._found()
        torch.manual_seed(config.seed)
        network = build_network(config, pretrained=True)
        self.average = build_network(config, pretrained=False).eval()
        self.average.load_state_dict(network.state_dict())
        if self.devices.world > 1 and self.devices.device.type == "cuda":  # torch has no such norm for the CPU
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        trained = starts_trained(config)
        self._frozen = freeze(network, config.optim.frozen, trained)
        self._still_norms = still_norms(network, trained) if config.optim.norms == "start" else []
        self.model, self.optimizer = self.devices.set_up(network, make_optimizer(network, config.optim, trained))
        self.average.to(self.devices.device)
        self.network = network
        self.step = 0
        self.best: dict[str, float] = {}
        self.stale = 0  # validations since the best one
        self._best_scores: tuple[Scores, Scores] | None = None  # of val and of forgeries made from its reals
        self.seconds = 0.0  # spent so far, by all attempts
        self._pending: list[dict[str, float]] = []  # of the steps since the last line of the log
        if self.devices.first:
            for _ in decode_all(config.data, config.machine.workers):
                pass
        self.devices.wait()
        self.watch = Watch(config, self.devices)
        recordings = load_recordings(config.data, "train", config.batch.clip_frames)
        Sampler(recordings, config.batch, config.seed)  # raises here, not in a worker later, if clips are missing
        self._data = fingerprint([*recordings, *self.watch.recordings])
        if state is not None:
            check_data(state.get("data"), self._data, out)
            self._resume(state)
        if self.devices.first:
            if not self.over:
                for name in (
                    SCORES,
                    PSEUDO,
                ):  # of a shorter run: a sweep takes a folder with scores for a run that is done
                    (out / name).unlink(missing_ok=True)
            write_text(out / CONFIG, to_yaml(config))
        self._about = {
            "data": data_line(recordings),
            "device": device_line(self.devices.device, self.devices.world),
            "code": code_line(),
        }

    @property
    def over(self) -> bool:
        """Whether there is nothing left to train."""
        patience = self.config.val.patience
        return self.step >= self.config.steps or bool(patience and self.stale >= patience)

    def run(self, stop: Stop) -> Outcome:
        """Train to the end of the run, or until ``stop`` says so; then checkpoint."""
        config = self.config
        with Journal(self.out, self.step, config.steps, quiet=not self.devices.first) as journal:
            stream, seconds = iter(()) if self.over else self._batches(), 0.0
            clock, noted = Clock(), time.monotonic()
            while not self.over:
                if self.devices.any(stop.asked(ahead=seconds)):
                    self._save()
                    reason = stop.reason or "another device was asked to stop"
                    return Outcome(False, self.step, reason, self.devices.first)
                started = time.monotonic()
                batch = next(stream)
                clock.waited(time.monotonic() - started)
                values, logits = self._learn(batch)
                self._pending.append(values)
                self.step += 1
                seconds = time.monotonic() - started
                clock.learned(len(batch.kinds) * self.devices.world, seconds)
                journal.advance(self.step, values["loss"])
                self.seconds, noted = self.seconds + time.monotonic() - noted, time.monotonic()
                self._tell(journal, clock, batch, logits)
            if not self.best:  # a run of no steps: its start is what is validated
                self._validate(journal)
            self._save()
        return Outcome(True, self.step, first=self.devices.first)

    def write_scores(self) -> None:
        """Write the scores of the chosen weights on ``val``, and on forgeries made from its reals if there are such."""
        if (self.out / SCORES).exists():
            return
        if importlib.util.find_spec("pyarrow") is None:
            print("pyarrow is not installed: there will be no score file")
            return
        if self._best_scores is None:  # found in a run that was taken up again
            self.average.load_state_dict(load(self.out / BEST, str(self.devices.device))["average"])
            self._best_scores = self.watch.scores(self.average)
        scores, pseudo = self._best_scores
        if self.devices.first:
            if len(pseudo):
                write_scores(pseudo, self.out / PSEUDO)
            write_scores(scores, self.out / SCORES)

    def _tell(self, journal: Journal, clock: Clock, batch: Batch, logits: list[float]) -> None:
        """After a step: the log, the sheet, the validation and the checkpoint that are due."""
        config, step, last = self.config, self.step, self.step >= self.config.steps
        validates = last or step % config.val.every == 0
        if (step == 1 or validates) and self.devices.first:
            draw_batch(batch, logits, self.out / SHEETS / f"step_{step:06d}.png")
        if last or step % config.machine.log_every == 0:
            journal.write(step, "train", means(self.devices.gather(self._pending)) | clock.figures())
            self._pending.clear()
            clock.reset()
        if validates:
            self._validate(journal)
            clock.reset()
        if validates or step % config.machine.checkpoint_every == 0:
            self._save()

    def _batches(self) -> Iterator[Batch]:
        config, devices = self.config, self.devices
        stream = BatchStream(
            config.data, config.batch, config.seed, first=self.step, rank=devices.rank, world=devices.world
        )
        workers = config.machine.workers
        loader = DataLoader(
            stream,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,  # batches made ahead by each worker
            # A process forked from one whose libraries hold threads may hang: a clean one is forked instead.
            multiprocessing_context=_forkserver() if workers else None,
            pin_memory=devices.device.type == "cuda",
            generator=torch.Generator(),  # its own: it draws from it, and the network must not notice
        )
        with signals_blocked():  # the workers go on until this process stops at the end of a step
            return iter(loader)

    def _learn(self, batch: Batch) -> tuple[dict[str, float], list[float]]:
        """One step; returns the values for the log and the logit of each clip."""
        config = self.config
        torch.manual_seed(hash((config.seed, self.step, self.devices.rank)) % 2**63)
        self.model.train()
        for module in (*self._frozen, *self._still_norms):
            module.eval()
        set_rate(self.optimizer, config.optim.lr * schedule(self.step, config.steps, config.schedule))
        self.optimizer.zero_grad(set_to_none=True)
        batch = batch.to(self.devices.device)
        slots = len(batch.kinds) // 2
        parts = parts_of(slots, config.optim.accumulate, apart=config.optim.norms == "apart")
        told, logits = [], [0.0] * len(batch.kinds)
        for number, places in enumerate(parts):
            with self.devices.no_sync(self.model, number < len(parts) - 1):
                values, found = self._backward(batch.take(places), len(parts))
            told.append(values)
            for place, logit in zip(places, found, strict=True):
                logits[place] = logit
        limit = config.optim.grad_clip or math.inf
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        values = means(told)
        if self.devices.any(not (math.isfinite(values["loss"]) and math.isfinite(norm))):
            self._refuse(batch, values["loss"], norm)
        self.optimizer.step()
        update_average(self.average, self.network, self.step, config.ema)
        return values | {"grad_norm": norm} | _hits(logits, batch), logits

    def _backward(self, part: Batch, parts: int) -> tuple[dict[str, float], list[float]]:
        smoothing = self.config.loss.label_smoothing
        output = self.model(part.clips.float() / 255)
        loss, terms = combined_loss(
            output,
            part.labels * (1 - smoothing) + smoothing / 2,
            part.labels,
            aux_weight=self.config.loss.aux_weight,
            anomaly_weight=self.config.loss.anomaly_weight,
        )
        self.devices.backward(loss / parts)
        return {"loss": loss.item()} | terms, output.logit.detach().float().tolist()

    def _refuse(self, batch: Batch, loss: float, norm: float) -> None:
        """Stop before nonsense reaches the weights; the last checkpoint is sound."""
        path = self.out / BAD_BATCH
        if self.devices.first:
            torch.save(asdict(batch), path)
        raise FacetellError(
            f"the loss is {loss:g} and its gradient {norm:g} at step {self.step}; the batch is kept in {path}; "
            "begin anew with a lower optim.lr, or with machine.precision=fp32"
        )

    def _validate(self, journal: Journal) -> None:
        scores = self.watch.scores(self.average)
        figures = figures_of(*scores)
        # Where nothing tells how good they are, the latest weights are the best.
        better = not figures["chosen_by"] <= self.best.get("chosen_by", -math.inf)
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best, self._best_scores = {"step": float(self.step)} | figures, scores
            if self.devices.first:
                for name in (SCORES, PSEUDO):  # of weights that are not the best any more
                    (self.out / name).unlink(missing_ok=True)
                save({**self._identity(), "val": self.best}, self.out / BEST)
        journal.write(self.step, "val", figures)

    def _identity(self) -> dict[str, Any]:
        """What a model can be made from: configuration, step and averaged weights."""
        return {
            "config": plain(self.config),
            "step": self.step,
            "average": self.average.state_dict(),
            "about": self._about | {"time": time_line(self.seconds)},
        }

    def _save(self) -> None:
        pending = self.devices.gather(self._pending)
        if self.devices.first:
            state = self._identity() | {
                "data": self._data,
                "model": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "stale": self.stale,
                "seconds": self.seconds,
                "pending": pending,
            }
            save(state, self.out / CHECKPOINT)
        self.devices.wait()

    def _found(self) -> dict[str, Any] | None:
        """The checkpoint in the run's folder, which must be of this configuration; None without one."""
        path = self.out / CHECKPOINT
        if not path.exists():
            return None
        state = load(path, str(self.devices.device))
        check_config(state["config"], plain(self.config), self.out)
        if state["step"] > self.config.steps:
            raise FacetellError(
                f"the run in {self.out} is at step {state['step']}, beyond steps={self.config.steps}; "
                "give at least as many, or start another run with --out"
            )
        return state

    def _resume(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        self.seconds = state["seconds"]
        self._pending = state["pending"] if self.devices.first else []


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


def _forkserver() -> Any:
    """Where workers are forked from: a process that has imported what they need, and done nothing with it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["facetell.train.batches"])
    return context


def _check_steps(config: TrainConfig) -> None:
    if config.steps < 0:
        raise FacetellError(f"steps={config.steps}; give a number of steps, or 0 to release the start as it is")
    if config.steps == 0 and not starts_trained(config):
        raise FacetellError(
            f"steps=0 releases the start as it is, but pretrained={config.pretrained or repr('')} is no trained model "
            "file (.onnx); name one, or give a number of steps"
        )


def _check_shares(config: TrainConfig, world: int) -> None:
    slots, accumulate = config.batch.pairs + config.batch.generated, config.optim.accumulate
    if slots <= 0 or slots % (world * accumulate):
        raise FacetellError(
            f"a batch of {slots} slots (batch.pairs + batch.generated) cannot be shared evenly by {world} device(s) in "
            f"{accumulate} part(s); choose a multiple of {world * accumulate}"
        )
    if config.optim.norms == "apart" and slots < 2 * world * accumulate:
        raise FacetellError(
            f"optim.norms=apart needs two slots (batch.pairs + batch.generated) in each part, at least "
            f"{2 * world * accumulate} in all; there are {slots}"
        )


def _hits(logits: Sequence[float], batch: Batch) -> dict[str, float]:
    """Share of rightly called clips by kind (threshold 0), for the log."""
    hits: dict[str, list[float]] = defaultdict(list)
    for logit, label, kind in zip(logits, batch.labels.tolist(), batch.kinds, strict=True):
        hits[f"hit/{kind}"].append(float((logit > 0) == bool(label)))
    return {kind: sum(values) / len(values) for kind, values in hits.items()}

"""What a training run is: one tree of frozen dataclasses, read from YAML by :mod:`facetell.train.reading`.

Steps, not epochs, measure a run: every batch follows from (seed, number), so a step is the same step on any machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from facetell.forge.degrade import DegradeConfig
from facetell.forge.recipe import KINDS, ForgeRecipe
from facetell.types import FacetellError, check_whole


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which clips there are to train and validate on.

    Attributes:
        folders: made by ``facetell prepare``, relative to where the command runs.
        without: methods of forgery that neither training nor validation may see (leave-one-out).
        compression: if not empty, only entries of this compression, and those that name none.
        cache: folder for decoded pictures, mapped from disk instead of decoded again; "" for ``.decoded`` in the first
            of ``folders``.
        cache_gb: size that the cache may reach; clips beyond it are decoded each time. 0 for no cache.
    """

    folders: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    compression: str = ""
    cache: str = ""
    cache_gb: float = 20.0


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What a batch is made of, over all devices together; it holds ``2 * (pairs + generated)`` clips.

    Attributes:
        pairs: reals that stand beside a forgery of themselves.
        generated: forged clips of the data, each beside a real: its own source where the data know it, else anyone.
        clip_frames: T.
        frame_rate: frames per second, about: a clip is shown every so many whole frames of its own.
        size: side of the network's input in pixels.
        crop_scale: side of the square in face lengths; jittered by ``scale_jitter`` (a share) and ``shift_jitter``.
        work_margin: forging works on a square larger by this factor, so that it sees what lies around.
        detail: forging and degrading work on pixels finer than the network's by this factor, as forgers and cameras do.
        donor_share: share of forgeries that may borrow another person's face.
        twin_share: share of reals that go through harmless twins of the forging steps.
        every_second: share of pairs that show only every second of the frames they would, as slower videos do.
        background: share of pairs whose surroundings of the face are blurred, in real and forgery alike.
        generated_background: the same for clips of generators and the reals beside them: few studios, many clips.
        still: share of those whose blurred surroundings are one picture that stands still under the face.
        reverse: share of pairs that run backwards: as smooth, and other motion.
        turn: pairs are turned by up to so many degrees, each by one angle.
        stretch: and made wider or narrower by up to this share.
        bend: share of pairs warped steadily, alike in all frames, to the face of nobody.
    """

    pairs: int = 5
    generated: int = 1
    clip_frames: int = 8
    frame_rate: float = 25.0
    size: int = 160
    crop_scale: float = 1.35
    scale_jitter: float = 0.1
    shift_jitter: float = 0.06
    work_margin: float = 1.25
    detail: float = 1.0
    donor_share: float = 0.5
    twin_share: float = 0.15
    every_second: float = 0.15
    background: float = 0.3
    generated_background: float = 0.3
    still: float = 0.0
    reverse: float = 0.0
    turn: float = 0.0
    stretch: float = 0.0
    bend: float = 0.0
    recipe: ForgeRecipe = field(default_factory=lambda: ForgeRecipe(swap=2.0, cut=0.25, mouth=0.5))
    degrade: DegradeConfig = field(
        default_factory=lambda: DegradeConfig(resize=0.2, blur=0.1, noisy=0.1, codec=0.3, jpeg=0.15)
    )

    def __post_init__(self) -> None:
        if not 0 < self.frame_rate < math.inf:
            raise FacetellError(f"batch.frame_rate is a number above 0, in frames per second, not {self.frame_rate!r}")
        if not 0 < self.crop_scale < math.inf:
            raise FacetellError(f"batch.crop_scale is a number above 0, in face lengths, not {self.crop_scale!r}")
        check_whole("batch.clip_frames", self.clip_frames, 2)  # as model files need
        check_whole("batch.size", self.size, 1)
        if self.pairs and not any(getattr(self.recipe, kind) for kind in KINDS):
            raise FacetellError(
                "all kinds of forgery in batch.recipe have a weight of 0; give one more, or set pairs=0"
            )


@dataclass(frozen=True, slots=True)
class OptimConfig:
    """How weights move.

    Attributes:
        kind: the optimiser.
        lr: peak learning rate; modules that the start has not given (motion, heads) learn ``new_lr_factor`` times as
            fast.
        momentum: of SGD.
        weight_decay: of weights; none on biases, norms and kernels that start as identities.
        frozen: layers that stay as they start, counted from the input (the stem is one, each block another), norms too:
            fewer people are learnt by heart, and a step costs less. None may hold a motion module, unless
            ``pretrained`` is a model file, which has learnt it.
        norms: what batch norms take their statistics from: "batch"; "apart", either of two halves of the batch, no real
            in the same as its forgery; or "start", those that the start has given. With the statistics of a batch that
            holds a real beside its forgery, a network can tell the two by comparing them, which it cannot where a clip
            is scored by itself (docs/experiments.md).
        grad_clip: largest norm of the gradient; 0 for no limit.
        accumulate: parts that a batch is computed in, one after the other.
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    lr: float = 4e-4
    new_lr_factor: float = 3.0
    momentum: float = 0.9
    weight_decay: float = 0.02
    frozen: int = 0
    norms: Literal["batch", "apart", "start"] = "batch"
    grad_clip: float = 2.0
    accumulate: int = 1


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """The learning rate's factor over the run.

    Attributes:
        kind: "cosine" falls to ``floor``; "step" (STM's recipe) is multiplied by ``gamma`` at each of ``milestones``.
        warmup: steps of linear rise before.
        milestones: shares of the run in (0, 1), rising.
    """

    kind: Literal["cosine", "step"] = "cosine"
    warmup: int = 100
    floor: float = 0.01
    milestones: tuple[float, ...] = (0.6, 0.8, 0.9)
    gamma: float = 0.1


@dataclass(frozen=True, slots=True)
class LossConfig:
    """L = L^cls1 + ``aux_weight`` L^cls2 + ``anomaly_weight`` L^l1 (METHOD section 1: a and b).

    ``label_smoothing`` is the share by which targets are drawn towards one half.
    """

    aux_weight: float = 0.5
    anomaly_weight: float = 0.5
    label_smoothing: float = 0.05


@dataclass(frozen=True, slots=True)
class ValConfig:
    """How the run is watched; the weights with the best AUC on ``val`` are the ones that are kept.

    Attributes:
        every: steps between validations.
        kinds: forgeries made from the reals of ``val``, each measured beside those that ``val`` itself holds.
        patience: validations without a gain after which the run ends; 0 for never.
    """

    every: int = 250
    kinds: tuple[str, ...] = ()
    patience: int = 0

    def __post_init__(self) -> None:
        check_whole("val.every", self.every, 1)
        check_whole("val.patience", self.patience, 0)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise FacetellError(f"val.kinds: '{unknown[0]}' is not a kind of forgery; the kinds are {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """What it runs on; none of it changes which batches are seen.

    Attributes:
        device: "auto" takes a GPU where there is one.
        devices: processes, one a device; ``nodes`` machines of as many each.
        precision: "bf16" (mixed) or "fp32".
        threads: of each process for computing on a CPU; 0 leaves it to torch.
        workers: processes that forge and degrade, for each device; 0 for none of their own.
        checkpoint_every: steps.
        log_every: steps.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["bf16", "fp32"] = "bf16"
    threads: int = 0
    workers: int = 1
    checkpoint_every: int = 50
    log_every: int = 25

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "checkpoint_every", "log_every"):
            check_whole(f"machine.{name}", getattr(self, name), 1)
        for name in ("threads", "workers"):
            check_whole(f"machine.{name}", getattr(self, name), 0)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    Attributes:
        model, motion, anomaly, pretrained, overrides: for :func:`facetell.models.zoo.create_model`; ``motion`` "" takes
            the network's own; ``pretrained`` is "imagenet" or "clip" (the pinned weights), "" for a random start, the
            path of a checkpoint, or that of a model file (.onnx) of the same network, which is then trained on.
        steps: length of the run and of its schedule; 0 takes the start as it is, to measure and release it.
        ema: decay of the moving average of the weights, which is what is validated and released.
    """

    model: str = "lite0"
    motion: str = ""
    anomaly: Literal["none", "no_cls2", "no_l1", "full"] = "full"
    pretrained: str = "imagenet"
    overrides: dict[str, Any] = field(default_factory=dict)
    steps: int = 1500
    ema: float = 0.995
    seed: int = 1
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    val: ValConfig = field(default_factory=ValConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)

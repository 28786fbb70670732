"""The configuration of a training run: frozen dataclasses, read from YAML by :mod:`facetell.train.reading`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict

from facetell.forge.degrade import DegradeConfig
from facetell.forge.recipe import KINDS, ForgeRecipe
from facetell.types import FacetellError, check_whole

Names = Annotated[tuple[str, ...], BeforeValidator(lambda v: ([v] if v else []) if isinstance(v, str) else v)]
"""A list of strings; a single string is a list of one."""
STRICT = ConfigDict(extra="forbid")  # unknown keys are errors, at any depth


@dataclass(frozen=True, slots=True)
class DataConfig:
    """The clips to train and validate on."""

    folders: Names = ()  # written by `facetell prepare`, relative to the current folder
    without: Names = ()  # methods of forgery left out of training and validation (leave-one-out)
    compression: str = ""  # if not empty, only entries of this compression and those without one
    cache: str = ""  # folder for decoded frames; "" for `.decoded` in the first of `folders`
    cache_gb: float = 20.0  # maximum size of the cache; further clips are decoded each time


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """A batch, over all devices together: ``2 * (pairs + generated)`` clips."""

    pairs: int = 5  # real clips, each with a pseudo-fake of itself
    generated: int = 1  # forged clips of the data, each with its source if the manifest names it, else any real clip
    clip_frames: int = 8  # T
    frame_rate: float = 25.0  # approximate; frames are skipped by whole steps
    size: int = 160  # side of the network's input in pixels
    crop_scale: float = 1.35  # side of the crop in face lengths
    scale_jitter: float = 0.1  # maximum relative change of the side of the crop
    shift_jitter: float = 0.06  # maximum shift of the crop in parts of its side
    work_margin: float = 1.25  # pseudo-fakes are made on a crop larger by this factor
    donor_share: float = 0.5  # share of pseudo-fakes with a donor of another identity
    twin_share: float = 0.15  # share of real clips that pass through harmless variants of the forging steps
    every_second: float = 0.15  # share of pairs that show every second frame
    background: float = 0.3  # share of pairs whose background is blurred in both clips
    generated_background: float = 0.3  # the same for `generated`
    turn: float = 0.0  # maximum rotation of a pair in degrees
    stretch: float = 0.0  # maximum relative change of the aspect ratio of a pair
    recipe: ForgeRecipe = field(default_factory=lambda: ForgeRecipe(swap=2.0, cut=0.25, mouth=0.5))
    degrade: DegradeConfig = field(
        default_factory=lambda: DegradeConfig(resize=0.2, blur=0.1, noisy=0.1, codec=0.3, jpeg=0.15)
    )

    def __post_init__(self) -> None:
        for name, unit in (("frame_rate", "frames per second"), ("crop_scale", "face lengths")):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise FacetellError(f"batch.{name} is a number above 0, in {unit}, not {value!r}")
        check_whole("batch.clip_frames", self.clip_frames, 2)  # as model files need
        check_whole("batch.size", self.size, 1)
        if self.pairs and not any(getattr(self.recipe, kind) for kind in KINDS):
            raise FacetellError("all kinds in batch.recipe have a weight of 0; give one a weight, or set pairs=0")


@dataclass(frozen=True, slots=True)
class OptimConfig:
    """The optimiser.

    With the batch norm statistics of a batch that holds a real clip and its pseudo-fake, a network can compare the two,
    which is not possible when a clip is scored alone (docs/experiments.md): ``norms: start`` prevents this.
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    lr: float = 4e-4  # peak learning rate
    new_lr_factor: float = 3.0  # of modules without pretrained weights (motion, classifiers)
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.02  # of weights; not of biases, norms and kernels that start as identities
    frozen: int = 0  # layers from the input on that are not trained (the stem is one, each block another)
    norms: Literal["batch", "start"] = "batch"  # statistics of batch norms: of each batch, or those of the start
    grad_clip: float = 2.0  # maximum norm of the gradient; 0 for no limit


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """The factor of the learning rate during the run."""

    kind: Literal["cosine", "step"] = "cosine"  # "step" is STM's recipe
    warmup: int = 100  # steps of linear rise at the beginning
    floor: float = 0.01  # of "cosine", at the end
    milestones: tuple[float, ...] = (0.6, 0.8, 0.9)  # of "step", shares of the run
    gamma: float = 0.1  # of "step", factor at each milestone


@dataclass(frozen=True, slots=True)
class LossConfig:
    """L = L^cls1 + ``aux_weight`` L^cls2 + ``anomaly_weight`` L^l1, with smoothed labels."""

    aux_weight: float = 0.5
    anomaly_weight: float = 0.5
    label_smoothing: float = 0.05


@dataclass(frozen=True, slots=True)
class ValConfig:
    """Validation; the weights with the best AUC on ``val`` are kept."""

    every: int = 250  # steps
    kinds: Names = ()  # pseudo-fakes of the real clips of `val` that are scored as well

    def __post_init__(self) -> None:
        check_whole("val.every", self.every, 1)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise FacetellError(f"val.kinds: '{unknown[0]}' is not a kind of forgery; the kinds are {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """Hardware; nothing here changes the batches."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # "auto" uses a GPU if there is one
    devices: int = 1  # processes, one per device
    precision: Literal["bf16", "fp32"] = "bf16"  # bf16 is mixed precision
    threads: int = 0  # CPU threads of each process; 0 for torch's default
    workers: int = 1  # processes that prepare batches, for each device; 0 for none
    checkpoint_every: int = 50  # steps
    log_every: int = 25  # steps

    def __post_init__(self) -> None:
        for name, least in (("devices", 1), ("checkpoint_every", 1), ("log_every", 1), ("threads", 0), ("workers", 0)):
            check_whole(f"machine.{name}", getattr(self, name), least)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    ``pretrained`` is "imagenet" or "clip" (the pinned weights), "" for random weights, the path of a published
    checkpoint, or that of a model file (.onnx) of the same network.
    """

    __pydantic_config__ = STRICT

    model: str = "lite0"  # this and the next four: see facetell.models.zoo.create_model
    motion: str = ""  # "" for the default of the network
    anomaly: Literal["none", "no_cls2", "no_l1", "full"] = "full"
    pretrained: str = "imagenet"
    overrides: dict[str, Any] = field(default_factory=dict)
    steps: int = 1500  # length of the run and of its schedule
    ema: float = 0.995  # decay of the moving average of the weights, which is validated and released
    seed: int = 1
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    val: ValConfig = field(default_factory=ValConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, 1)

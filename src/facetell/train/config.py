"""Configurations: frozen dataclasses of a training run and of a probe, read from YAML files and ``key=value`` words.

A file may begin with ``extends: OTHER.yaml`` (relative to itself) and then holds only the differences from that file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from facetell.engine.info import invalid_field
from facetell.forge.degrade import DegradeConfig
from facetell.forge.recipe import KINDS, ForgeRecipe
from facetell.types import FacetellError, needs_extra

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Built = TypeVar("Built", bound="DataclassInstance")
Tree = dict[str, Any]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda v: ([v] if v else []) if isinstance(v, str) else v)]
"""A list of strings; a single string is a list of one."""
Natural = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
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
    """A batch: ``2 * (pairs + generated)`` clips."""

    pairs: int = 5  # real clips, each with a pseudo-fake of itself
    generated: int = 1  # forged clips of the data, each with its source if the manifest names it, else any real clip
    clip_frames: Annotated[int, Field(ge=2)] = 8  # T
    frame_rate: Positive = 25.0  # approximate; frames are skipped by whole steps
    size: Natural = 160  # side of the network's input in pixels
    crop_scale: Positive = 1.35  # side of the crop in face lengths
    scale_jitter: float = 0.1  # maximum relative change of the side of the crop
    shift_jitter: float = 0.06  # maximum shift of the crop in parts of its side
    work_margin: float = 1.25  # pseudo-fakes are made on a crop larger by this factor
    donor_share: float = 0.5  # share of pseudo-fakes with a donor of another identity
    twin_share: float = 0.15  # share of real clips that pass through harmless variants of the forging steps
    every_second: float = 0.15  # share of windows of every second frame
    background: float = 0.3  # share of pairs whose background is blurred in both clips
    generated_background: float = 0.3  # the same for `generated`
    turn: float = 0.0  # maximum rotation of a pair in degrees
    stretch: float = 0.0  # maximum relative change of the aspect ratio of a pair
    recipe: ForgeRecipe = field(default_factory=lambda: ForgeRecipe(swap=2.0, cut=0.25, mouth=0.5))
    degrade: DegradeConfig = field(
        default_factory=lambda: DegradeConfig(resize=0.2, blur=0.1, noisy=0.1, codec=0.3, jpeg=0.15)
    )

    def __post_init__(self) -> None:
        if self.pairs and not any(getattr(self.recipe, kind) for kind in KINDS):
            raise FacetellError("all kinds in batch.recipe have a weight of 0; give one a weight, or set pairs=0")


@dataclass(frozen=True, slots=True)
class OptimConfig:
    """The optimiser.

    ``norms: start`` keeps a network from comparing a real clip and its pseudo-fake by the batch norm statistics of
    their batch, which it cannot do when a clip is scored alone (docs/experiments.md).
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    lr: float = 4e-4  # peak learning rate
    new_lr_factor: float = 3.0  # of modules without pretrained weights (motion, classifiers)
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.02  # of weights; not of biases, norms and kernels that start as identities
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

    every: Natural = 250  # steps


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """Hardware; nothing here changes the batches."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # "auto" uses a GPU if there is one
    precision: Literal["bf16", "fp32"] = "bf16"  # bf16 is mixed precision
    threads: Whole = 0  # CPU threads; 0 for torch's default
    workers: Whole = 1  # processes that prepare batches; 0 for none
    checkpoint_every: Natural = 50  # steps
    log_every: Natural = 25  # steps between the lines that are printed


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    ``pretrained`` is "imagenet" or "clip" (the pinned weights), "" (random), or the path of a published checkpoint.
    """

    __pydantic_config__ = STRICT

    model: str = "lite0"  # this and the next four: see facetell.models.zoo.create_model
    motion: str = ""  # "" for the default of the network
    anomaly: Literal["none", "no_cls2", "no_l1", "full"] = "full"
    pretrained: str = "imagenet"
    overrides: dict[str, Any] = field(default_factory=dict)
    steps: Natural = 1500  # length of the run and of its schedule
    ema: float = 0.995  # decay of the moving average of the weights, which is validated and released
    seed: Whole = 1
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    val: ValConfig = field(default_factory=ValConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)


GROUPS = (
    *("plain_real", "varied_real", "generated", "swapped", "plain_generated", "plain_swapped"),
    *("seams", "mouths", "resynthesised", "reenacted"),
)
"""Groups of views: real ones as detection crops them and varied ones; forgeries of the data, with face swaps apart, and
those of them that are plain; and pseudo-fakes (``sbv`` and ``swap``; ``mouth``; ``resynth``; the other kinds)."""


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """The views of a recording, see :mod:`facetell.train.features`."""

    clip_frames: int = 8  # T of the clips of detection; a plain view is the middle frame of one
    plain: int = 6  # frames as detection crops them
    pairs: int = 6  # varied frames of a real recording, each with a pseudo-fake of itself
    forged: int = 4  # varied frames of a forged recording


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """Members of one kind of the ensemble."""

    name: str = "all"  # in the logs
    features: tuple[str, ...] = ()  # of the network's features, such as "cls9" or "std6"; empty for all
    weights: dict[str, float] = field(default_factory=dict)  # share of each of GROUPS in a batch, default 0
    count: Natural = 2  # members, each from another initialisation
    scale: float = 1.0  # factor of their logits in the average

    def __post_init__(self) -> None:
        unknown = sorted({*self.weights} - {*GROUPS})
        if unknown:
            raise FacetellError(f"weights: there is no group '{unknown[0]}'; the groups are {', '.join(GROUPS)}")


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Training of a member."""

    hidden: int = 64  # units of its hidden layer
    steps: int = 500
    batch: int = 128  # views, drawn with replacement by the weights of their groups
    lr: float = 5e-4  # peak rate of AdamW, one cycle
    weight_decay: float = 0.05
    dropout_in: float = 0.3  # of the features
    dropout: float = 0.5  # of the hidden layer
    mixup: float = 0.5  # parameter of the Beta distribution; 0 for none
    smoothing: float = 0.1  # of the labels


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """The part of the classifier for patches: which are changed in a pseudo-fake? Its logit b is scaled and shifted."""

    fit: FitConfig = FitConfig(steps=1000, batch=32, lr=1e-3, dropout_in=0.2, dropout=0.3)  # batch: pairs of views
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """One run."""

    __pydantic_config__ = STRICT

    model: str = "clip_vit_b16"  # this and the next two: see facetell.models.zoo.create_model
    overrides: dict[str, Any] = field(default_factory=dict)
    pretrained: bool = True
    data: DataConfig = field(default_factory=DataConfig)  # `train` and `val` are both used
    batch: BatchConfig = field(default_factory=BatchConfig)  # views: forged, degraded, cropped; `pairs` is not used
    views: ViewConfig = field(default_factory=ViewConfig)
    members: tuple[MemberConfig, ...] = ()
    fit: FitConfig = field(default_factory=FitConfig)
    local: LocalConfig | None = None  # None for no part for patches
    folds: int = 5  # of the cross-validation
    seeds: tuple[Whole, ...] = (0, 1, 2)  # divisions into folds; each gives every video a score
    seed: Whole = 23  # of views and members
    max_cue_auc: float = 0.6  # largest accepted AUC of a linear probe on cues of coding and framing
    workers: int = 2  # processes that compute features


def read_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig | ProbeConfig:
    """The run of a YAML file, or the probe if it has the table ``probe``, changed by words such as ``optim.lr=1e-3``.

    FacetellError: a file is missing or not YAML, a key is unknown, or a value has the wrong type.
    """
    tree = override(read_tree(path), changes)
    if "probe" in tree:
        if len(tree) > 1 or not isinstance(tree["probe"], dict):
            raise FacetellError(f"{path.name}: 'probe' is a table and the only one; write its keys as probe.KEY")
        return build(ProbeConfig, tree["probe"], f"{path.name}: probe")
    return build(TrainConfig, tree, path.name)


def read_tree(path: Path, below: tuple[Path, ...] = ()) -> Tree:
    """The keys of a YAML file over those of the file that it extends, not checked yet.

    FacetellError: a file is missing, is not YAML, extends itself, or is not a table of keys.
    """
    try:
        import yaml
    except ImportError:
        raise needs_extra("Reading a configuration", "train") from None
    if (real := Path(os.path.realpath(path))) in below:
        raise FacetellError(f"{path} extends itself; remove one `extends`")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError):
        raise FacetellError(f"there is no configuration at {path}; name a YAML file, such as one of configs/") from None
    except yaml.YAMLError as error:
        raise FacetellError(f"{path} is not YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(tree, dict):
        raise FacetellError(f"{path} holds no keys; write `key: value` lines")
    base = tree.pop("extends", None)
    return tree if base is None else merge(read_tree(path.parent / str(base), (*below, real)), tree)


def merge(base: Tree, over: Mapping[str, Any]) -> Tree:
    """``base`` with the values of ``over``, table by table.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def override(tree: Tree, words: Sequence[str]) -> Tree:
    """The tree with ``a.b=value`` words; values are written as in YAML.

    FacetellError: a word has no ``=``, or its value is not YAML.
    """
    import yaml

    for word in words:
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise FacetellError(f"'{word}' is not key=value; write for example optim.lr=1e-3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise FacetellError(f"the value of '{word}' is not YAML; put it in quotes") from None
        inner: Any = "" if value is None else value
        tree = merge(tree, reduce(lambda below, part: {part: below}, reversed(key.split(".")), inner))
    return tree


def build(kind: type[Built], tree: Mapping[str, Any], where: str) -> Built:
    """A dataclass from its values by name, with tables for the dataclasses inside it; others keep their defaults.

    FacetellError: a key is unknown or a value has the wrong type; the message begins with ``where``.
    """
    try:
        return TypeAdapter(kind).validate_python(merge(asdict(kind()), tree))
    except ValidationError as error:
        raise FacetellError(
            f"{where}: {invalid_field(error)}; the keys are those of facetell/train/config.py"
        ) from None

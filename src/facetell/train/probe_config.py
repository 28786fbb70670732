"""The configuration of a probe, read from the table ``probe`` of a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from facetell.datasets.cues import MAX_AUC
from facetell.train.config import STRICT, BatchConfig, DataConfig
from facetell.types import FacetellError, check_whole

GROUPS = ("plain_real", "varied_real", "generated", "swapped", "seams", "mouths", "resynthesised", "reenacted")
"""Groups of views: real ones as detection crops them and varied ones; forgeries of the data, with face swaps apart; and
pseudo-fakes (``sbv`` and ``swap``; ``mouth``; ``resynth``; the other kinds)."""


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
    count: int = 2  # members, each from another initialisation
    scale: float = 1.0  # factor of their logits in the average

    def __post_init__(self) -> None:
        check_whole("count", self.count, 1)
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
    folds: int = 5  # of the cross-validation
    seeds: tuple[int, ...] = (0, 1, 2)  # divisions into folds; each gives every video a score
    seed: int = 23  # of views and members
    max_cue_auc: float = MAX_AUC  # largest accepted AUC of a linear probe on cues of coding and framing
    workers: int = 2  # processes that compute features

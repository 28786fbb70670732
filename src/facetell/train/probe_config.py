"""What a run of :mod:`facetell.train.probe` is, read from the table ``probe`` of a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from facetell.datasets.cues import MAX_AUC
from facetell.train.config import BatchConfig, DataConfig
from facetell.train.features import ViewConfig
from facetell.types import FacetellError, check_whole

GROUPS = ("plain_real", "varied_real", "generated", "swapped", "seams", "mouths", "resynthesised", "reenacted")
"""What members are trained on: reals as detection crops them and varied; forgeries of the data, face swaps apart; and
pseudo-fakes (``sbv`` and ``swap``; ``mouth``; ``resynth``; the other kinds)."""


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """Members of one kind.

    Attributes:
        name: in the logs.
        features: which of the network's features they see, such as "cls9" or "std6"; empty for all.
        weights: share of each of :data:`GROUPS` in a batch; groups that are not named have none.
        count: how many there are, each from another start.
        scale: factor of their logits in the average.
    """

    name: str = "all"
    features: tuple[str, ...] = ()
    weights: dict[str, Any] = field(default_factory=dict)
    count: int = 2
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_whole("count", self.count, 1)
        unknown = sorted({*self.weights} - {*GROUPS})
        if unknown:
            raise FacetellError(f"weights: there is no group '{unknown[0]}'; the groups are {', '.join(GROUPS)}")


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How a member is trained.

    Attributes:
        hidden: units of its hidden layer.
        steps, batch: of views, drawn with replacement by the weights of their groups.
        lr: peak rate of AdamW, one cycle.
        dropout_in, dropout: of the features and of the hidden layer.
        mixup: parameter of the Beta distribution; 0 for none.
        smoothing: share by which targets are drawn towards one half.
    """

    hidden: int = 64
    steps: int = 500
    batch: int = 128
    lr: float = 5e-4
    weight_decay: float = 0.05
    dropout_in: float = 0.3
    dropout: float = 0.5
    mixup: float = 0.5
    smoothing: float = 0.1


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """One run.

    Attributes:
        model, overrides, pretrained: for :func:`facetell.models.zoo.create_model`; the network stays as it starts.
        data: folders of prepared clips; ``train`` and ``val`` are both used.
        batch: how views are forged, degraded and cropped (``pairs`` and ``generated`` are not used).
        views: which views there are of a recording.
        members: see :class:`MemberConfig`.
        fit: see :class:`FitConfig`.
        folds: of the cross-validation.
        seeds: divisions into folds; each gives every video a score.
        seed: of views and members.
        max_cue_auc: largest AUC of a linear probe on cues of coding and framing (:mod:`facetell.datasets.cues`); the
            run ends where the views have a larger one.
        workers: processes that compute features.
    """

    model: str = "clip_vit_b16"
    overrides: dict[str, Any] = field(default_factory=dict)
    pretrained: bool = True
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    members: tuple[dict[str, Any], ...] = ()
    fit: FitConfig = field(default_factory=FitConfig)
    folds: int = 5
    seeds: tuple[int, ...] = (0, 1, 2)
    seed: int = 23
    max_cue_auc: float = MAX_AUC
    workers: int = 2

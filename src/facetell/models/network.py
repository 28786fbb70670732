"""The network around every backbone: normalisation, classifier, anomaly block, output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.anomaly import AnomalyBlock
from facetell.models.blocks import CMM, CSTM, Trace, by_clip

AnomalyKind = Literal["none", "no_cls2", "no_l1", "full"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The input of a network."""

    name: str  # the network's name in the zoo
    clip_frames: int = 8  # T
    frame_rate: float = 25.0  # frames per second
    size: int = 224  # side of the square input in pixels
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of RGB in [0, 1]; applied inside the network
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_scale: float = 1.35  # side of the crop in face lengths


class ClipOutput(NamedTuple):
    """Output for N clips."""

    logit: Tensor  # (N,), positive = forged; or (N, classes)
    aux_logit: Tensor | None = None  # the same, of the anomaly block's classifier
    anomaly_map: Tensor | None = None  # A (N, T, cues, h, w), if L^l1 is used
    motion: Tensor | None = None  # magnitude (N, T, h, w) of the highest-order motion response, on request


class Backbone(nn.Module):
    """A network of feature maps.

    ``decided`` are arguments with defaults that change the shape; they are stored with the weights, so that files do
    not depend on the defaults.
    """

    deep_channels: int  # channels of the deepest maps
    feature_channels: int  # length of the feature vectors
    decided: Mapping[str, object] = MappingProxyType({})

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """Normalised frames (N*T, 3, H, W) to the deepest maps (N*T, deep_channels, h, w) and feature vectors.

        The feature vectors (N*T, feature_channels) are the input of the classifier.
        """
        raise NotImplementedError

    def layers(self) -> list[nn.Module]:
        """The stem, then every block, in the order of computation."""
        raise NotImplementedError

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The arrays of a published checkpoint that this backbone uses, under its own names."""
        raise NotImplementedError


class Perceptron(nn.Module):
    """A classifier with one hidden layer: (N, ``features``) to logits (N, ``classes``)."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to (N, classes)."""
        logits: Tensor = self.outer(functional.gelu(self.inner(features)))
        return logits


class ClipNetwork(nn.Module):
    """Clips to logits.

    Args:
        config: the input.
        backbone: the network of feature maps.
        num_classes: 1 gives one logit a clip, positive = forged.
        anomaly: "full" anomaly block, "no_cls2" (without its classifier), "no_l1" (without L^l1), or "none".
        dropout: before the classifier.
        hidden: units of the classifier's hidden layer; 0 for a linear classifier.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: ModelConfig,
        backbone: Backbone,
        *,
        num_classes: int = 1,
        anomaly: AnomalyKind = "full",
        dropout: float = 0.2,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        self.architecture: dict[str, object] = {}  # arguments of create_model that build this network again
        self.backbone = backbone
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier: nn.Module
        if hidden:
            self.classifier = Perceptron(backbone.feature_channels, hidden, num_classes)
        else:
            linear = nn.Linear(backbone.feature_channels, num_classes)
            nn.init.normal_(linear.weight, std=0.01)
            nn.init.zeros_(linear.bias)
            self.classifier = linear
        self.uses_l1 = anomaly in ("full", "no_cls2")
        self.anomaly: AnomalyBlock | None = None
        if anomaly != "none":
            self.anomaly = AnomalyBlock(backbone.deep_channels, 0 if anomaly == "no_cls2" else num_classes)

    def forward(self, clip: Tensor, with_motion: bool = False, with_anomaly: bool = True) -> ClipOutput:
        """Score clips (N, T, 3, H, W), float RGB in [0, 1].

        The logit of a clip is the mean of the logits of its frames. ``with_anomaly=False`` skips the anomaly block.
        """
        trace: Trace | None = [] if with_motion else None
        deep, features = self.features(clip, trace)
        seen = features.shape[0] // clip.shape[0]
        if isinstance(self.classifier, Perceptron):
            logit = by_clip(self.classifier(self.dropout(features)), seen).mean(dim=1)
        else:  # linear: the mean of the features gives the mean of the logits
            logit = self.classifier(self.dropout(by_clip(features, seen).mean(dim=1)))
        logit = self._squeeze(logit)
        motion = _mean_map([highest for _, highest in trace]) if trace else None
        if self.anomaly is None or not with_anomaly:
            return ClipOutput(logit, motion=motion)
        anomaly_map, aux_logit = self.anomaly(deep, clip.shape[0])
        return ClipOutput(
            logit,
            None if aux_logit is None else self._squeeze(aux_logit),
            anomaly_map if self.uses_l1 else None,
            motion,
        )

    def features(self, clip: Tensor, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """The backbone's deepest maps and feature vectors of clips (N, T, 3, H, W), float RGB in [0, 1]."""
        deep, features = self.backbone((clip.flatten(0, 1) - self.mean) / self.std, clip.shape[1], trace)
        return deep, features

    def motion_maps(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Magnitudes of F^M and of F^MM, each (N, T, h, w): means over the motion blocks.

        The last map of F^M and the last two of F^MM are empty; for ``cmm`` both are F^M.

        Raises:
            ValueError: the network has no motion blocks.
        """
        trace: Trace = []
        self.features(clip, trace)
        if not trace:
            raise ValueError("a network without motion blocks has no motion maps")
        return _mean_map([first for first, _ in trace]), _mean_map([highest for _, highest in trace])

    def new_parameter_names(self) -> list[str]:
        """Parameters that no published checkpoint has: temporal and motion modules, classifiers."""
        new = (CSTM, CMM, AnomalyBlock)
        prefixes = [f"{name}." for name, module in self.named_modules() if isinstance(module, new)]
        prefixes.append("classifier.")
        return [name for name, _ in self.named_parameters() if name.startswith(tuple(prefixes))]

    def _squeeze(self, logit: Tensor) -> Tensor:
        return logit.squeeze(1) if self.num_classes == 1 else logit


def _mean_map(maps: list[Tensor]) -> Tensor:
    """Mean of maps (N, T, h, w) of several sizes, on the grid of the finest."""
    finest = max(maps, key=lambda part: part.shape[-1])
    total = finest
    for part in maps:
        if part is not finest:
            total = total + functional.interpolate(part, size=finest.shape[-2:], mode="bilinear")
    return total / len(maps)

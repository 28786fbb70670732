"""The network around every backbone: normalisation, classifier, anomaly block, output, and the training loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import CMM, CSTM, by_clip

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
    patches: Tensor | None = None  # logits of patches (N, P), row by row, of a classifier with a part for them


VARIANCE_FLOOR = 1e-6  # added to a variance before its root, whose gradient is infinite at 0


def deviation(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Standard deviation over some axes."""
    return (x.var(dim=dim, correction=0) + VARIANCE_FLOOR).sqrt()


class Backbone(nn.Module):
    """A network of feature maps; ``decided`` are arguments whose defaults change the shape, stored with the weights.

    ``forward(x, frames)`` takes normalised frames (N*T, 3, H, W) to the deepest maps (N*T, deep_channels, h, w)
    and the feature vectors (N*T, feature_channels), the input of the classifier.
    """

    deep_channels: int  # channels of the deepest maps
    parts: Mapping[str, int]  # the feature vectors: name and length of each part, in order
    every: int = 1  # of every so many frames only the middle one is computed
    decided: Mapping[str, object] = MappingProxyType({})

    @property
    def feature_channels(self) -> int:
        """Length of the feature vectors."""
        return sum(self.parts.values())

    def middles(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """The frames (N*T', C, H, W) that are computed, of (N*T, C, H, W), and T' = T / ``every``, rounded up."""
        if self.every == 1:
            return x, frames
        chosen = [(first + min(first + self.every, frames)) // 2 for first in range(0, frames, self.every)]
        return by_clip(x, frames)[:, chosen].flatten(0, 1), len(chosen)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The arrays of a published checkpoint that this backbone uses, under its own names."""
        raise NotImplementedError


class AnomalyBlock(nn.Module):
    """The auxiliary anomaly-detection (AD) block: a convolution stack on the deepest feature map, and a classifier.

    The idea is that of arXiv 2403.05172, shape and placement are ours. L^l1 pulls the anomaly map A of real clips to
    zero; an auxiliary classifier of A alone (L^cls2) keeps A from being zero everywhere. The block is used in training
    only: exported models do not contain it. Without ``num_classes`` it has no classifier (the ablation without L^cls2).
    """

    def __init__(self, channels: int, num_classes: int = 1) -> None:
        super().__init__()
        hidden, cues = 128, 16
        self.stack = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            # No bias, so that A = 0 everywhere is possible.
            nn.Conv2d(hidden, cues, 1, bias=False),
        )
        self.classifier = nn.Linear(cues, num_classes) if num_classes else None

    def forward(self, x: Tensor, clips: int) -> tuple[Tensor, Tensor | None]:
        """Feature maps (N*T, C, h, w) of N ``clips`` to A (N, T, cues, h, w) and auxiliary logits (N, num_classes)."""
        cues = self.stack(x)
        anomaly = by_clip(cues, cues.shape[0] // clips)
        if self.classifier is None:
            return anomaly, None
        return anomaly, self.classifier(anomaly.abs().mean(dim=(1, 3, 4)))


class Perceptron(nn.Module):
    """A classifier with one hidden layer: (N, ``features``) to logits (N, ``classes``)."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to (N, classes)."""
        logits: Tensor = self.outer(functional.gelu(self.inner(features)))
        return logits


HIGHEST = 5  # patches whose mean logit is that of all


class FrameClassifier(Perceptron):
    """Logits of frames from their feature vectors and, with ``local`` hidden units, from their patches as well.

    A face is forged as a whole or in a part, so the logit is log(exp(a) + exp(b)): a of the vector, b the mean of the
    :data:`HIGHEST` highest logits of the patches, by a perceptron on vectors of ``channels``.
    """

    def __init__(self, features: int, hidden: int, classes: int, channels: int = 0, local: int = 0) -> None:
        super().__init__(features, hidden, classes)
        self.local = Perceptron(channels, local, classes) if local else None

    def forward(self, features: Tensor, patches: Tensor) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        """(N, F) and patches (N, P, ``channels``) to logits (N, classes), and of the patches (N, P, classes)."""
        logits = super().forward(features)
        if self.local is None:
            return logits, None
        of_patches: Tensor = self.local(patches)
        highest = of_patches.topk(HIGHEST, dim=1).values.mean(dim=1)
        return logits + functional.softplus(highest - logits), of_patches


class ClipNetwork(nn.Module):
    """Clips to logits; the arguments are those of :func:`facetell.models.zoo.create_model`."""

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
        local: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        self.architecture: dict[str, object] = {}  # arguments of create_model that build this network again
        self.backbone = backbone
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier: FrameClassifier | nn.Linear
        if hidden:
            channels = backbone.feature_channels, backbone.deep_channels
            self.classifier = FrameClassifier(channels[0], hidden, num_classes, channels[1], local)
        else:
            self.classifier = nn.Linear(backbone.feature_channels, num_classes)
            nn.init.normal_(self.classifier.weight, std=0.01)
            nn.init.zeros_(self.classifier.bias)
        self.uses_l1 = anomaly in ("full", "no_cls2")
        self.anomaly: AnomalyBlock | None = None
        if anomaly != "none":
            self.anomaly = AnomalyBlock(backbone.deep_channels, 0 if anomaly == "no_cls2" else num_classes)

    def forward(self, clip: Tensor, with_anomaly: bool = True) -> ClipOutput:
        """Score clips (N, T, 3, H, W), float RGB in [0, 1], by the mean logit of their frames.

        ``with_anomaly=False`` skips the anomaly block.
        """
        deep, features = self.features(clip)
        seen, patches = features.shape[0] // clip.shape[0], None
        if isinstance(self.classifier, FrameClassifier):
            logit, patches = self.classifier(self.dropout(features), patches_of(deep))
            logit = by_clip(logit, seen).mean(dim=1)
            patches = None if patches is None else by_clip(patches[..., 0], seen).mean(dim=1)
        else:  # linear: the mean of the features gives the mean of the logits
            logit = self.classifier(self.dropout(by_clip(features, seen).mean(dim=1)))
        anomaly_map, aux_logit = self.anomaly(deep, len(clip)) if self.anomaly and with_anomaly else (None, None)
        if self.num_classes == 1:
            logit, aux_logit = logit.squeeze(1), None if aux_logit is None else aux_logit.squeeze(1)
        return ClipOutput(logit, aux_logit, anomaly_map if self.uses_l1 else None, patches)

    def features(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's deepest maps and feature vectors of clips (N, T, 3, H, W), float RGB in [0, 1]."""
        deep, features = self.backbone((clip.flatten(0, 1) - self.mean) / self.std, clip.shape[1])
        return deep, features

    def new_parameter_names(self) -> list[str]:
        """Parameters that no published checkpoint has: temporal and motion modules, classifiers."""
        new = (CSTM, CMM, AnomalyBlock)
        prefixes = [f"{name}." for name, module in self.named_modules() if isinstance(module, new)]
        prefixes.append("classifier.")
        return [name for name, _ in self.named_parameters() if name.startswith(tuple(prefixes))]


def patches_of(maps: Tensor) -> Tensor:
    """Maps (N, C, h, w) as vectors (N, h*w, C)."""
    return maps.flatten(2).transpose(1, 2)


def anomaly_l1(anomaly: Tensor, labels: Tensor) -> Tensor:
    """L^l1: mean |A| (N, ...) over the elements of the real clips (label 0); 0 for a batch without real clips."""
    real = (labels < 0.5).to(anomaly.device)
    sizes = anomaly.float().abs().flatten(1).mean(dim=1)
    return torch.where(real, sizes, torch.zeros_like(sizes)).sum() / real.sum().clamp(min=1)


def combined_loss(
    output: ClipOutput,
    labels: Tensor,
    *,
    aux_weight: float = 1.0,
    anomaly_weight: float = 1.0,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, dict[str, float]]:
    """The loss L^cls1 + ``aux_weight`` L^cls2 + ``anomaly_weight`` L^l1; terms whose output is None are left out.

    ``labels`` float (N,), 1 = forged. Returns the loss, and its unweighted terms by name ("cls1", "cls2", "l1").
    """
    entropy, targets = functional.binary_cross_entropy_with_logits, labels * (1 - label_smoothing) + label_smoothing / 2
    loss = entropy(output.logit.float(), targets)
    parts = {"cls1": loss.item()}
    if output.aux_logit is not None:
        auxiliary = entropy(output.aux_logit.float(), targets)
        loss, parts["cls2"] = loss + aux_weight * auxiliary, auxiliary.item()
    if output.anomaly_map is not None:
        compact = anomaly_l1(output.anomaly_map, labels)
        loss, parts["l1"] = loss + anomaly_weight * compact, compact.item()
    return loss, parts

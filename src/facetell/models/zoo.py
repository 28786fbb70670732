"""A small explicit registry of the networks that can be built by name, under one contract.

A network takes clips (N, T, 3, H, W), RGB in [0, 1], and gives an :class:`Output`; normalisation is inside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facetell.assets import locate
from facetell.models.anomaly import AnomalyBlock
from facetell.models.lite import FEATURES, EfficientNetLite

MOTIONS = {"none": 0, "cmm": 1, "mcb": 2}
ANOMALIES = ("full", "no_cls2", "no_l1", "none")
MEAN, STD = 127 / 255, 128 / 255  # of the Lite checkpoints, for all channels


class Output(NamedTuple):
    """``logit`` (N,), positive = forged; in training also those of the anomaly block: (N,) and (N, T, C, h, w)."""

    logit: Tensor
    aux_logit: Tensor | None = None
    anomaly: Tensor | None = None


class FaceForgeryNet(nn.Module):
    """Backbone, head and anomaly block; per-frame logits are averaged (METHOD section 1)."""

    def __init__(self, variant: str, motion: str, anomaly: str, frames: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.frames = frames
        self.backbone = EfficientNetLite(variant, frames, MOTIONS[motion])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(FEATURES, 1)
        self.anomaly = (
            AnomalyBlock(self.backbone.channels, classify=anomaly != "no_cls2") if anomaly != "none" else None
        )
        self.keeps_l1 = anomaly != "no_l1"

    def forward(self, clips: Tensor) -> Output:
        """Clips (N, T, 3, H, W) in [0, 1] to an :class:`Output`."""
        frames = ((clips - MEAN) / STD).flatten(0, 1)
        frames = frames.contiguous(memory_format=torch.channels_last) if self.training else frames
        feature, pooled = self.backbone(frames)
        logit = self.head(self.dropout(pooled)).reshape(-1, self.frames).mean(1)
        if self.anomaly is None or not self.training:
            return Output(logit)
        maps, auxiliary = self.anomaly(feature, self.frames)
        return Output(logit, auxiliary, maps if self.keeps_l1 else None)

    def new_parameter_names(self) -> list[str]:
        """Names of the parameters that ImageNet weights do not cover."""
        new = ("head.", "anomaly.")
        return [n for n, _ in self.named_parameters() if n.startswith(new) or ".cstm." in n or ".motion." in n]


def list_models() -> list[str]:
    """Names that :func:`create_model` knows."""
    return ["lite0"]


def create_model(
    name: str,
    motion: str = "mcb",
    anomaly: str = "full",
    clip_frames: int = 8,
    size: int = 160,
    pretrained: bool = False,
) -> FaceForgeryNet:
    """Build a network by name."""
    model = FaceForgeryNet(name, motion, anomaly, clip_frames)
    if pretrained:
        state = torch.load(locate("imagenet_lite0"), map_location="cpu", weights_only=True)
        state = {k: v for k, v in state.items() if not k.startswith("_fc.")}
        missing, unexpected = model.backbone.load_state_dict(state, strict=False)
        if unexpected or any(".cstm." not in k and ".motion." not in k for k in missing):
            raise ValueError(f"unexpected {unexpected}, missing {missing}")
    return model

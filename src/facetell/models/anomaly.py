"""The auxiliary anomaly-detection (AD) block; the idea is that of arXiv 2403.05172, shape and placement are ours.

L^l1 pulls the anomaly map A of real clips to zero; an auxiliary classifier of A alone (L^cls2) keeps A from being zero
everywhere. The block is used in training only: exported models do not contain it.
"""

from __future__ import annotations

from torch import Tensor, nn

from facetell.models.blocks import by_clip


class AnomalyBlock(nn.Module):
    """A small convolution stack on the deepest feature map, and a classifier of its output.

    Args:
        channels: C of the feature map.
        num_classes: outputs of the auxiliary classifier; 0 for none (the ablation without L^cls2).
        hidden: width of the stack.
        cues: channels of the anomaly map.
    """

    def __init__(self, channels: int, num_classes: int = 1, *, hidden: int = 128, cues: int = 16) -> None:
        super().__init__()
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

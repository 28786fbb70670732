"""The auxiliary anomaly-detection block (METHOD section 1; the idea of learned spoof cues, arXiv 2005.03922)."""

from __future__ import annotations

from torch import Tensor, nn


class AnomalyBlock(nn.Module):
    """Deep feature to an anomaly map A, and an auxiliary logit read from A.

    A is drawn to zero on reals by L^l1; the classifier (L^cls2) keeps A = 0 everywhere from being the optimum.

    Args:
        channels: of the last-stage feature.
        classify: whether there is an auxiliary classifier (the ablation "no_cls2" has none).
        width: channels inside and of A.
    """

    def __init__(self, channels: int, classify: bool = True, width: int = 64) -> None:
        super().__init__()
        self.cue = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.classifier = nn.Linear(width, 1) if classify else None

    def forward(self, feature: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """(N·T, C, h, w) to A (N, T, width, h, w) and the auxiliary logit (N,) or None."""
        cue = self.cue(feature)
        maps = cue.reshape(-1, frames, *cue.shape[1:])
        if self.classifier is None:
            return maps, None
        return maps, self.classifier(maps.abs().mean((1, 3, 4)))[:, 0]

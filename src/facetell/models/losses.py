"""L = L^cls1 + a L^cls2 + b L^l1 (METHOD section 1), each part a function of its own, all in float32."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Output(Protocol):
    """What a network of the zoo returns."""

    logit: Tensor
    aux_logit: Tensor | None
    anomaly: Tensor | None


def classification_loss(logit: Tensor, target: Tensor) -> Tensor:
    """L^cls1 and L^cls2: binary cross-entropy of logits (N,) against targets (N,) in [0, 1]."""
    return functional.binary_cross_entropy_with_logits(logit.float(), target.float())


def compactness_loss(anomaly: Tensor, label: Tensor) -> Tensor:
    """L^l1: mean |A| over the reals (``label`` 0) of a batch, A of shape (N, ...); 0 where there is no real."""
    real = (label < 0.5).float()
    per_clip = anomaly.float().abs().flatten(1).mean(1)
    return (per_clip * real).sum() / real.sum().clamp(min=1)


def combined_loss(
    output: Output, target: Tensor, label: Tensor, *, aux_weight: float = 1.0, anomaly_weight: float = 1.0
) -> tuple[Tensor, dict[str, float]]:
    """The whole loss and its parts.

    Args:
        output: of a network of the zoo.
        target: (N,) in [0, 1], possibly smoothed.
        label: (N,) 1 = forged, 0 = real.
        aux_weight: a.
        anomaly_weight: b.
    """
    total = main = classification_loss(output.logit, target)
    parts = {"cls1": main.item()}
    if output.aux_logit is not None:
        auxiliary = classification_loss(output.aux_logit, target)
        parts["cls2"] = auxiliary.item()
        total = total + aux_weight * auxiliary
    if output.anomaly is not None and anomaly_weight > 0:
        compact = compactness_loss(output.anomaly, label)
        parts["l1"] = compact.item()
        total = total + anomaly_weight * compact
    return total, parts

"""The training loss: L = L^cls1 + a L^cls2 + b L^l1 (arXiv 2403.05172), all terms in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facetell.models.network import ClipOutput


def anomaly_l1(anomaly: Tensor, labels: Tensor) -> Tensor:
    """L^l1: mean |A| (N, ...) over the elements of the real clips (label 0); 0 for a batch without real clips."""
    real = (labels < 0.5).to(anomaly.device)
    sizes = anomaly.float().abs().flatten(1).mean(dim=1)
    return torch.where(real, sizes, torch.zeros_like(sizes)).sum() / real.sum().clamp(min=1)


def combined_loss(
    output: ClipOutput,
    targets: Tensor,
    labels: Tensor,
    *,
    aux_weight: float = 1.0,
    anomaly_weight: float = 1.0,
) -> tuple[Tensor, dict[str, float]]:
    """L^cls1 + ``aux_weight`` L^cls2 + ``anomaly_weight`` L^l1; terms whose output is None are left out.

    ``targets`` (N,) in [0, 1] may be smoothed ``labels`` (N,), 1 = forged. Returns the loss, and its unweighted terms
    by name ("cls1", "cls2", "l1") for the log.
    """
    entropy = functional.binary_cross_entropy_with_logits
    loss = entropy(output.logit.float(), targets.float())
    parts = {"cls1": loss.item()}
    if output.aux_logit is not None:
        auxiliary = entropy(output.aux_logit.float(), targets.float())
        loss, parts["cls2"] = loss + aux_weight * auxiliary, auxiliary.item()
    if output.anomaly_map is not None:
        compact = anomaly_l1(output.anomaly_map, labels)
        loss, parts["l1"] = loss + anomaly_weight * compact, compact.item()
    return loss, parts

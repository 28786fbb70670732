"""The three terms of the training loss: L = L^cls1 + a L^cls2 + b L^l1 (arXiv 2403.05172)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facetell.models.network import ClipOutput


def classification_loss(logit: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, in float32: L^cls1 of the main head, L^cls2 of the auxiliary classifier.

    Args:
        logit: (N,) with ``target`` float (N,) in [0, 1], 1 = forged; or (N, classes) with ``target`` int (N,).
        target: see above; may be smoothed.
    """
    if logit.ndim == 1:
        return functional.binary_cross_entropy_with_logits(logit.float(), target.float())
    return functional.cross_entropy(logit.float(), target)


def anomaly_l1(anomaly: Tensor, labels: Tensor) -> Tensor:
    """L^l1: mean |A| over the elements of the real clips, in float32; 0 for a batch without real clips.

    Args:
        anomaly: A (N, ...).
        labels: (N,), 0 = real.
    """
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

    Args:
        output: of a network in training.
        targets: of the classifiers, (N,), possibly smoothed.
        labels: of the clips, (N,), 0 = real.
        aux_weight, anomaly_weight: a and b.

    Returns:
        The loss, and its unweighted terms by name ("cls1", "cls2", "l1") for the log.
    """
    loss = classification_loss(output.logit, targets)
    parts = {"cls1": loss.item()}
    if output.aux_logit is not None:
        auxiliary = classification_loss(output.aux_logit, targets)
        loss, parts["cls2"] = loss + aux_weight * auxiliary, auxiliary.item()
    if output.anomaly_map is not None:
        compact = anomaly_l1(output.anomaly_map, labels)
        loss, parts["l1"] = loss + anomaly_weight * compact, compact.item()
    return loss, parts

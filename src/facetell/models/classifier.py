"""From feature vectors to logits: a linear classifier, one for each of several parts, or a perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STD = 0.01  # of the weights at the start


def classifier_of(parts: Sequence[int], classes: int, hidden: int = 0) -> nn.Module:
    """Features (N, sum of ``parts``) to logits (N, ``classes``).

    Args:
        parts: lengths of the parts of a feature vector that are judged apart.
        hidden: units of a hidden layer; 0 for none.
        classes: 1 for forged or not. Of several classes none is told by any part alone: all are then judged together.
    """
    if hidden:
        return Perceptron(sum(parts), hidden, classes)
    if classes == 1 and len(parts) > 1:
        return NoisyOr(parts)
    linear = nn.Linear(sum(parts), classes)
    nn.init.normal_(linear.weight, std=STD)
    nn.init.zeros_(linear.bias)
    return linear


class Perceptron(nn.Module):
    """One hidden layer; it judges each frame by itself, and the logits of the frames are averaged.

    Args:
        features: length of a feature vector.
        hidden: units of the hidden layer.
        classes: logits.
    """

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to (N, classes)."""
        logits: Tensor = self.outer(functional.gelu(self.inner(features)))
        return logits


class NoisyOr(nn.Module):
    """Forged if any part of the features says so.

    Each part has a linear classifier of its own. As independent witnesses of one fact, each of whom may miss it, they
    are put together by the noisy-or of Bayesian networks (Pearl 1988): the probability of genuine is the product of
    what each gives it. A sum of logits would let a witness that has nothing to say outvote one that has.

    Args:
        parts: lengths of the parts of a feature vector.
    """

    def __init__(self, parts: Sequence[int]) -> None:
        super().__init__()
        self.parts = list(parts)
        self.weight = nn.Parameter(torch.empty(1, sum(parts)))
        # All together say even odds at the start.
        self.bias = nn.Parameter(torch.full((len(parts),), math.log(2 ** (1 / len(parts)) - 1)))
        nn.init.normal_(self.weight, std=STD)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to one logit, (N, 1)."""
        return noisy_or(self.logits(features))

    def logits(self, features: Tensor) -> Tensor:
        """(N, F) to the logit of each part, (N, parts)."""
        weighted = torch.split(features * self.weight, self.parts, dim=1)
        return torch.stack([part.sum(dim=1) for part in weighted], dim=1) + self.bias


def noisy_or(logits: Tensor) -> Tensor:
    """Logits (N, K) of independent witnesses to the logit (N, 1) that any of them is right.

    >>> noisy_or(torch.tensor([[0.0, 0.0], [3.0, -20.0]]))
    tensor([[1.0986],
            [3.0000]])
    """
    either = logits[:, :1]
    for number in range(1, logits.shape[1]):
        other = logits[:, number : number + 1]
        # P(any) : P(none) = (1 + a)(1 + b) - 1 : 1 in odds; in logs, where nothing overflows or cancels.
        either = torch.logsumexp(torch.cat([either, other, either + other], dim=1), dim=1, keepdim=True)
    return either

"""Batch norm over the whole batch of all devices, so that many devices compute what one would.

A GPU has torch's own; this is the same for the CPU, where torch has none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce, get_world_size
from torch.nn.modules.batchnorm import _BatchNorm


class _Total(torch.autograd.Function):
    """The sum over all processes; each one's gradient is the sum of all of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        all_reduce(total)
        return total


def _total(x: Tensor) -> Tensor:
    summed: Tensor = _Total.apply(x)  # type: ignore[no-untyped-call]
    return summed


class SyncedBatchNorm(nn.BatchNorm2d):
    """``BatchNorm2d`` (or 3d) whose mean and variance in training are those over all processes.

    All must hold equally many samples. The parameters keep their names.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to the same."""
        if not self.training:
            return super().forward(x)
        world = get_world_size()
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        wide = x if x.dtype is torch.float64 else x.float()
        mean = _total(wide.mean(dim=axes)) / world
        centred = wide - mean.view(shape)
        variance = _total(centred.square().mean(dim=axes)) / world
        self._note(mean.detach(), variance.detach(), world * x.numel() // x.shape[1])
        scale = torch.rsqrt(variance + self.eps) * self.weight
        out: Tensor = centred * scale.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics as torch does: by ``momentum``, the variance unbiased."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of axes."""


def synchronise_norms(model: nn.Module, on_gpu: bool) -> None:
    """Turn every batch norm inside the model into one over all devices; names of parameters stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, _BatchNorm) or isinstance(child, (SyncedBatchNorm, nn.SyncBatchNorm)):
                continue
            if on_gpu:
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
            else:
                synced = SyncedBatchNorm(child.num_features, child.eps, child.momentum)
                synced.load_state_dict(child.state_dict())
                setattr(parent, name, synced)

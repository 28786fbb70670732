"""Depthwise convolution in mixed precision on a CPU, with a backward pass that is not slower than in float32.

Two of oneDNN's bfloat16 kernels for depthwise convolutions are many times slower than their float32 twins: the
gradient of the input where the stride is 2, and that of a 5 x 5 weight. Together they were half of a training step of
EfficientNet-Lite0. Here both are taken in float32, which is also the more exact; all else stays in bfloat16.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

_backward = torch.ops.aten.convolution_backward


def depthwise_conv2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """``conv2d`` of every channel with its own kernel.

    Args:
        x: (N, C, H, W).
        weight: (C, 1, k, k).
        stride, padding: of both axes, in pixels.

    Returns:
        (N, C, H', W'), in bfloat16 under autocast to it, else in the type of ``x``.
    """
    slow = stride > 1 or weight.shape[-1] > 3
    if slow and x.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        return cast(Tensor, _Depthwise.apply(x.to(kind), weight.to(kind), stride, padding))  # type: ignore[no-untyped-call]
    return functional.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])


class _Depthwise(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grads: list[Tensor | None] = []
        for number, slow in enumerate((ctx.stride > 1, weight.shape[-1] > 3)):
            if not ctx.needs_input_grad[number]:
                grads.append(None)
                continue
            kind = torch.float32 if slow else grad.dtype
            tensors = (tensor.to(kind) for tensor in (grad, x, weight))
            mask = [number == 0, number == 1, False]
            pair = [ctx.stride] * 2, [ctx.padding] * 2
            found = _backward(*tensors, None, *pair, [1, 1], False, [0, 0], weight.shape[0], mask)
            grads.append(found[number].to(grad.dtype))
        return grads[0], grads[1], None, None

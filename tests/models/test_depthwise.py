"""Depthwise convolution: the same numbers as the library's, in float32 and under autocast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from facetell.models.depthwise import depthwise_conv2d


def gradients(y: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((y.float() * torch.linspace(-1, 1, y.numel()).view_as(y)).sum(), of)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (5, 1, 2), (5, 2, 0), (5, 2, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_library_s_convolution(kernel: int, stride: int, padding: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 8, 13, 11).to(memory_format=layout).requires_grad_()
    weight = torch.randn(8, 1, kernel, kernel, requires_grad=True)
    expected = functional.conv2d(x, weight, None, stride, padding, 1, 8)
    torch.testing.assert_close(depthwise_conv2d(x, weight, stride, padding), expected)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = depthwise_conv2d(x, weight, stride, padding)
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), expected, rtol=0.02, atol=0.02 * float(expected.detach().abs().max()))
    for found, exact in zip(gradients(mixed, x, weight), gradients(expected, x, weight), strict=True):
        assert found.dtype == exact.dtype == torch.float32
        torch.testing.assert_close(found, exact, rtol=0.02, atol=0.02 * float(exact.abs().max()))


def test_a_frozen_kernel_gets_no_gradient() -> None:
    x, weight = torch.randn(1, 4, 9, 9, requires_grad=True), torch.randn(4, 1, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        depthwise_conv2d(x, weight, 2, 2).float().sum().backward()
    assert x.grad is not None and weight.grad is None

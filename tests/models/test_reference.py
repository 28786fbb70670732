"""CSTM, CMM and MCB against plain NumPy loops written from METHOD section 1, knowing nothing of the torch code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from facetell.models.blocks import CMM, CSTM, MCB, MotionBlock, Trace

Array = NDArray[np.float64]
N, T, C, H, W = 2, 5, 16, 4, 6


def pointwise(x: Array, layer: nn.Sequential) -> Array:
    """1x1 convolution and batch norm (evaluation) on (T, C, H, W)."""
    weight = layer[0].weight.detach().numpy()[:, :, 0, 0]
    norm = layer[1]
    mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    gain, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    out = np.zeros((x.shape[0], weight.shape[0], *x.shape[2:]))
    for t in range(x.shape[0]):
        for c in range(weight.shape[0]):
            total = sum(weight[c, k] * x[t, k] for k in range(x.shape[1]))
            out[t, c] = (total - mean[c]) / np.sqrt(var[c] + norm.eps) * gain[c] + bias[c]
    return out


def depthwise3x3(image: Array, kernel: Array) -> Array:
    """Cross-correlation of one map (H, W) with one 3x3 kernel, zeros outside."""
    out = np.zeros_like(image)
    height, width = image.shape
    for y in range(height):
        for x in range(width):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        out[y, x] += kernel[dy + 1, dx + 1] * image[y + dy, x + dx]
    return out


def differences(maps: Array, kernel: Array, count: int) -> Array:
    """K * maps[t+1] - maps[t] for the first ``count`` t, then zeros."""
    out = np.zeros_like(maps)
    for t in range(count):
        for c in range(maps.shape[1]):
            out[t, c] = depthwise3x3(maps[t + 1, c], kernel[c, 0]) - maps[t, c]
    return out


def motion_by_hand(clip: Array, block: CMM, stride: int = 1, offset: int = 0) -> list[Array]:
    """F^M, and F^MM for an MCB, of one clip (T, C, H, W)."""
    reduced = pointwise(clip[:, :, offset::stride, offset::stride], block.reduce)
    first = differences(reduced, block.kernel.weight.detach().numpy(), T - 1)
    out = [pointwise(first, block.restore)]
    if isinstance(block, MCB):
        second = differences(first, block.kernel2.weight.detach().numpy(), T - 2)
        out.append(pointwise(second, block.restore2))
    return out


def on_clips(block: nn.Module, clips: torch.Tensor, *more: int) -> torch.Tensor:
    """The block's output for clips (N, T, C, H, W), as (N, T, ...)."""
    return block(clips.flatten(0, 1), clips.shape[1], *more).unflatten(0, clips.shape[:2])


def randomised(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.double().eval()


@pytest.mark.parametrize("kind", [CMM, MCB])
@pytest.mark.parametrize(("stride", "offset"), [(1, 0), (2, 0), (2, 1)])
def test_motion_modules(kind: type[CMM], stride: int, offset: int) -> None:
    block = randomised(kind(C, reduction=4))
    clips = torch.randn(N, T, C, H, W, dtype=torch.float64)
    with torch.no_grad():
        got = on_clips(block, clips, stride, offset).numpy()
    for clip, out in zip(clips.numpy(), got, strict=True):
        np.testing.assert_allclose(out, sum(motion_by_hand(clip, block, stride, offset)), atol=1e-10)


def test_temporal_convolution() -> None:
    block = randomised(CSTM(C))
    weight = block.weight.detach().numpy()
    clips = torch.randn(N, T, C, H, W, dtype=torch.float64)
    with torch.no_grad():
        got = on_clips(block, clips).numpy()
    for clip, out in zip(clips.numpy(), got, strict=True):
        for t in range(T):
            for c in range(C):
                want = sum(weight[c, 0, k, 0] * clip[t + k - 1, c] for k in range(3) if 0 <= t + k - 1 < T)
                np.testing.assert_allclose(out[t, c], want, atol=1e-12)


@pytest.mark.parametrize(("stride", "offset"), [(1, 0), (2, 0), (2, 1)])
def test_the_block_is_the_sum_of_its_three_parts(stride: int, offset: int) -> None:
    spatial = nn.Conv2d(C, C, 3, stride, padding=1, bias=False)
    block = randomised(MotionBlock(C, spatial, stride=stride, reduction=4))
    clip = torch.randn(T, C, H, W, dtype=torch.float64)
    trace: Trace = []
    with torch.no_grad():
        got = block(clip, T, offset=offset).numpy()
        traced = block(clip, T, trace, offset).numpy()
        shared = spatial(block.temporal(clip, T)).numpy()
    parts = motion_by_hand(clip.numpy(), block.motion, stride, offset)
    np.testing.assert_allclose(got, shared + sum(parts), atol=1e-10)
    np.testing.assert_allclose(traced, got, atol=1e-10)
    for size, part in zip(trace[0], parts, strict=True):  # less the answer to no motion, which ends every clip
        np.testing.assert_allclose(size[0].numpy(), np.sqrt(((part - part[-1:]) ** 2).mean(axis=1)), atol=1e-10)

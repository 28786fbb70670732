"""CSTM, CMM and MCB against plain NumPy loops written from METHOD section 1, and the properties stated there."""

import numpy as np
import pytest
import torch
from torch import nn

from facetell.models.blocks import CMM, CSTM, MCB, MotionBlock

N, T, C, H, W = 2, 5, 16, 4, 6


def pointwise(x, layer):
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


def depthwise3x3(image, kernel):
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


def differences(maps, kernel, count):
    """K * maps[t+1] - maps[t] for the first ``count`` t, then zeros."""
    out = np.zeros_like(maps)
    for t in range(count):
        for c in range(maps.shape[1]):
            out[t, c] = depthwise3x3(maps[t + 1, c], kernel[c, 0]) - maps[t, c]
    return out


def motion_by_hand(clip, block, stride=1, offset=0):
    """F^M, and F^MM for an MCB, of one clip (T, C, H, W)."""
    reduced = pointwise(clip[:, :, offset::stride, offset::stride], block.reduce)
    first = differences(reduced, block.kernel.weight.detach().numpy(), T - 1)
    out = [pointwise(first, block.restore)]
    if isinstance(block, MCB):
        second = differences(first, block.kernel2.weight.detach().numpy(), T - 2)
        out.append(pointwise(second, block.restore2))
    return out


def on_clips(block, clips, *more):
    """The block's output for clips (N, T, C, H, W), as (N, T, ...)."""
    return block(clips.flatten(0, 1), clips.shape[1], *more).unflatten(0, clips.shape[:2])


def randomised(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.double().eval()


@pytest.mark.parametrize("kind", [CMM, MCB])
@pytest.mark.parametrize(("stride", "offset"), [(1, 0), (2, 0), (2, 1)])
def test_motion_modules(kind, stride, offset):
    block = randomised(kind(C, reduction=4))
    clips = torch.randn(N, T, C, H, W, dtype=torch.float64)
    with torch.no_grad():
        got = on_clips(block, clips, stride, offset).numpy()
    for clip, out in zip(clips.numpy(), got, strict=True):
        np.testing.assert_allclose(out, sum(motion_by_hand(clip, block, stride, offset)), atol=1e-10)


def test_temporal_convolution():
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
def test_the_block_is_the_sum_of_its_three_parts(stride, offset):
    spatial = nn.Conv2d(C, C, 3, stride, padding=1, bias=False)
    block = randomised(MotionBlock(C, spatial, stride=stride, reduction=4))
    clip = torch.randn(T, C, H, W, dtype=torch.float64)
    trace = []
    with torch.no_grad():
        got = block(clip, T, offset=offset).numpy()
        traced = block(clip, T, trace, offset).numpy()
        shared = spatial(block.temporal(clip, T)).numpy()
    parts = motion_by_hand(clip.numpy(), block.motion, stride, offset)
    np.testing.assert_allclose(got, shared + sum(parts), atol=1e-10)
    np.testing.assert_allclose(traced, got, atol=1e-10)
    for size, part in zip(trace[0], parts, strict=True):  # less the answer to no motion, which ends every clip
        np.testing.assert_allclose(size[0].numpy(), np.sqrt(((part - part[-1:]) ** 2).mean(axis=1)), atol=1e-10)


@pytest.mark.parametrize("block", [CSTM(C), CMM(C), MCB(C)], ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_clips_of_a_batch_do_not_mix_in_any_memory_layout(block, memory_format):
    randomised(block)
    batch = torch.randn(3, T, C, H, W, dtype=torch.float64)
    together = block(batch.flatten(0, 1).contiguous(memory_format=memory_format), T).unflatten(0, (3, T))
    for one, alone in zip(together, batch, strict=True):
        torch.testing.assert_close(block(alone, T), one)


def test_frame_noise_grows_twofold_and_sixfold():
    block = MCB(16, reduction=1).eval()
    nn.init.dirac_(block.reduce[0].weight)
    noise = 0.7 * torch.randn(40 * 8, 16, 12, 12)
    with torch.no_grad():
        first = block.first_order(noise, 8)
        second = block.second_order(first, 8)
    for order, maps, growth in ((1, first, 2), (2, second, 6)):
        valid = maps.unflatten(0, (-1, 8))[:, :-order]
        assert valid.var() / noise.var() == pytest.approx(growth, rel=0.02)


def test_the_shift_start_moves_quarters():
    x = torch.randn(T, C, H, W)
    y = CSTM(C)(x, T)
    quarter = C // 4
    torch.testing.assert_close(y[1:, :quarter], x[:-1, :quarter])
    torch.testing.assert_close(y[:, quarter:-quarter], x[:, quarter:-quarter])
    torch.testing.assert_close(y[:-1, -quarter:], x[1:, -quarter:])
    assert not y[0, :quarter].any() and not y[-1, -quarter:].any()


@pytest.mark.parametrize("motion", ["cmm", "mcb"])
def test_a_new_motion_module_leaves_the_network_unchanged(motion):
    spatial, x = nn.Conv2d(C, C, 3, padding=1), torch.randn(2 * T, C, H, W)
    block = MotionBlock(C, spatial, temporal="none", motion=motion)
    torch.testing.assert_close(block(x, T), spatial(x))
    block = MotionBlock(C, spatial, temporal="none", motion=motion, restore_gain=1.0)
    assert not torch.equal(block(x, T), spatial(x))

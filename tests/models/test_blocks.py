"""CSTM, CMM and MCB against SciPy and NumPy, written from METHOD section 1, and the properties stated there."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from facetell.models.blocks import CMM, CSTM, MCB, MotionBlock

T, C, H, W = 5, 16, 4, 6


def pointwise(x, layer):
    conv, norm = layer
    parts = (norm.running_mean, norm.running_var, norm.weight.detach(), norm.bias.detach())
    mean, var, gain, bias = (part.numpy()[:, None, None] for part in parts)
    out = np.einsum("oc,tchw->tohw", conv.weight.detach().numpy()[:, :, 0, 0], x)
    return (out - mean) / np.sqrt(var + norm.eps) * gain + bias


def differences(maps, kernel, count):
    """K * maps[t+1] - maps[t] for the first ``count`` t, then zeros."""
    out = np.zeros_like(maps)
    for t in range(count):
        for c in range(maps.shape[1]):
            out[t, c] = ndimage.correlate(maps[t + 1, c], kernel[c, 0], mode="constant") - maps[t, c]
    return out


def motion_by_hand(clip, block, stride=1, offset=0):
    reduced = pointwise(clip[:, :, offset::stride, offset::stride], block.reduce)
    first = differences(reduced, block.kernel.weight.detach().numpy(), T - 1)
    out = [pointwise(first, block.restore)]
    if isinstance(block, MCB):
        out.append(pointwise(differences(first, block.kernel2.weight.detach().numpy(), T - 2), block.restore2))
    return out


def randomised(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.double().eval()


def test_temporal_convolution():
    block, clip = randomised(CSTM(C)), torch.randn(T, C, H, W, dtype=torch.float64)
    taps = block.weight.detach().numpy()[:, 0, :, 0]
    with torch.no_grad():
        got = block(clip, T).numpy()
    want = [ndimage.correlate1d(clip[:, c].numpy(), taps[c], axis=0, mode="constant") for c in range(C)]
    np.testing.assert_allclose(got, np.stack(want, axis=1), atol=1e-12)


@pytest.mark.parametrize("motion", ["cmm", "mcb"])
@pytest.mark.parametrize(("stride", "offset"), [(1, 0), (2, 0), (2, 1)])
def test_the_block_is_the_sum_of_its_three_parts(stride, offset, motion):
    spatial = nn.Conv2d(C, C, 3, stride, padding=1, bias=False)
    block = randomised(MotionBlock(C, spatial, stride=stride, motion=motion, reduction=4))
    clip = torch.randn(T, C, H, W, dtype=torch.float64)
    with torch.no_grad():
        got = block(clip, T, offset).numpy()
        shared = spatial(block.temporal(clip, T)).numpy()
    parts = motion_by_hand(clip.numpy(), block.motion, stride, offset)
    np.testing.assert_allclose(got, shared + sum(parts), atol=1e-10)


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
        assert maps.unflatten(0, (-1, 8))[:, :-order].var() / noise.var() == pytest.approx(growth, rel=0.02)


def test_the_shift_start_moves_quarters():
    x = torch.randn(T, C, H, W)
    y = CSTM(C)(x, T)
    quarter = C // 4
    torch.testing.assert_close(y[1:, :quarter], x[:-1, :quarter])
    torch.testing.assert_close(y[:, quarter:-quarter], x[:, quarter:-quarter])
    torch.testing.assert_close(y[:-1, -quarter:], x[1:, -quarter:])
    assert not y[0, :quarter].any() and not y[-1, -quarter:].any()

"""The properties that METHOD section 1 states of the motion blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from facetell.models.blocks import CMM, CSTM, MCB, MotionBlock, TemporalShift

T, C, SIZE = 8, 32, 6


def clips(*shape: int) -> Tensor:
    return torch.randn(*shape)


def on_clips(block: nn.Module, clips: Tensor, *more: int) -> Tensor:
    """The block's output for clips (N, T, C, H, W), as (N, T, ...)."""
    return block(clips.flatten(0, 1), clips.shape[1], *more).unflatten(0, clips.shape[:2])


def wake(block: nn.Module) -> nn.Module:
    """Give the restoring convolutions, which start at zero, a say."""
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return block


def test_a_clip_linear_in_time_has_no_second_differences() -> None:
    block = wake(MCB(C)).eval().double()
    start, slope = clips(2, 1, C, SIZE, SIZE).double(), clips(2, 1, C, SIZE, SIZE).double()
    linear = (start + slope * torch.arange(T).view(1, T, 1, 1, 1)).flatten(0, 1)
    first = block.first_order(linear, T)
    assert first.unflatten(0, (2, T))[:, :-1].abs().min() > 1e-6
    assert block.second_order(first, T).abs().max() < 1e-12


def test_frame_noise_grows_twofold_and_sixfold() -> None:
    block = MCB(16, reduction=1).eval()
    nn.init.dirac_(block.reduce[0].weight)
    noise = 0.7 * clips(40 * T, 16, 12, 12)
    with torch.no_grad():
        first = block.first_order(noise, T)
        second = block.second_order(first, T)
    variance = noise.var()
    valid = first.unflatten(0, (-1, T))[:, :-1].var(), second.unflatten(0, (-1, T))[:, :-2].var()
    assert valid[0] / variance == pytest.approx(2, rel=0.02)
    assert valid[1] / variance == pytest.approx(6, rel=0.02)


@pytest.mark.parametrize("block", [CSTM(C), TemporalShift(C), CMM(C), MCB(C)], ids=lambda b: type(b).__name__)
def test_clips_of_a_batch_do_not_touch(block: nn.Module) -> None:
    wake(block).eval()
    batch = clips(3, T, C, SIZE, SIZE)
    whole = on_clips(block, batch)
    order = torch.tensor([2, 0, 1])
    assert torch.equal(on_clips(block, batch[order]), whole[order])
    for one, alone in zip(whole, batch, strict=True):
        torch.testing.assert_close(on_clips(block, alone[None])[0], one)


@pytest.mark.parametrize("block", [CSTM(C), CMM(C), MCB(C)], ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_folded_batches_and_memory_layouts_agree(block: nn.Module, memory_format: torch.memory_format) -> None:
    wake(block).eval()
    batch = clips(2, T, C, SIZE, SIZE + 1)
    folded = batch.flatten(0, 1).contiguous(memory_format=memory_format)
    torch.testing.assert_close(block(folded, T).unflatten(0, (2, T)), on_clips(block, batch))


def test_the_shift_start_moves_quarters() -> None:
    x = clips(1, T, C, SIZE, SIZE)
    y = on_clips(CSTM(C), x)
    quarter = C // 4
    torch.testing.assert_close(y[:, 1:, :quarter], x[:, :-1, :quarter])
    torch.testing.assert_close(y[:, :, quarter:-quarter], x[:, :, quarter:-quarter])
    torch.testing.assert_close(y[:, :-1, -quarter:], x[:, 1:, -quarter:])
    assert y[:, 0, :quarter].abs().max() == 0
    assert y[:, -1, -quarter:].abs().max() == 0


@pytest.mark.parametrize("motion", ["cmm", "mcb"])
def test_a_new_motion_module_leaves_the_network_undisturbed(motion: str) -> None:
    spatial = nn.Conv2d(C, C, 3, padding=1)
    x = clips(2 * T, C, SIZE, SIZE)
    block = MotionBlock(C, spatial, temporal="none", motion=motion)
    torch.testing.assert_close(block(x, T), spatial(x))
    block = MotionBlock(C, spatial, temporal="none", motion=motion, restore_gain=1.0)
    assert not torch.equal(block(x, T), spatial(x))


def test_every_parameter_is_trained() -> None:
    block = MCB(C, restore_gain=1.0)
    nn.init.normal_(block.kernel.weight)  # with delta kernels the bias before a difference has no gradient
    block(clips(2 * T, C, SIZE, SIZE), T).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_folded_convolutions_give_the_sum_of_the_responses() -> None:
    block = wake(MCB(C)).eval()
    x = clips(2 * T, C, SIZE, SIZE)
    torch.testing.assert_close(block(x, T), sum(block.responses(x, T)), rtol=1e-4, atol=1e-5)

"""Motion blocks: CSTM, CMM and the Motion Consistency Block (MCB), and their place around a spatial convolution.

CSTM and CMM are those of STM (arXiv 1908.02486). MCB is a reconstruction of the block of arXiv 2403.05172, whose
equations are not public; see ``docs/models.md``.

Every block takes frames folded into the batch, ``(N*T, C, H, W)`` with ``frames=T``. The time axis is split off before
anything is shifted or subtracted, so that clips of a batch do not mix.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

MotionKind = Literal["none", "cmm", "mcb"]
TemporalKind = Literal["none", "cstm"]


def by_clip(x: Tensor, frames: int) -> Tensor:
    """(N*T, ...) as (N, T, ...)."""
    return x.reshape(-1, frames, *x.shape[1:])


class CSTM(nn.Module):
    """Channel-wise spatio-temporal module: a temporal convolution of 3 taps, one kernel a channel, zero padding.

    It begins as a shift: the first quarter of the channels takes the previous frame, the last quarter the next one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        kernel = torch.zeros(channels, 1, 3, 1)
        kernel[:, 0, 1] = 1
        quarter = channels // 4
        kernel[:quarter, 0, :, 0] = torch.tensor([1.0, 0.0, 0.0])
        kernel[channels - quarter :, 0, :, 0] = torch.tensor([0.0, 0.0, 1.0])
        self.weight = nn.Parameter(kernel)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(N*T, C, H, W) to the same: ``w0 x[t-1] + w1 x[t] + w2 x[t+1]``."""
        if torch.compiler.is_exporting():  # as products of shifted slices, which engines run without transposing
            own = by_clip(x, frames)  # (N, T, C, H, W)
            before, here, after = (self.weight[:, 0, tap, :, None] for tap in range(3))  # (C, 1, 1) each
            padded = functional.pad(own, (0, 0, 0, 0, 0, 0, 1, 1))
            return (padded[:, :-2] * before + own * here + padded[:, 2:] * after).flatten(0, 1)
        height, width = x.shape[-2:]
        # (N*T, C, H, W) -> (N, C, T, H*W): a view, not a copy, in channels-last memory.
        clips = x.permute(0, 2, 3, 1).reshape(-1, frames, height * width, self.channels).permute(0, 3, 1, 2)
        mixed = functional.conv2d(clips, self.weight, padding=(1, 0), groups=self.channels)
        return mixed.permute(0, 2, 3, 1).reshape(-1, height, width, self.channels).permute(0, 3, 1, 2)


class CMM(nn.Module):
    """Channel-wise motion module: first differences of learned features, ``M_t = K * F'_{t+1} - F'_t``.

    F' is F reduced by a 1x1 convolution; K starts as a delta kernel, so that M starts as a true temporal difference.
    The last map, which has no successor, is zero. A second 1x1 convolution restores the channels and gives F^M. Both
    1x1 convolutions are followed by a batch norm. F' has ``channels / reduction`` channels. ``restore_gain`` is the
    initial scale of F^M; 0 leaves the output of a pretrained network unchanged until the first step.
    """

    def __init__(self, channels: int, *, reduction: int = 16, restore_gain: float = 0.0) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.reduce = _pointwise(channels, hidden)
        self.kernel = _delta_kernel(hidden)
        self.restore = _pointwise(hidden, channels, restore_gain)

    def responses(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> tuple[Tensor, ...]:
        """The summands (F^M,), each (N*T, C, H', W')."""
        return (self.restore(self.first_order(x, frames, stride, offset)),)

    def forward(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> Tensor:
        """F (N*T, C, H, W) to the sum of :meth:`responses` at rows and columns ``offset, offset + stride, ...``."""
        return reduce(torch.add, self.responses(x, frames, stride, offset))

    def first_order(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> Tensor:
        """M (N*T, C', H', W') of a folded batch; its last map is zero."""
        if stride > 1:  # the grid on which the block's strided convolution has its centres
            x = x[..., offset::stride, offset::stride]
        return self.difference(self.reduce(x), self.kernel, frames, valid=frames)

    def difference(self, x: Tensor, kernel: nn.Module, frames: int, valid: int) -> Tensor:
        """``kernel * x_{t+1} - x_t`` over the first ``valid`` maps of each clip, followed by zero maps up to T."""
        # Then time is split off without copying to another memory format, which an exported graph does not have.
        last = not torch.compiler.is_exporting() and x.is_contiguous(memory_format=torch.channels_last)
        last = last and not x.is_contiguous()
        ahead, here = (by_clip(part.permute(0, 2, 3, 1) if last else part, frames) for part in (kernel(x), x))
        # Maps without a successor are subtracted from themselves: zeros without a padding pass, slow in engines.
        moved = (torch.cat([ahead[:, 1:valid], here[:, max(valid - 1, 0) :]], dim=1) - here).flatten(0, 1)
        return moved.permute(0, 3, 1, 2) if last else moved


class MCB(CMM):
    """Motion Consistency Block: CMM and, beside it, the differences of its differences.

    ``MM_t = K2 * M_{t+1} - M_t`` on the T - 1 valid maps of M; two zero maps follow. K2 and the second restoring
    convolution are separate from those of CMM. The output is F^M + F^MM. Independent errors of frames, of variance
    s^2, grow to 2 s^2 in M and 6 s^2 in MM, while smooth motion shrinks with each difference.
    """

    def __init__(self, channels: int, *, reduction: int = 16, restore_gain: float = 0.0) -> None:
        super().__init__(channels, reduction=reduction, restore_gain=restore_gain)
        hidden = self.kernel.in_channels
        self.kernel2 = _delta_kernel(hidden)
        self.restore2 = _pointwise(hidden, channels, restore_gain)

    def responses(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> tuple[Tensor, ...]:
        """The summands (F^M, F^MM) of a folded batch, each (N*T, C, H', W')."""
        first = self.first_order(x, frames, stride, offset)
        return self.restore(first), self.restore2(self.second_order(first, frames))

    def second_order(self, first: Tensor, frames: int) -> Tensor:
        """MM (N*T, C', H', W') from M with its zero map; the last two maps of MM are zero."""
        return self.difference(first, self.kernel2, frames, valid=frames - 1)


class MotionBlock(nn.Module):
    """The middle of a residual block: F to F^S + F^M + F^MM, before the activation and the expanding convolution.

    F^S is the block's own spatial convolution after the temporal module; F^M and F^MM come from the motion module,
    whose input is F itself. ``spatial`` is the ordinary convolution of this ``stride`` and its norm, (N*T, C, H, W) to
    (N*T, C, H', W').
    """

    def __init__(
        self,
        channels: int,
        spatial: nn.Module,
        *,
        stride: int = 1,
        temporal: TemporalKind = "cstm",
        motion: MotionKind = "mcb",
        reduction: int = 16,
        restore_gain: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.temporal = CSTM(channels) if temporal == "cstm" else None
        self.spatial = spatial
        self.motion = make_motion(motion, channels, reduction=reduction, restore_gain=restore_gain)

    def forward(self, x: Tensor, frames: int, offset: int = 0) -> Tensor:
        """(N*T, C, H, W) to (N*T, C, H', W').

        The first value of ``spatial`` is centred on row and column ``offset``: under stride, all summands share a grid.
        """
        out: Tensor = self.spatial(x if self.temporal is None else self.temporal(x, frames))
        return out if self.motion is None else out + self.motion(x, frames, self.stride, offset)


def make_motion(kind: MotionKind, channels: int, *, reduction: int = 16, restore_gain: float = 0.0) -> CMM | None:
    """The motion module of that name."""
    if kind == "none":
        return None
    return (MCB if kind == "mcb" else CMM)(channels, reduction=reduction, restore_gain=restore_gain)


def _pointwise(inputs: int, outputs: int, gain: float = 1.0) -> nn.Sequential:
    """1x1 convolution and batch norm with the initial scale ``gain``."""
    conv, norm = nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
    nn.init.constant_(norm.weight, gain)
    return nn.Sequential(conv, norm)


def _delta_kernel(channels: int) -> nn.Conv2d:
    """Depthwise 3x3 convolution that keeps the size and starts as the identity."""
    kernel = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    nn.init.dirac_(kernel.weight, groups=channels)
    return kernel

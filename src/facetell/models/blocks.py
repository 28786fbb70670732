"""Motion blocks: CSTM, CMM and the Motion Consistency Block (MCB), and how they sit around a spatial convolution.

CSTM and CMM are those of STM (arXiv 1908.02486); MCB is our reading of arXiv 2403.05172, whose equations are not
public text: a reconstruction, see ``docs/models.md``.

Every block takes frames folded into the batch, ``(N*T, C, H, W)`` with ``frames=T``, or clips ``(N, T, C, H, W)``, and
returns the same kind. Time is always split off before anything is shifted or subtracted, so that no clip of a batch
touches another.
"""

from __future__ import annotations

import inspect
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

TimePadding = Literal["zeros", "repeat"]
MotionKind = Literal["none", "cmm", "mcb"]
TemporalKind = Literal["none", "cstm", "tsm"]

Trace = list[tuple[Tensor, Tensor]]
"""What motion blocks leave behind for explanation: (|F^M|, |F^MM|) pairs, each (N, T, h, w); see MotionBlock."""


def fold_time(x: Tensor, frames: int | None) -> tuple[Tensor, int]:
    """Clips (N, T, C, H, W), or frames (N*T, C, H, W) with T given, as ((N*T, C, H, W), T)."""
    if x.ndim == 5:
        return x.flatten(0, 1), x.shape[1]
    if frames is None:
        raise ValueError("a folded batch (N*T, C, H, W) needs its number of frames a clip")
    return x, frames


def by_clip(x: Tensor, frames: int) -> Tensor:
    """(N*T, ...) as (N, T, ...)."""
    return x.reshape(-1, frames, *x.shape[1:])


def split_time(x: Tensor, frames: int) -> Tensor:
    """(N*T, C, H, W) as (N, T, ...) without a copy: (N, T, C, H, W), or (N, T, H, W, C) where channels lie last.

    For arithmetic along time alone the order of the other axes does not matter; keeping the order in memory saves
    copying every feature map twice. ``join_time`` undoes it.
    """
    if _channels_last(x):
        return by_clip(x.permute(0, 2, 3, 1), frames)
    return by_clip(x, frames)


def join_time(x: Tensor, like: Tensor) -> Tensor:
    """Undo ``split_time(like, T)``: (N, T, ...) back to (N*T, C, H, W)."""
    folded = x.flatten(0, 1)
    return folded.permute(0, 3, 1, 2) if _channels_last(like) else folded


def _channels_last(x: Tensor) -> bool:
    if torch.compiler.is_exporting():  # a graph has no memory layout; transposes would only slow its engines
        return False
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


class CSTM(nn.Module):
    """Channel-wise spatio-temporal module: a temporal convolution of 3 taps, one kernel a channel, zero padding.

    Initialised as a shift: the first quarter of the channels takes the frame before, the last quarter the frame after,
    the middle half its own. With ``shift_init=False`` every channel starts with its own frame.
    """

    def __init__(self, channels: int, *, shift_init: bool = True) -> None:
        super().__init__()
        self.channels = channels
        kernel = torch.zeros(channels, 1, 3, 1)
        kernel[:, 0, 1] = 1
        if shift_init:
            quarter = channels // 4
            kernel[:quarter, 0, :, 0] = torch.tensor([1.0, 0.0, 0.0])
            kernel[channels - quarter :, 0, :, 0] = torch.tensor([0.0, 0.0, 1.0])
        self.weight = nn.Parameter(kernel)

    def forward(self, x: Tensor, frames: int | None = None) -> Tensor:
        """(N*T, C, H, W) or (N, T, C, H, W) to the same: ``w0 x[t-1] + w1 x[t] + w2 x[t+1]``."""
        folded, frames = fold_time(x, frames)
        if torch.compiler.is_exporting():
            return self._by_slices(folded, frames).reshape(x.shape)
        height, width = folded.shape[-2:]
        # (N*T, C, H, W) -> (N, C, T, H*W): a view, not a copy, where channels lie last.
        clips = folded.permute(0, 2, 3, 1).reshape(-1, frames, height * width, self.channels).permute(0, 3, 1, 2)
        mixed = functional.conv2d(clips, self.weight, padding=(1, 0), groups=self.channels)
        out = mixed.permute(0, 2, 3, 1).reshape(-1, height, width, self.channels).permute(0, 3, 1, 2)
        return out.reshape(x.shape) if x.ndim == 5 else out

    def _by_slices(self, folded: Tensor, frames: int) -> Tensor:
        """The same sum written as products of shifted slices: engines run it without transposing."""
        x = by_clip(folded, frames)  # (N, T, C, H, W)
        before, own, after = (self.weight[:, 0, tap, :, None] for tap in range(3))  # (C, 1, 1) each
        padded = functional.pad(x, (0, 0, 0, 0, 0, 0, 1, 1))
        mixed: Tensor = padded[:, :-2] * before + x * own + padded[:, 2:] * after
        return mixed.flatten(0, 1)


class TemporalShift(nn.Module):
    """TSM (arXiv 1811.08383): one ``fraction``-th of the channels from the frame before, as many from that after."""

    def __init__(self, channels: int, *, fraction: int = 8) -> None:
        super().__init__()
        self.moved = channels // fraction

    def forward(self, x: Tensor, frames: int | None = None) -> Tensor:
        """(N*T, C, H, W) or (N, T, C, H, W) to the same."""
        folded, frames = fold_time(x, frames)
        clips = by_clip(folded, frames)
        n = self.moved
        late = functional.pad(clips[:, :-1, :n], (0, 0, 0, 0, 0, 0, 1, 0))
        early = functional.pad(clips[:, 1:, n : 2 * n], (0, 0, 0, 0, 0, 0, 0, 1))
        return torch.cat([late, early, clips[:, :, 2 * n :]], dim=2).reshape(x.shape)


class CMM(nn.Module):
    """Channel-wise motion module: first differences of learnt features, ``M_t = K * F'_{t+1} - F'_t``.

    F' is F reduced by a 1x1 convolution; the last map, which has no successor, is zero; a second 1x1 convolution
    restores the channels and gives F^M.

    Args:
        channels: C in and out.
        reduction: C / C' of the reduced feature.
        batch_norm: after each 1x1 convolution.
        delta_init: K starts as a delta (a true temporal difference), else as any convolution.
        time_padding: what follows the last valid map: "zeros", or "repeat" (the last valid map again).
        restore_gain: starting scale of F^M: of the last batch norm, or of the last 1x1 convolution where there is none.
            0 leaves the output of a pretrained network unchanged until the first step.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        batch_norm: bool = True,
        delta_init: bool = True,
        time_padding: TimePadding = "zeros",
        restore_gain: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.time_padding = time_padding
        self.reduce = _pointwise(channels, hidden, batch_norm)
        self.kernel = _spatial_kernel(hidden, delta_init)
        self.restore = _pointwise(hidden, channels, batch_norm, restore_gain)

    def forward(self, x: Tensor, frames: int | None = None, *, stride: int = 1, offset: int = 0) -> Tensor:
        """F (N*T, C, H, W) or (N, T, C, H, W) to F^M, sampled at rows and columns ``offset, offset + stride, ...``."""
        folded, frames = fold_time(x, frames)
        return _as_given(self.total(folded, frames, stride, offset), x)

    def responses(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> tuple[Tensor, ...]:
        """The summands (F^M,) of a folded batch, each (N*T, C, H', W')."""
        return (self.restore(self.first_order(x, frames, stride, offset)),)

    def total(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> Tensor:
        """The sum of :meth:`responses`, in as few passes over full-width maps as it takes."""
        return self.responses(x, frames, stride, offset)[0]

    def first_order(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> Tensor:
        """M (N*T, C', H', W') of a folded batch, its last map padded."""
        if stride > 1:  # the grid on which the block's strided convolution has its centres
            x = x[..., offset::stride, offset::stride]
        return self.difference(self.reduce(x), self.kernel, frames, valid=frames)

    def difference(self, x: Tensor, kernel: nn.Module, frames: int, valid: int) -> Tensor:
        """``kernel * x_{t+1} - x_t`` over the first ``valid`` maps of each clip, padded back to T maps."""
        ahead, here = split_time(kernel(x), frames), split_time(x, frames)
        if self.time_padding == "zeros":
            # What has no successor is subtracted from itself: zero maps without a padding pass, slow in engines.
            moved = torch.cat([ahead[:, 1:valid], here[:, max(valid - 1, 0) :]], dim=1) - here
        else:
            moved = _repeat_last(ahead[:, 1:valid] - here[:, : max(valid - 1, 0)], frames)
        return join_time(moved, like=x)


class MCB(CMM):
    """Motion Consistency Block: CMM and, beside it, the differences of its differences.

    ``MM_t = K2 * M_{t+1} - M_t`` on the T - 1 valid maps of M only; two padded maps follow. The block's output is
    F^M + F^MM. Independent errors of frames, of variance s^2, grow to 2 s^2 in M and 6 s^2 in MM, while smooth motion
    shrinks with each difference.

    Args:
        separate_kernels: K2 of its own, else K serves both orders.
        separate_restore: a restoring 1x1 convolution of its own for each order, else one serves both.
        channels, **switches: as for :class:`CMM`.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        batch_norm: bool = True,
        delta_init: bool = True,
        time_padding: TimePadding = "zeros",
        restore_gain: float = 0.0,
        separate_kernels: bool = True,
        separate_restore: bool = True,
    ) -> None:
        super().__init__(
            channels,
            reduction=reduction,
            batch_norm=batch_norm,
            delta_init=delta_init,
            time_padding=time_padding,
            restore_gain=restore_gain,
        )
        hidden = max(1, channels // reduction)
        self.kernel2 = _spatial_kernel(hidden, delta_init) if separate_kernels else None
        self.restore2 = _pointwise(hidden, channels, batch_norm, restore_gain) if separate_restore else None

    def responses(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> tuple[Tensor, ...]:
        """The summands (F^M, F^MM) of a folded batch, each (N*T, C, H', W')."""
        first = self.first_order(x, frames, stride, offset)
        second = self.second_order(first, frames)
        return self.restore(first), (self.restore2 or self.restore)(second)

    def total(self, x: Tensor, frames: int, stride: int = 1, offset: int = 0) -> Tensor:
        """F^M + F^MM (N*T, C, H', W').

        Once trained, both restoring convolutions are one: of the two orders side by side, with norms folded in.
        """
        if self.training:
            first, second = self.responses(x, frames, stride, offset)
            return first + second
        first = self.first_order(x, frames, stride, offset)
        orders = torch.cat([first, self.second_order(first, frames)], dim=1)
        (weight, bias), (weight2, bias2) = _folded(self.restore), _folded(self.restore2 or self.restore)
        return functional.conv2d(orders, torch.cat([weight, weight2], dim=1), bias + bias2)

    def second_order(self, first: Tensor, frames: int) -> Tensor:
        """MM (N*T, C', H', W') from the padded M; its last two maps are padding."""
        return self.difference(first, self.kernel2 or self.kernel, frames, valid=frames - 1)


class MotionBlock(nn.Module):
    """The middle of a residual block: F to F^S + F^M + F^MM, before the activation and the expanding convolution.

    F^S is the block's own spatial convolution after the temporal module; F^M and F^MM come from the motion module,
    which sees F itself.

    Args:
        channels: C of F and of the result.
        spatial: module of the ordinary convolution and its norm, (N*T, C, H, W) to (N*T, C, H', W').
        stride: of ``spatial``.
        temporal: "cstm", "tsm" or "none".
        motion: "mcb", "cmm" or "none".
        shift_init: as for :class:`CSTM`.
        switches: further arguments of the motion module.
    """

    def __init__(
        self,
        channels: int,
        spatial: nn.Module,
        *,
        stride: int = 1,
        temporal: TemporalKind = "cstm",
        motion: MotionKind = "mcb",
        shift_init: bool = True,
        **switches: object,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.temporal = make_temporal(temporal, channels, shift_init)
        self.spatial = spatial
        self.motion = make_motion(motion, channels, **switches)

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None, offset: int = 0) -> Tensor:
        """(N*T, C, H, W) to (N*T, C, H', W'); a given ``trace`` receives the size of the motion responses.

        ``offset`` is the row and column of ``x`` on which the first value of ``spatial`` is centred; under stride it
        keeps all summands on one grid.
        """
        out: Tensor = self.spatial(x if self.temporal is None else self.temporal(x, frames))
        return out if self.motion is None else add_motion(out, self.motion, x, frames, trace, self.stride, offset)


def add_motion(
    out: Tensor, motion: CMM, x: Tensor, frames: int, trace: Trace | None = None, stride: int = 1, offset: int = 0
) -> Tensor:
    """``out`` plus the responses of a motion module to ``x``, both (N*T, C, ...); ``trace`` receives their sizes."""
    if trace is None:
        return out + motion.total(x, frames, stride, offset)
    parts = motion.responses(x, frames, stride, offset)
    sizes = [response_size(part, frames) for part in parts]
    trace.append((sizes[0], sizes[-1]))
    for part in parts:
        out = out + part
    return out


def response_size(part: Tensor, frames: int) -> Tensor:
    """Size (N, T, h, w) of F^M or F^MM (N*T, C, h, w): its root mean square over the channels.

    The answer to no motion at all (what biases make of the zero map that ends each clip) is taken off first.
    """
    clips = by_clip(part, frames)
    size: Tensor = (clips - clips[:, -1:]).square().mean(dim=2).sqrt()
    return size


def differences(one: nn.Module, other: nn.Module) -> dict[str, tuple[str, str]]:
    """By name, the temporal and motion modules that compute something else in two networks: not all shows in arrays."""
    mine, its = _computations(one), _computations(other)
    return {
        name: (mine.get(name, "nothing"), its.get(name, "nothing"))
        for name in sorted(mine.keys() | its.keys())
        if mine.get(name) != its.get(name)
    }


def _computations(network: nn.Module) -> dict[str, str]:
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, CSTM | TemporalShift):
            found[name] = type(module).__name__
        elif isinstance(module, CMM):
            found[name] = f"{type(module).__name__} with time_padding={module.time_padding}"
    return found


def make_temporal(kind: TemporalKind, channels: int, shift_init: bool = True) -> CSTM | TemporalShift | None:
    """The temporal module of that name."""
    if kind == "cstm":
        return CSTM(channels, shift_init=shift_init)
    return TemporalShift(channels) if kind == "tsm" else None


def make_motion(kind: MotionKind, channels: int, **switches: object) -> CMM | None:
    """The motion module of that name."""
    if kind == "none":
        unknown = set(switches) - set(inspect.signature(MCB).parameters)
        if unknown:
            raise TypeError(f"unexpected argument '{min(unknown)}'")
        return None
    block: type[CMM] = {"cmm": CMM, "mcb": MCB}[kind]
    return block(channels, **switches)  # type: ignore[arg-type]


def _as_given(folded: Tensor, x: Tensor) -> Tensor:
    return by_clip(folded, x.shape[1]) if x.ndim == 5 else folded


def _repeat_last(x: Tensor, frames: int) -> Tensor:
    """(N, V, ...) of five axes to (N, T, ...): the last map again, or zeros where there is none."""
    missing = frames - x.shape[1]
    if x.shape[1]:
        return torch.cat([x, *[x[:, -1:]] * missing], dim=1)
    return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, missing))


def _pointwise(inputs: int, outputs: int, batch_norm: bool, gain: float = 1.0) -> nn.Sequential:
    """1x1 convolution, and batch norm if wished; ``gain`` is the starting scale of the result."""
    conv = nn.Conv2d(inputs, outputs, 1, bias=not batch_norm)
    if not batch_norm:
        with torch.no_grad():
            for parameter in conv.parameters():
                parameter.mul_(gain)
        return nn.Sequential(conv)
    norm = nn.BatchNorm2d(outputs)
    nn.init.constant_(norm.weight, gain)
    return nn.Sequential(conv, norm)


def _folded(layer: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Weight and bias of a 1x1 convolution with its batch norm (evaluation) folded in."""
    conv = layer[0]
    assert isinstance(conv, nn.Conv2d)
    if len(layer) == 1:
        assert conv.bias is not None
        return conv.weight, conv.bias
    norm = layer[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def _spatial_kernel(channels: int, delta_init: bool) -> nn.Conv2d:
    """Depthwise 3x3 convolution that keeps the size."""
    kernel = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    if delta_init:
        nn.init.dirac_(kernel.weight, groups=channels)
    return kernel

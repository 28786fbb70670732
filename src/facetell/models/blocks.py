"""The motion blocks: CSTM and CMM of STM (arXiv 1908.02486), and the Motion Consistency Block (METHOD section 1).

All blocks take features of shape (N·T, C, H, W), frames of a clip in order, with T given; the clips of a batch are
separated by a reshape before any difference is taken, so that nothing crosses from one video to another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CSTM(nn.Module):
    """Channel-wise temporal convolution: depthwise, k = 3, zero padding in time, (N·T, C, H, W) to the same.

    Initialised as a shift: the first quarter of the channels looks one frame back ([1, 0, 0]), the last quarter one
    frame ahead ([0, 0, 1]), the middle half stays ([0, 1, 0]).
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.zeros(channels, 3))
        quarter = channels // 4
        with torch.no_grad():
            self.weight[:quarter, 0] = 1
            self.weight[quarter : channels - quarter, 1] = 1
            self.weight[channels - quarter :, 2] = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N·T, C, H, W) to (N·T, C, H, W)."""
        total, channels, height, width = x.shape
        clips = x.reshape(-1, self.frames, channels, height, width)
        before, now, after = (w.reshape(1, 1, channels, 1, 1) for w in self.weight.to(x.dtype).unbind(1))
        zero = torch.zeros_like(clips[:, :1])
        past = torch.cat([zero, clips[:, :-1]], dim=1)
        future = torch.cat([clips[:, 1:], zero], dim=1)
        return (past * before + clips * now + future * after).reshape(total, channels, height, width)


class MotionConsistency(nn.Module):
    """CMM (``order=1``) or MCB (``order=2``): temporal differences in a reduced space, restored to all channels.

    F' = BN(conv1x1(F)), C to C/r; M_t = K * F'_{t+1} - F'_t; MM_t = K2 * M_{t+1} - M_t on the valid maps only;
    zero maps fill up T; the result is conv1x1(M) + conv1x1'(MM). K and K2 are depthwise 3x3, started as delta
    kernels, so that the block begins as true temporal differences. The restoring batch norms start with a small gain:
    a pretrained network starts all but undisturbed, yet gradients flow.

    Args:
        channels: C.
        frames: T, >= 3 for ``order=2``.
        order: 1 or 2.
        reduction: r.
        gain: initial gain of the restoring batch norms.
    """

    def __init__(self, channels: int, frames: int, order: int = 2, reduction: int = 16, gain: float = 0.1) -> None:
        super().__init__()
        self.frames, self.order = frames, order
        inner = max(8, channels // reduction)
        self.reduce = nn.Sequential(nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner))
        self.kernels = nn.ModuleList(_delta(inner) for _ in range(order))
        self.restore = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels)) for _ in range(order)
        )
        for branch in self.restore:
            nn.init.constant_(branch[1].weight, gain)

    def differences(self, x: Tensor) -> list[Tensor]:
        """M (and MM), each (N, T, C/r, H, W), zero maps at the end."""
        reduced = self.reduce(x)
        maps = reduced.reshape(-1, self.frames, *reduced.shape[1:])
        found = []
        for depth, kernel in enumerate(self.kernels, start=1):
            ahead = maps[:, 1:].flatten(0, 1)
            maps = kernel(ahead).reshape(-1, self.frames - depth, *reduced.shape[1:]) - maps[:, :-1]
            found.append(functional.pad(maps, (0, 0, 0, 0, 0, 0, 0, depth)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(N·T, C, H, W) to F^M (+ F^MM), the same shape."""
        parts = [restore(m.flatten(0, 1)) for restore, m in zip(self.restore, self.differences(x), strict=True)]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def _delta(channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    nn.init.zeros_(conv.weight)
    with torch.no_grad():
        conv.weight[:, 0, 1, 1] = 1
    return conv

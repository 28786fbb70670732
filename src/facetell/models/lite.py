"""EfficientNet-Lite carrying CSTM and the motion block in its inverted residuals.

The plain network and its parameter names are those of the public EfficientNet-Lite checkpoints (``_blocks.3._bn1``),
so that ImageNet weights load by name.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import CSTM, MotionConsistency

# (repeats, kernel, stride, expansion, in, out) of EfficientNet-B0, from which the Lite family is scaled.
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
SCALING = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width, depth
MOTION_BLOCKS = {"lite0": (2, 4, 6, 9, 12), "lite1": (2, 5, 8, 12, 16), "lite2": (2, 5, 8, 12, 16)}
FEATURES = 1280


class SameConv2d(nn.Conv2d):
    """Convolution with the "same" padding of the original weights: at stride 2 the odd pixel goes to the far side."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / s), ceil(W / s))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = []
        for length in (input.shape[3], input.shape[2]):
            total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            return functional.conv2d(input, self.weight, self.bias, self.stride, (pads[2], pads[0]), 1, self.groups)
        return functional.conv2d(functional.pad(input, pads), self.weight, self.bias, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; with ``frames`` the depthwise stage becomes F^S + F^M + F^MM of METHOD section 1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, frames: int = 0, order: int = 0
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self.cstm = CSTM(inner, frames) if frames else None
        self.motion = MotionConsistency(inner, frames, order) if frames and order else None
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner)
        self._project_conv = SameConv2d(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor, drop: float = 0.0) -> Tensor:
        """(N·T, C, H, W) to (N·T, C', H / s, W / s)."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        spatial = self._bn1(self._depthwise_conv(self.cstm(y) if self.cstm is not None else y))
        y = functional.relu6(spatial + self.motion(y) if self.motion is not None else spatial)
        y = self._bn2(self._project_conv(y))
        if not self.residual:
            return y
        if self.training and drop > 0:
            keep = torch.rand(len(y), 1, 1, 1, device=y.device) >= drop
            y = y * (keep / (1 - drop)).to(y.dtype)
        return x + y


class EfficientNetLite(nn.Module):
    """Frames to deep features: (N·T, 3, H, W), normalised, to (N·T, 320·w, H / 32, W / 32) and pooled (N·T, 1280).

    Args:
        variant: "lite0", "lite1" or "lite2".
        frames: T.
        order: 0 no motion block, 1 CMM, 2 MCB.
        temporal: whether the chosen blocks carry CSTM (without it and with ``order=0`` the network is 2-D).
        drop_path: chance that the last residual block is left out in training; earlier ones less, in proportion.
    """

    def __init__(self, variant: str, frames: int, order: int, temporal: bool = True, drop_path: float = 0.1) -> None:
        super().__init__()
        width, depth = SCALING[variant]
        self.drop_path = drop_path
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        chosen = MOTION_BLOCKS[variant] if temporal else ()
        blocks: list[InvertedResidual] = []
        inputs = 32
        for number, (repeats, kernel, stride, expansion, _, outputs) in enumerate(STAGES):
            outputs = _rounded(outputs * width)
            count = repeats if number in (0, len(STAGES) - 1) else math.ceil(repeats * depth)
            for repeat in range(count):
                here = frames if len(blocks) in chosen else 0
                step = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, kernel, step, expansion, here, order))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self.channels = inputs
        self._conv_head = SameConv2d(inputs, FEATURES, 1, bias=False)
        self._bn1 = _norm(FEATURES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N·T, 3, H, W) to the last map (N·T, C, h, w) and pooled features (N·T, 1280)."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for index, block in enumerate(self._blocks):
            x = block(x, self.drop_path * index / len(self._blocks))
        pooled = functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
        return x, pooled


def _rounded(channels: float) -> int:
    """To a multiple of eight, never more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded

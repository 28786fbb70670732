"""ResNet-18/34/50/101 carrying STM's blocks in every residual block; without them, plain 2-D ResNets and TSM.

``stm_resnet50`` with ``mcb`` is the network of arXiv 2403.05172: STM (arXiv 1908.02486) with its CMM replaced by the
Motion Consistency Block. There is no temporal downsampling; the frames' predictions are averaged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import MotionBlock, MotionKind, TemporalKind, TemporalShift, Trace
from facetell.models.network import Backbone

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """What the two kinds of block share: an identity (or 1x1) path, and TSM's shift before the residual path.

    In both kinds ``mix`` is the 3x3 convolution that works on F, the feature after the block's first convolution, with
    CSTM before it and the motion module beside it.
    """

    expansion: int
    mix: MotionBlock

    def __init__(self, inputs: int, outputs: int, stride: int, temporal: TemporalKind) -> None:
        super().__init__()
        changes = stride > 1 or inputs != outputs
        self.downsample = conv_norm(inputs, outputs, 1, stride) if changes else None
        self.shift = TemporalShift(inputs) if temporal == "tsm" else None

    def residual(self, x: Tensor, frames: int, trace: Trace | None) -> Tensor:
        """(N*T, C, H, W) to (N*T, C', H', W'), to be added to the identity."""
        raise NotImplementedError

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> Tensor:
        """(N*T, C, H, W) to (N*T, C', H', W')."""
        identity = x if self.downsample is None else self.downsample(x)
        shifted = x if self.shift is None else self.shift(x, frames)
        return functional.relu(self.residual(shifted, frames, trace) + identity, inplace=True)


class Basic(Residual):
    """Two 3x3 convolutions; F is what lies between them."""

    expansion = 1

    def __init__(
        self, inputs: int, width: int, stride: int, temporal: TemporalKind, motion: MotionKind, **switches: object
    ) -> None:
        super().__init__(inputs, width, stride, temporal)
        self.first = conv_norm(inputs, width, 3, stride)
        within: TemporalKind = "cstm" if temporal == "cstm" else "none"
        spatial = conv_norm(width, width, 3)
        self.mix = MotionBlock(width, spatial, temporal=within, motion=motion, **switches)  # type: ignore[arg-type]

    def residual(self, x: Tensor, frames: int, trace: Trace | None) -> Tensor:
        """See :meth:`Residual.residual`."""
        out: Tensor = self.mix(functional.relu(self.first(x), inplace=True), frames, trace)
        return out


class Bottleneck(Residual):
    """1x1 reduce, the motion block around the 3x3 (which has the stride), 1x1 expand."""

    expansion = 4

    def __init__(
        self, inputs: int, width: int, stride: int, temporal: TemporalKind, motion: MotionKind, **switches: object
    ) -> None:
        super().__init__(inputs, width * self.expansion, stride, temporal)
        self.first = conv_norm(inputs, width, 1)
        within: TemporalKind = "cstm" if temporal == "cstm" else "none"
        spatial = conv_norm(width, width, 3, stride)
        self.mix = MotionBlock(width, spatial, stride=stride, temporal=within, motion=motion, **switches)  # type: ignore[arg-type]
        self.expand = conv_norm(width, width * self.expansion, 1)

    def residual(self, x: Tensor, frames: int, trace: Trace | None) -> Tensor:
        """See :meth:`Residual.residual`."""
        feature = functional.relu(self.first(x), inplace=True)
        out: Tensor = self.expand(functional.relu(self.mix(feature, frames, trace), inplace=True))
        return out


class ResNet(Backbone):
    """The backbone of one depth.

    Args:
        depth: 18, 34, 50 or 101.
        motion: motion module of every residual block.
        temporal: "cstm", "tsm" (TSM's residual shift) or "none".
        width: channels of the first stage.
        layers: blocks a stage, in place of the depth's own.
        switches: further arguments of the motion blocks.
    """

    def __init__(
        self,
        depth: int,
        *,
        motion: MotionKind = "mcb",
        temporal: TemporalKind = "cstm",
        width: int = 64,
        layers: Sequence[int] | None = None,
        **switches: object,
    ) -> None:
        super().__init__()
        kind: type[Basic] | type[Bottleneck] = Basic if depth < 50 else Bottleneck
        self.stem = conv_norm(3, width, 7, 2)
        self.stages = nn.ModuleList()
        channels = width
        for number, blocks in enumerate(LAYERS[depth] if layers is None else layers):
            stage = nn.ModuleList()
            for block in range(blocks):
                stride = 2 if number and not block else 1
                stage.append(kind(channels, width << number, stride, temporal, motion, **switches))
                channels = (width << number) * kind.expansion
            self.stages.append(stage)
        self.deep_channels = self.feature_channels = channels

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to (N*T, 2048 (512), ceil(H / 32), ceil(W / 32)), and their means."""
        x = functional.max_pool2d(functional.relu(self.stem(x), inplace=True), 3, 2, 1)
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, frames, trace)
        return x, x.mean(dim=(2, 3))

    def layers(self) -> list[nn.Module]:
        """The stem, then every residual block."""
        return [self.stem, *(block for stage in self.stages for block in stage)]  # type: ignore[attr-defined]

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """torchvision's names are ``layer1.0.conv1.weight``... The classifier (``fc``) is left out."""
        bottleneck = any(".conv3." in name for name in state)
        renamed = {}
        for name, value in state.items():
            if name.startswith("fc."):
                continue
            name = re.sub(r"^layer(\d)\.", lambda match: f"stages.{int(match[1]) - 1}.", name)
            for old, new in _NAMES if bottleneck else _NAMES[:-2]:
                name = re.sub(old, new, name)
            renamed[name] = value
        return renamed


_NAMES = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"\.conv1\.", ".first.0."),
    (r"\.bn1\.", ".first.1."),
    (r"\.conv2\.", ".mix.spatial.0."),
    (r"\.bn2\.", ".mix.spatial.1."),
    (r"\.conv3\.", ".expand.0."),
    (r"\.bn3\.", ".expand.1."),
)

"""ResNet-18 and 50 with STM's blocks in every residual block; without them, plain 2-D ResNets.

``stm_resnet50`` with ``mcb`` is the network of arXiv 2403.05172: STM (arXiv 1908.02486) with its CMM replaced by the
Motion Consistency Block. There is no temporal downsampling; the frames' predictions are averaged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import MotionBlock, MotionKind, TemporalKind
from facetell.models.network import Backbone

LAYERS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
EXPANSION = 4  # of a bottleneck


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """A residual block with a motion block around its last 3x3 convolution, ``mix``.

    F, the input of ``mix``, is the feature after the block's first convolution: 1x1 in a bottleneck (followed by the
    3x3 with the stride, and an expanding 1x1), else 3x3 with the stride.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        temporal: TemporalKind,
        motion: MotionKind,
        bottleneck: bool,
        **switches: float,
    ) -> None:
        super().__init__()
        outputs = width * EXPANSION if bottleneck else width
        changes = stride > 1 or inputs != outputs
        self.downsample = conv_norm(inputs, outputs, 1, stride) if changes else None
        first, middle = (1, stride) if bottleneck else (3, 1)
        self.first = conv_norm(inputs, width, first, 1 if bottleneck else stride)
        spatial = conv_norm(width, width, 3, middle)
        self.mix = MotionBlock(width, spatial, stride=middle, temporal=temporal, motion=motion, **switches)  # type: ignore[arg-type]
        self.expand = conv_norm(width, outputs, 1) if bottleneck else None

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(N*T, C, H, W) to (N*T, C', H', W')."""
        identity = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.mix(functional.relu(self.first(x), inplace=True), frames)
        if self.expand is not None:
            out = self.expand(functional.relu(out, inplace=True))
        return functional.relu(out + identity, inplace=True)


class ResNet(Backbone):
    """The backbone of one depth, 18 or 50.

    ``motion`` and ``temporal`` are the modules of every residual block, ``width`` the channels of the first stage,
    ``layers`` the number of blocks of each stage (by default those of the depth), ``switches`` further arguments of the
    motion blocks (``reduction``, ``restore_gain``).
    """

    def __init__(
        self,
        depth: int,
        *,
        motion: MotionKind = "mcb",
        temporal: TemporalKind = "cstm",
        width: int = 64,
        layers: Sequence[int] | None = None,
        **switches: float,
    ) -> None:
        super().__init__()
        bottleneck = depth >= 50
        self.stem = conv_norm(3, width, 7, 2)
        self.stages = nn.ModuleList()
        channels = width
        for number, blocks in enumerate(layers or LAYERS[depth]):
            stage = nn.ModuleList()
            for block in range(blocks):
                stride = 2 if number and not block else 1
                stage.append(ResidualBlock(channels, width << number, stride, temporal, motion, bottleneck, **switches))
                channels = (width << number) * (EXPANSION if bottleneck else 1)
            self.stages.append(stage)
        self.deep_channels, self.parts = channels, {"mean": channels}

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to (N*T, 2048 (512), ceil(H / 32), ceil(W / 32)), and their means."""
        x = functional.max_pool2d(functional.relu(self.stem(x), inplace=True), 3, 2, 1)
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, frames)
        return x, x.mean(dim=(2, 3))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """torchvision's names are ``layer1.0.conv1.weight``... The classifier (``fc``) is left out."""
        renamed = {}
        for name, value in state.items():
            name = re.sub(r"^layer(\d)", lambda match: f"stages.{int(match[1]) - 1}", name)
            name = re.sub(r"^(conv|bn)1", r"stem.\1", name)
            for number, part in enumerate(("first", "mix.spatial", "expand"), 1):
                name = re.sub(rf"\.(conv|bn){number}\.", rf".{part}.\1.", name)
            if not name.startswith("fc."):
                renamed[name.replace(".conv.", ".0.").replace(".bn.", ".1.")] = value
        return renamed

"""3-D ResNets to compare with: R(2+1)D-18 (arXiv 1711.11248) and an inflated ResNet-50 (I3D, arXiv 1705.07750).

Both work on whole clips (N, C, T, H, W). They carry no motion modules: their temporal convolutions are their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import Trace, by_clip
from facetell.models.network import Backbone
from facetell.models.stm import LAYERS


def conv_norm_3d(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    """3-D convolution that pads to keep the size, and batch norm; (N, C, T, H, W) to (N, C', T', H', W')."""
    t, h, w = kernel
    conv = nn.Conv3d(inputs, outputs, kernel, stride, padding=(t // 2, h // 2, w // 2), bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm3d(outputs))


def factored(inputs: int, outputs: int, stride: int, middle: int) -> nn.Sequential:
    """(2+1)D convolution: 1x3x3 to ``middle`` channels, norm, ReLU, 3x1x1, norm; the stride acts on space and time."""
    return nn.Sequential(
        *conv_norm_3d(inputs, middle, (1, 3, 3), (1, stride, stride)),
        nn.ReLU(inplace=True),
        *conv_norm_3d(middle, outputs, (3, 1, 1), (stride, 1, 1)),
    )


class FactoredBlock(nn.Module):
    """Residual block of two (2+1)D convolutions, as wide inside as a 3x3x3 convolution has parameters."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, number: int) -> None:
        super().__init__()
        middle = (inputs * width * 27) // (inputs * 9 + 3 * width)
        self.residual = nn.Sequential(
            factored(inputs, width, stride, middle), nn.ReLU(inplace=True), factored(width, width, 1, middle)
        )
        changes = stride > 1 or inputs != width
        self.downsample = conv_norm_3d(inputs, width, (1, 1, 1), (stride,) * 3) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        identity = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.residual(x) + identity, inplace=True)


class InflatedBlock(nn.Module):
    """Bottleneck whose reducing convolution is 3x1x1 in every second block, else 1x1x1; time keeps its length."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, number: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.residual = nn.Sequential(
            conv_norm_3d(inputs, width, (1 if number % 2 else 3, 1, 1)),
            nn.ReLU(inplace=True),
            conv_norm_3d(width, width, (1, 3, 3), (1, stride, stride)),
            nn.ReLU(inplace=True),
            conv_norm_3d(width, outputs, (1, 1, 1)),
        )
        changes = stride > 1 or inputs != outputs
        self.downsample = conv_norm_3d(inputs, outputs, (1, 1, 1), (1, stride, stride)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H', W')."""
        identity = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.residual(x) + identity, inplace=True)


class VolumetricResNet(Backbone):
    """R(2+1)D-18 or the inflated ResNet-50.

    Args:
        factorised: R(2+1)D, else inflated.
        width: channels of the first stage.
        layers: blocks a stage, in place of the depth's own.
    """

    def __init__(self, *, factorised: bool, width: int = 64, layers: Sequence[int] | None = None) -> None:
        super().__init__()
        kind: type[FactoredBlock] | type[InflatedBlock] = FactoredBlock if factorised else InflatedBlock
        if factorised:
            middle = width * 45 // 64
            self.stem = nn.Sequential(
                *conv_norm_3d(3, middle, (1, 7, 7), (1, 2, 2)),
                nn.ReLU(inplace=True),
                *conv_norm_3d(middle, width, (3, 1, 1)),
            )
        else:
            self.stem = nn.Sequential(*conv_norm_3d(3, width, (5, 7, 7), (1, 2, 2)))
        self.pools = not factorised
        blocks: list[nn.Module] = []
        channels = width
        for stage, repeats in enumerate(layers or LAYERS[18 if factorised else 50]):
            for block in range(repeats):
                stride = 2 if stage and not block else 1
                blocks.append(kind(channels, width << stage, stride, block))
                channels = (width << stage) * kind.expansion
        self.blocks = nn.Sequential(*blocks)
        self.deep_channels = self.feature_channels = channels

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to (N*T', C, h, w), and their means; R(2+1)D halves time at three of its four stages."""
        volume = by_clip(x, frames).permute(0, 2, 1, 3, 4)
        volume = functional.relu(self.stem(volume), inplace=True)
        if self.pools:
            volume = functional.max_pool3d(volume, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        deep: Tensor = self.blocks(volume).permute(0, 2, 1, 3, 4).flatten(0, 1)
        return deep, deep.mean(dim=(2, 3))

    def layers(self) -> list[nn.Module]:
        """The stem, then every residual block."""
        return [self.stem, *self.blocks]

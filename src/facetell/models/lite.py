"""EfficientNet-Lite 0 to 2 (no squeeze-and-excitation, ReLU6) with motion blocks.

In a chosen inverted residual block the depthwise convolution has the place of the 3x3 convolution in STM's bottleneck:
CSTM before it, the motion module beside it, their sum into the activation and the projecting 1x1.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import MotionBlock, MotionKind, TemporalKind
from facetell.models.network import Backbone, deviation
from facetell.types import FacetellError, check_whole

MEAN = (127 / 255,) * 3  # pixels enter as (value - 127) / 128
STD = (128 / 255,) * 3


@dataclass(frozen=True, slots=True)
class Stage:
    """``repeats`` inverted residual blocks; the first one has the stride."""

    kernel: int
    stride: int
    expand: int
    channels: int
    repeats: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
STEM_CHANNELS, FEATURES = 32, 1280


def scaled_stages(width: float, depth: float) -> list[Stage]:
    """The stages of a larger variant; the depth of the first and the last stage is not scaled."""
    stages = []
    for index, stage in enumerate(STAGES):
        fixed = index in (0, len(STAGES) - 1)
        repeats = stage.repeats if fixed else math.ceil(stage.repeats * depth)
        exact = stage.channels * width
        rounded = max(8, int(exact + 4) // 8 * 8)  # to the nearest multiple of 8, at most a tenth below
        stages.append(replace(stage, channels=rounded + 8 * (rounded < 0.9 * exact), repeats=repeats))
    return stages


def default_motion_blocks(stages: list[Stage]) -> tuple[int, ...]:
    """Indices of the motion blocks: the second block of every stage from the third on that has one.

    Those of the second stage, at a quarter of the side, would be as large as all other chosen blocks together.
    """
    starts = [sum(s.repeats for s in stages[:i]) for i in range(len(stages))]
    return tuple(start + 1 for start, stage in list(zip(starts, stages, strict=True))[2:] if stage.repeats > 1)


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME", as the weights were trained: an odd pixel goes right and down."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        top, bottom = self._padding(x.shape[-2])
        left, right = self._padding(x.shape[-1])
        padding = top
        if not top == bottom == left == right:
            x, padding = functional.pad(x, (left, right, top, bottom)), 0
        stride = int(self.stride[0])
        in_autocast = torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")
        if in_autocast and self.groups > 1 and (stride > 1 or self.weight.shape[-1] > 3):
            # In bfloat16, oneDNN's gradients of these depthwise convolutions are many times slower than in float32.
            with torch.autocast("cpu", enabled=False):
                wide = functional.conv2d(x.float(), self.weight, None, stride, padding, 1, self.groups)
            return wide.to(torch.get_autocast_dtype("cpu"))
        return functional.conv2d(x, self.weight, self.bias, stride, padding, 1, self.groups)

    def offset(self, size: int) -> int:
        """Row (column) of an input of this size on which the first output row (column) is centred."""
        return int(self.kernel_size[0]) // 2 - self._padding(size)[0]

    def _padding(self, size: int) -> tuple[int, int]:
        kernel, stride = int(self.kernel_size[0]), int(self.stride[0])
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


class ConvNorm(nn.Sequential):
    """Convolution and batch norm with EfficientNet's constants."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise convolution (or a motion block around it), 1x1 project, identity where shapes allow.

    ``drop_path`` is the probability in training that a clip takes the identity path alone. Whole clips are dropped:
    dropping single frames would itself be a flicker in time.
    """

    def __init__(
        self,
        inputs: int,
        stage: Stage,
        stride: int,
        *,
        drop_path: float,
        temporal: TemporalKind,
        motion: MotionKind,
        **switches: float,
    ) -> None:
        super().__init__()
        middle = inputs * stage.expand
        self.expand = ConvNorm(inputs, middle, 1) if stage.expand > 1 else None
        depthwise = ConvNorm(middle, middle, stage.kernel, stride, groups=middle)
        self.mix = MotionBlock(middle, depthwise, stride=stride, temporal=temporal, motion=motion, **switches)  # type: ignore[arg-type]
        self.project = ConvNorm(middle, stage.channels, 1)
        self.residual = stride == 1 and inputs == stage.channels
        self.drop_path = drop_path

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(N*T, C, H, W) to (N*T, C', H', W')."""
        wide: Tensor = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        offset = self.mix.spatial.conv.offset(wide.shape[-1])  # type: ignore[union-attr, operator]
        y: Tensor = self.project(functional.relu6(self.mix(wide, frames, offset), inplace=True))
        if not self.residual:
            return y
        if self.training and self.drop_path:
            keep = torch.rand(x.shape[0] // frames, device=x.device) >= self.drop_path
            y = y * (keep.to(y.dtype) / (1 - self.drop_path)).repeat_interleave(frames).view(-1, 1, 1, 1)
        return x + y


class EfficientNetLite(Backbone):
    """The backbone of the variant with these multipliers of ``width`` and ``depth``.

    Args:
        motion, temporal: motion and temporal module of the chosen blocks.
        motion_blocks: indices of the chosen blocks, from 0; by default :func:`default_motion_blocks`.
        taps: numbers of the stages, from 1 to 7, whose mean and standard deviation over the pixels are the features;
            later stages and the last 1x1 convolution are left out. By default they are those of ImageNet's classifier.
        every: of every so many frames only the middle one is computed.
        drop_path: probability of the last block; it grows linearly from 0 with depth.
        switches: further arguments of the motion blocks (``reduction``, ``restore_gain``).
    """

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        *,
        motion: MotionKind = "mcb",
        temporal: TemporalKind = "cstm",
        motion_blocks: Collection[int] | None = None,
        taps: Collection[int] = (),
        every: int = 1,
        drop_path: float = 0.1,
        **switches: float,
    ) -> None:
        super().__init__()
        check_whole("every", every, 1)
        if not {*taps} <= {*range(1, len(STAGES) + 1)}:
            raise FacetellError(f"taps are numbers of stages from 1 to {len(STAGES)}, not {taps!r}")
        stages = scaled_stages(width, depth)[: max(taps, default=len(STAGES))]
        self.every = every
        chosen = set(default_motion_blocks(stages) if motion_blocks is None else motion_blocks)
        self.taps = sorted(taps)
        self.decided = {"motion_blocks": sorted(chosen), "taps": self.taps, "every": every}
        total = sum(stage.repeats for stage in stages)
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []  # number of blocks up to the end of each stage
        channels = STEM_CHANNELS
        for stage in stages:
            for repeat in range(stage.repeats):
                number = len(self.blocks)
                carries = number in chosen
                self.blocks.append(
                    InvertedResidual(
                        channels,
                        stage,
                        stage.stride if repeat == 0 else 1,
                        drop_path=drop_path * number / total,
                        temporal=temporal if carries else "none",
                        motion=motion if carries else "none",
                        **switches,
                    )
                )
                channels = stage.channels
            self.ends.append(len(self.blocks))
        self.deep_channels = channels
        self.head = None if taps else ConvNorm(channels, FEATURES, 1)
        self.parts = {} if taps else {"mean": FEATURES}
        for tap in self.taps:
            self.parts |= {f"{pool}{tap}": stages[tap - 1].channels for pool in ("mean", "std")}
        for module in self.modules():
            if isinstance(module, SameConv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to maps of the last stage (N*T', C, h, w), T' = T / ``every`` rounded up, and features."""
        x, frames = self.middles(x, frames)
        x = functional.relu6(self.stem(x), inplace=True)
        features = []
        for stage, (first, end) in enumerate(itertools.pairwise([0, *self.ends]), 1):
            for block in self.blocks[first:end]:
                x = block(x, frames)
            if stage in self.taps:
                features += [x.mean(dim=(2, 3)), deviation(x, (2, 3))]
        if self.head is not None:
            return x, functional.relu6(self.head(x), inplace=True).mean(dim=(2, 3))
        return x, torch.cat(features, dim=1)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """ImageNet checkpoints name arrays ``_blocks.0._bn1.weight``... What the network lacks is left out."""
        renamed, own = {}, self.state_dict()
        for name, value in state.items():
            expands = not re.match(r"_blocks\.0\.", name)  # the first block's expansion is 1: no 1x1, no _bn0
            for pattern, new in _NAMES:
                if (pattern != r"_bn0\." or expands) and re.search(pattern, name):
                    name = re.sub(pattern, new, name)
                    break
            name = name.replace("_blocks.", "blocks.")
            if name in own:
                renamed[name] = value
        return renamed


_NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"_expand_conv\.", "expand.conv."),
    (r"_bn0\.", "expand.norm."),
    (r"_depthwise_conv\.", "mix.spatial.conv."),
    (r"_bn1\.", "mix.spatial.norm."),
    (r"_project_conv\.", "project.conv."),
    (r"_bn2\.", "project.norm."),
)

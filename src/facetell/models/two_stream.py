"""Two streams, fused late: one network looks at single pictures, the other at how they follow one another.

After two-stream networks (arXiv 1406.2199), with a motion network in place of one of optical flow. What gives a forgery
away in the picture and what gives it away in time are learnt better apart, and at different sizes: seams are fine, and
what generators do to a face shows best where fine detail, which differs from source to source, is gone
(docs/experiments.md, "Two streams").
"""

from __future__ import annotations

from itertools import zip_longest

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import Trace, by_clip
from facetell.models.network import Backbone
from facetell.types import FacetellError

LEAST_SIZE = 32  # pixels: what remains of them on the deepest map is one
STREAMS = ("spatial_stream", "temporal_stream")  # their names within the backbone


class TwoStreams(Backbone):
    """Two backbones beside each other, their features joined.

    The classifier being linear, its logit is the sum of one of each stream: late fusion.

    Args:
        spatial_stream: sees single frames, each by itself.
        temporal_stream: sees all frames of a clip.
        spatial_every: the spatial stream sees one of every so many frames, the middle one: neighbours look alike. Its
            features stand for all of them.
        temporal_size: side in pixels that the temporal stream sees the frames at, 32 and more; by default their own.

    Raises:
        FacetellError: one of the two is no such number.
    """

    def __init__(
        self,
        spatial_stream: Backbone,
        temporal_stream: Backbone,
        *,
        spatial_every: int = 4,
        temporal_size: int | None = None,
    ) -> None:
        super().__init__()
        _whole("spatial_every", spatial_every, 1)
        if temporal_size is not None:
            _whole("temporal_size", temporal_size, LEAST_SIZE)
        self.spatial_stream, self.temporal_stream = spatial_stream, temporal_stream
        self.spatial_every, self.temporal_size = spatial_every, temporal_size
        self.decided = {
            "spatial_every": spatial_every,
            "temporal_size": temporal_size,
            **temporal_stream.decided,
        }
        self.deep_channels = spatial_stream.deep_channels + temporal_stream.deep_channels
        self.feature_channels = spatial_stream.feature_channels + temporal_stream.feature_channels

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to (N*T, C1 + C2, h, w) and (N*T, F1 + F2), the spatial stream's channels first.

        Its maps are brought to the grid of the temporal stream's.
        """
        every = self.spatial_every
        chosen = [min(first + every // 2, frames - 1) for first in range(0, frames, every)]
        some = by_clip(x, frames)[:, chosen]
        spatial, still = self.spatial_stream(some.flatten(0, 1), len(chosen))
        if self.temporal_size is not None:
            x = functional.interpolate(x, size=(self.temporal_size, self.temporal_size), mode="bilinear")
        temporal, moving = self.temporal_stream(x, frames, trace)
        spatial = functional.interpolate(spatial, size=temporal.shape[-2:], mode="bilinear")
        return (
            torch.cat([self._for_all(spatial, frames), temporal], dim=1),
            torch.cat([self._for_all(still, frames), moving], dim=1),
        )

    def _for_all(self, seen: Tensor, frames: int) -> Tensor:
        """What was found in the frames seen, (N*T', ...), for all of them, (N*T, ...)."""
        groups = by_clip(seen, -(-frames // self.spatial_every))
        return groups[:, [frame // self.spatial_every for frame in range(frames)]].flatten(0, 1)

    def layers(self) -> list[nn.Module]:
        """Those of both streams, pair by pair."""
        both = zip_longest(self.spatial_stream.layers(), self.temporal_stream.layers())
        return [nn.ModuleList(layer for layer in pair if layer is not None) for pair in both]


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise FacetellError(f"{name} is a whole number of at least {least}, not {value!r}")

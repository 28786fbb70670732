"""Two streams, fused late: one network looks at single pictures, the other at how they follow one another.

After two-stream networks (arXiv 1406.2199), with a motion network in place of one of optical flow. What gives a forgery
away in the picture and what gives it away in time are learnt better apart (docs/experiments.md, "Norms held").
"""

from __future__ import annotations

from itertools import zip_longest

import torch
from torch import Tensor, nn

from facetell.models.blocks import Trace, by_clip
from facetell.models.network import Backbone

STREAMS = ("spatial_stream", "temporal_stream")  # their names within the backbone


class TwoStreams(Backbone):
    """Two backbones beside each other; maps and features of both are joined along their channels.

    The classifier being linear, its logit is the sum of one of each stream: late fusion.

    Args:
        spatial_stream: sees single frames, each by itself.
        temporal_stream: sees all frames of a clip.
        spatial_every: of the frames the spatial stream sees every so many: neighbours look alike. Its maps are repeated
            for the frames between.
    """

    def __init__(self, spatial_stream: Backbone, temporal_stream: Backbone, spatial_every: int = 2) -> None:
        super().__init__()
        self.spatial_stream, self.temporal_stream = spatial_stream, temporal_stream
        self.spatial_every = spatial_every
        self.decided = {"spatial_every": spatial_every, **temporal_stream.decided}
        self.deep_channels = spatial_stream.deep_channels + temporal_stream.deep_channels
        self.feature_channels = spatial_stream.feature_channels + temporal_stream.feature_channels

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> Tensor:
        """(N*T, 3, H, W) to (N*T, C1 + C2, h, w), the spatial stream's channels first."""
        some = by_clip(x, frames)[:, :: self.spatial_every]
        spatial = by_clip(self.spatial_stream(some.flatten(0, 1), some.shape[1]), some.shape[1])
        repeated = torch.stack([spatial] * self.spatial_every, dim=2).flatten(1, 2)[:, :frames].flatten(0, 1)
        return torch.cat([repeated, self.temporal_stream(x, frames, trace)], dim=1)

    def embed(self, deep: Tensor) -> Tensor:
        """See :meth:`Backbone.embed`."""
        sizes = [self.spatial_stream.deep_channels, self.temporal_stream.deep_channels]
        spatial, temporal = torch.split(deep, sizes, dim=1)
        return torch.cat([self.spatial_stream.embed(spatial), self.temporal_stream.embed(temporal)], dim=1)

    def layers(self) -> list[nn.Module]:
        """Those of both streams, pair by pair."""
        both = zip_longest(self.spatial_stream.layers(), self.temporal_stream.layers())
        return [nn.ModuleList(layer for layer in pair if layer is not None) for pair in both]

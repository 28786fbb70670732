"""Several networks that process a clip in parallel, each with its own frames and resolution, and late fusion.

After two-stream networks (arXiv 1406.2199), with motion networks in place of one for optical flow. Spatial and temporal
artefacts are learnt better by separate networks, and so are generators and blending seams. Seams need a high
resolution; forgeries by unseen generators are detected better at a lower one (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import Trace, by_clip
from facetell.models.network import Backbone
from facetell.types import FacetellError, check_whole

SPATIAL_SHAPE = ("width", "depth", "drop_path")  # arguments of the whole that a spatial stream is built with

LEAST_SIZE = 32  # pixels: what remains of them on the deepest map is one


@dataclass(frozen=True, slots=True)
class Stream:
    """How one stream sees a clip.

    Attributes:
        kind: "spatial" sees single frames, each by itself; "temporal" sees how they follow one another, with motion
            modules.
        every: it sees one of every so many frames, the middle one: neighbours look alike. What it finds there stands
            for all of them.
        size: side in pixels that the stream sees the frames at; by default their own.
        witness: number of the witness that it belongs to, from 0 on. The logits of one witness's streams are summed;
            any of several witnesses may tell (:class:`facetell.models.classifier.NoisyOr`).
    """

    kind: Literal["spatial", "temporal"]
    every: int = 1
    size: int | None = None
    witness: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("spatial", "temporal"):
            raise FacetellError(f"a stream's kind is spatial or temporal, not {self.kind!r}")
        check_whole("a stream's every", self.every, 1)
        check_whole("a stream's witness", self.witness, 0)
        if self.size is not None:
            check_whole("a stream's size", self.size, LEAST_SIZE)


DEFAULT = (Stream("spatial", every=4), Stream("temporal"))


def read_streams(tables: Iterable[Stream | Mapping[str, object]]) -> tuple[Stream, ...]:
    """Streams from what a configuration or a model file says of them.

    Raises:
        FacetellError: they are no list of tables with the keys of :class:`Stream`, or their witnesses are not in order.
    """
    streams = []
    try:
        for table in tables:
            streams.append(table if isinstance(table, Stream) else Stream(**table))  # type: ignore[arg-type]
    except TypeError:
        raise FacetellError(
            f"streams are a list of tables such as {{kind: spatial, every: 2}} or {{kind: temporal, size: 112}}, not "
            f"{tables!r}"
        ) from None
    if not streams:
        raise FacetellError("a network of streams has at least one; give streams such as [{kind: temporal}]")
    numbers = [stream.witness for stream in streams]
    if numbers != sorted(numbers) or {*numbers} != {*range(len({*numbers}))}:
        raise FacetellError(f"the witnesses of the streams are numbered from 0 on, in order, not {numbers}")
    return tuple(streams)


class MultiStream(Backbone):
    """Backbones beside each other, their features joined, those of each witness judged apart.

    Args:
        streams: how each sees a clip.
        backbones: one for each of ``streams``.
    """

    def __init__(self, streams: Sequence[Stream], backbones: Sequence[Backbone]) -> None:
        super().__init__()
        self.specs = tuple(streams)
        self.streams = nn.ModuleList(backbones)
        temporal = [b for s, b in zip(streams, backbones, strict=True) if s.kind == "temporal"]
        self.decided = {**(temporal[0].decided if temporal else {}), "streams": [asdict(stream) for stream in streams]}
        parts = [0] * (streams[-1].witness + 1)
        for stream, backbone in zip(streams, backbones, strict=True):
            parts[stream.witness] += backbone.feature_channels
        self.feature_parts = tuple(parts)
        self.feature_channels = sum(parts)
        self.deep_channels = sum(backbone.deep_channels for backbone in backbones)

    def forward(self, x: Tensor, frames: int, trace: Trace | None = None) -> tuple[Tensor, Tensor]:
        """(N*T, 3, H, W) to (N*T, sum of C, h, w) and (N*T, sum of F), stream by stream.

        Maps are brought to the grid of the first stream's.
        """
        maps: list[Tensor] = []
        features: list[Tensor] = []
        for stream, backbone in zip(self.specs, self.streams, strict=True):
            every = stream.every
            groups = [frame // every for frame in range(frames)]  # which of the frames seen stands for each
            seen = groups[-1] + 1
            part = x
            if every > 1:
                middles = [(first + min(first + every, frames)) // 2 for first in range(0, frames, every)]
                part = by_clip(x, frames)[:, middles].flatten(0, 1)
            if stream.size is not None:
                part = functional.interpolate(part, size=(stream.size, stream.size), mode="bilinear")
            own: Trace = []
            deep, vectors = backbone(part, seen, None if trace is None else own)
            if maps:
                deep = functional.interpolate(deep, size=maps[0].shape[-2:], mode="bilinear")
            if every > 1:
                deep, vectors = (by_clip(y, seen)[:, groups].flatten(0, 1) for y in (deep, vectors))
                own = [(first[:, groups], highest[:, groups]) for first, highest in own]
            if trace is not None:
                trace += own
            maps.append(deep)
            features.append(vectors)
        return torch.cat(maps, dim=1), torch.cat(features, dim=1)

    def layers(self) -> list[nn.Module]:
        """Those of all streams, depth by depth."""
        depths = zip_longest(*(backbone.layers() for backbone in self.streams))  # type: ignore[operator]
        return [nn.ModuleList(layer for layer in depth if layer is not None) for depth in depths]

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every stream takes the same checkpoint."""
        return {
            f"streams.{number}.{name}": values
            for number, stream in enumerate(self.streams)
            for name, values in stream.from_published(state).items()  # type: ignore[operator]
        }

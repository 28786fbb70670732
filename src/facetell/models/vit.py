"""CLIP's vision transformer as a backbone: class token, learned positions, pre-norm blocks, quick GELU.

It is the image tower of CLIP (arXiv 2103.00020), cut after a chosen block and without the final norm and projection. A
motion module can act between two blocks, on the patch tokens of consecutive frames.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.models.blocks import MotionKind, make_motion
from facetell.models.network import Backbone, deviation, patches_of
from facetell.types import FacetellError, check_whole

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

POOLS = ("cls", "mean", "std")


class Embedding(nn.Module):
    """Patches and the class token as normalised tokens of ``width`` channels."""

    def __init__(self, size: int, patch: int, width: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch, bias=False)
        # The first row is the sum of the class token and its position, which are only used as a sum.
        self.positions = nn.Parameter(torch.empty(1, 1 + (size // patch) ** 2, width))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 1 + h*w, width), the class token first, then the patches row by row."""
        patches = patches_of(self.patch(x))
        embedded: Tensor = self.norm(functional.pad(patches, (0, 0, 1, 0)) + self.positions)
        return embedded


class Block(nn.Module):
    """Self-attention, then a perceptron with one hidden layer; each after a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, width) to the same."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        hidden = self.fc1(self.norm2(x))
        result: Tensor = x + self.fc2(hidden * torch.sigmoid(1.702 * hidden))
        return result


class VisionTransformer(Backbone):
    """The backbone.

    A feature vector holds, block by block, the class token of each chosen block and the mean and the standard deviation
    of its patch tokens, in the order of :data:`POOLS`, not normalised.

    Args:
        size: side of the frames in pixels, a multiple of ``patch``.
        depth: number of blocks, 1 to 12 of CLIP's.
        width, heads, patch: channels of a token, heads of attention, side of a patch in pixels.
        taps: numbers of the blocks whose tokens give features, from 1; by default the last.
        pools: any of :data:`POOLS`.
        motion, motion_after: motion module, whose response is added to the patch tokens after the block of that number.
        every: of every so many frames only the middle one is computed.
        switches: further arguments of the motion module (``reduction``, ``restore_gain``).

    FacetellError: an argument is out of range.
    """

    def __init__(
        self,
        size: int = 224,
        *,
        depth: int = 9,
        width: int = 768,
        heads: int = 12,
        patch: int = 16,
        taps: Collection[int] | None = None,
        pools: Collection[str] = POOLS,
        motion: MotionKind = "mcb",
        motion_after: int = 6,
        every: int = 1,
        **switches: float,
    ) -> None:
        super().__init__()
        for name, value in (("depth", depth), ("width", width), ("heads", heads), ("patch", patch), ("every", every)):
            check_whole(name, value, 1)
        if size % patch or width % heads:
            raise FacetellError(
                f"size {size} is not a multiple of patch {patch}, or width {width} not one of heads {heads}; "
                "change them"
            )
        self.taps = [depth] if taps is None else sorted({*taps})
        self.pools = [pool for pool in POOLS if pool in pools]
        if not self.taps or not all(tap in range(1, depth + 1) for tap in self.taps):
            raise FacetellError(f"taps are numbers of blocks from 1 to {depth}, not {taps!r}")
        if isinstance(pools, str) or not self.pools or not {*pools} <= {*POOLS}:
            raise FacetellError(f"pools are a list of any of {', '.join(POOLS)}, not {pools!r}")
        self.decided = {"depth": depth, "heads": heads, "taps": self.taps, "pools": self.pools, "every": every}
        self.every = every
        self.motion_after = motion_after
        if motion != "none":
            if motion_after not in range(1, depth + 1):
                raise FacetellError(f"motion_after is the number of a block from 1 to {depth}, not {motion_after!r}")
            self.decided["motion_after"] = motion_after
        self.grid = size // patch
        self.embed = Embedding(size, patch, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.motion = make_motion(motion, width, **switches)  # type: ignore[arg-type]
        self.deep_channels = width
        self.parts = {f"{pool}{tap}": width for tap in self.taps for pool in self.pools}
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """(N*T, 3, S, S) to patch tokens (N*T', width, h, w) and features (N*T', F); T' = T / ``every``, rounded up."""
        x, frames = self.middles(x, frames)
        tokens = self.embed(x)
        features = []
        for number, block in enumerate(self.blocks, 1):
            tokens = block(tokens)
            if self.motion is not None and number == self.motion_after:
                maps = self._maps(tokens)
                moved = patches_of(maps + self.motion(maps, frames))
                tokens = torch.cat([tokens[:, :1], moved], dim=1)
            if number in self.taps:
                features += [_pooled(tokens, pool) for pool in self.pools]
        return self._maps(tokens), torch.cat(features, dim=1)

    def _maps(self, tokens: Tensor) -> Tensor:
        """The patches of (N, 1 + h*w, C) as maps (N, C, h, w)."""
        maps: Tensor = tokens[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))  # type: ignore[no-untyped-call]
        if torch.compiler.is_exporting():
            return maps
        return maps.contiguous(memory_format=torch.channels_last)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Arrays of CLIP's image tower in the names of ``transformers`` (``vision_model.encoder.layers.0...``).

        Blocks after ``depth``, the final norm and projection and the text tower are left out. Positions are
        interpolated where the grid of patches differs.
        """
        renamed: dict[str, Tensor] = {}
        for name, values in state.items():
            for old, new in _NAMES:
                name = re.sub(old, new, name)
            block = re.match(r"blocks\.(\d+)\.", name)
            if name.startswith("embed.") or (block and int(block[1]) < len(self.blocks)):
                renamed[name] = values
        for number in range(len(self.blocks)):
            for kind in ("weight", "bias"):
                parts = [renamed.pop(f"blocks.{number}.self_attn.{part}_proj.{kind}", None) for part in "qkv"]
                found = [part for part in parts if part is not None]
                if len(found) == len(parts):
                    renamed[f"blocks.{number}.qkv.{kind}"] = torch.cat(found)
        token, positions = renamed.pop("embed.token", None), renamed.pop("embed.positions.weight", None)
        if token is not None and positions is not None:
            renamed["embed.positions"] = self._on_grid(torch.cat([positions[:1] + token, positions[1:]])[None])
        return renamed

    def _on_grid(self, positions: Tensor) -> Tensor:
        """Positions (1, 1 + g*g, C) of a square grid for this network's, (1, 1 + h*w, C)."""
        grid = round((positions.shape[1] - 1) ** 0.5)
        if grid == self.grid:
            return positions
        maps: Tensor = positions[:, 1:].transpose(1, 2).unflatten(2, (grid, grid))  # type: ignore[no-untyped-call]
        maps = functional.interpolate(maps, size=(self.grid, self.grid), mode="bicubic", antialias=True)
        return torch.cat([positions[:, :1], maps.flatten(2).transpose(1, 2)], dim=1)


_NAMES = (
    (r"^vision_model\.", ""),
    (r"^embeddings\.patch_embedding\.", "embed.patch."),
    (r"^embeddings\.class_embedding$", "embed.token"),
    (r"^embeddings\.position_embedding\.", "embed.positions."),
    (r"^pre_layrnorm\.", "embed.norm."),  # sic
    (r"^encoder\.layers\.", "blocks."),
    (r"\.layer_norm(\d)\.", r".norm\1."),
    (r"\.self_attn\.out_proj\.", ".out."),
    (r"\.mlp\.", "."),
)


def _pooled(tokens: Tensor, pool: str) -> Tensor:
    """(N, 1 + h*w, C) to (N, C)."""
    if pool == "cls":
        return tokens[:, 0]
    patches = tokens[:, 1:]
    return patches.mean(dim=1) if pool == "mean" else deviation(patches, 1)


def read_quantised(path: Path) -> dict[str, Tensor]:
    """Arrays of an ONNX file that ONNX Runtime has quantised dynamically, in float32, under their torch names.

    The weights of each ``MatMulInteger`` are multiplied by their scale, one per output channel, and get the name of the
    layer and the axes (out, in) of its ``Linear``. Activations are not quantised. FacetellError: it cannot be read.
    """
    import onnx

    try:
        graph = onnx.load_model(path).graph
    except Exception as error:  # protobuf's own error types are not public
        raise FacetellError(f"{path} cannot be read as an ONNX file; give one, or a .pth file") from error
    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in graph.initializer}
    state = {name: values for name, values in arrays.items() if values.dtype == np.float32}
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in arrays:
            base = node.input[1].removesuffix("_quantized")
            steps = arrays[node.input[1]].astype(np.float32) - arrays[f"{base}_zero_point"].astype(np.float32)
            layer = node.name.removesuffix("/MatMul_quant").strip("/").replace("/", ".")
            state[f"{layer}.weight"] = (steps * arrays[f"{base}_scale"]).T
    return {name: torch.from_numpy(np.array(values, order="C")) for name, values in state.items()}

"""Score MesoNet (Afchar et al. 2018, arXiv 1809.00888) beside facetell: its public weights as a facetell model file.

    python benchmarks/mesonet.py MesoInception_DF.h5 manifest.csv --out out/mesonet

writes ``out/mesonet/MesoInception_DF.onnx``, which every command takes as a model (``facetell score``, ``detect``),
scores the manifest with it, writes ``MesoInception_DF.parquet`` for ``facetell evaluate`` and ``compare``, and prints
the results by kind of forgery. MesoNet scores single frames: the logit of a clip is the mean over two of its eight
frames, half a clip apart. The crop has a side of 1.5 face lengths: there the activations agree best with the statistics
that the batch normalisation of the weights holds (1.3 to 1.7 was tried, without labels). The weights are the authors'
(repository DariusAf/MesoNet, Apache-2.0) and not included; reading them needs h5py.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from facetell.batch.score import ScoringSettings, score_manifest
from facetell.datasets.manifest import read_manifest
from facetell.detector import Settings
from facetell.engine import ModelInfo
from facetell.evaluate.crossval import by_kind, kind_table
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.scores import VIDEO, keys_of
from facetell.types import FacetellError

SIZE, FRAMES, RATE = 256, 8, 30.0
STEP = 4  # frames; neighbouring ones have nearly the same score
CROP_SCALE = 1.5
NARROWEST = 32.0  # pixels; as for facetell-fast, so that both score the same faces


class Inception(nn.Module):
    """Four parallel paths: 1 x 1, and 1 x 1 then 3 x 3 with dilation 1, 2 and 3; ReLU after each convolution."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, *others = widths
        self.direct = nn.Sequential(nn.Conv2d(channels, first, 1), nn.ReLU())
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=d, dilation=d), nn.ReLU()
            )
            for d, width in enumerate(others, start=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.direct(x), *(path(x) for path in self.dilated)], dim=1)


def convolution(channels: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU())


class MesoNet(nn.Module):
    """Meso-4, or MesoInception-4 with its first two layers replaced: clips (N, T, 3, 256, 256) in [0, 1], logits (N,).

    Every :data:`STEP`-th frame is scored. The published output is the probability of real; the logit here is of forged,
    so its sign is the opposite.
    """

    def __init__(self, inception: bool) -> None:
        super().__init__()
        if inception:
            first, second = Inception(3, (1, 4, 4, 2)), Inception(11, (2, 4, 4, 2))
            widths = (11, 12, 16, 16)
        else:
            first, second = convolution(3, 8, 3), convolution(8, 8, 5)
            widths = (8, 8, 16, 16)
        layers = [first, second, convolution(widths[1], 16, 5), convolution(16, 16, 5)]
        blocks = [
            nn.Sequential(layer, nn.BatchNorm2d(width, eps=1e-3), nn.MaxPool2d(pool))
            for layer, width, pool in zip(layers, widths, (2, 2, 2, 4), strict=True)
        ]
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(8 * 8 * 16, 16), nn.LeakyReLU(0.1), nn.Linear(16, 1))

    def forward(self, clip: Tensor) -> Tensor:
        maps = self.features(clip[:, ::STEP].flatten(0, 1)).permute(
            0, 2, 3, 1
        )  # Keras flattens rows, columns, channels
        return -self.head(maps.flatten(1)).view(clip.shape[0], -1).mean(dim=1)


def read_weights(path: Path) -> MesoNet:
    """The network of a Keras weight file, in evaluation mode.

    Keras numbers the layers of a type in the order in which they were created, as the modules of :class:`MesoNet` are.
    """
    try:
        import h5py
    except ImportError:
        raise FacetellError("reading Keras weights needs h5py; install it with `pip install h5py`") from None
    layers: dict[str, list[tuple[int, dict[str, np.ndarray]]]] = {}
    try:
        with h5py.File(path) as file:
            for name, group in file.items():
                kind, _, number = name.rpartition("_")
                if name in group:
                    arrays = {key.partition(":")[0]: np.asarray(array) for key, array in group[name].items()}
                    layers.setdefault(kind, []).append((int(number), arrays))
    except (OSError, ValueError) as error:
        raise FacetellError(f"{path} is not a Keras weight file ({error}); give one of MesoNet's .h5 files") from None
    network = MesoNet(inception=len(layers.get("conv2d", [])) > 4)
    types = {"conv2d": nn.Conv2d, "batch_normalization": nn.BatchNorm2d, "dense": nn.Linear}
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
    names |= {"moving_variance": "running_var", "bias": "bias"}
    for kind, type_ in types.items():
        modules = [module for module in network.modules() if isinstance(module, type_)]
        found = [arrays for _, arrays in sorted(layers.get(kind, []), key=lambda layer: layer[0])]
        if len(modules) != len(found):
            raise FacetellError(f"{path} has {len(found)} layers of type {kind}, MesoNet has {len(modules)}")
        for module, arrays in zip(modules, found, strict=True):
            for name, array in arrays.items():
                value = torch.from_numpy(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T).contiguous()
                getattr(module, names[name]).data.copy_(value)  # raises where a shape is another
    return network.eval()


def write_model(network: MesoNet, path: Path, crop_scale: float = CROP_SCALE) -> None:
    """Write a model file under the contract of ``docs/models.md``."""
    info = ModelInfo(path.stem, FRAMES, RATE, SIZE, crop_scale, NARROWEST)
    clip = torch.zeros(1, FRAMES, 3, SIZE, SIZE)
    program = torch.onnx.export(network, (clip,), input_names=["clip"], output_names=["logit"], dynamo=True)
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, info.to_metadata())
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(proto, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="MesoInception_DF.h5 or Meso4_DF.h5")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="videos, with their kinds")
    parser.add_argument("--out", type=Path, default=Path("out/mesonet"), metavar="DIR", help="default: out/mesonet")
    args = parser.parse_args()
    try:
        manifest = read_manifest(args.manifest)
        model = args.out / f"{args.weights.stem}.onnx"
        write_model(read_weights(args.weights), model)
        settings = ScoringSettings(detection=Settings(precision="f32"))
        scores = score_manifest(manifest, model, settings, out=model.with_suffix(".parquet"))
    except FacetellError as error:
        print(f"mesonet: {error}", file=sys.stderr)
        return 2
    entry_of = {(entry.dataset, entry.video): entry for entry in manifest}
    keys = zip(keys_of(scores, VIDEO), scores["track"].tolist(), strict=True)
    table = kind_table(by_kind([replace(entry_of[key], track=track) for key, track in keys], scores["logit"]))
    unscored = int(np.isnan(scores.videos()["logit"]).sum())
    print(f"{table.caption}; {unscored} videos not scored\n\n{markdown_table(table)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

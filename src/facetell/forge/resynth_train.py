"""Train the autoencoder of :mod:`facetell.forge.resynth` on real faces, and write it as ONNX (needs the train extra).

    python -m facetell.forge.resynth_train PREPARED OUT.onnx [--minutes 5]

``PREPARED`` is a folder of ``facetell prepare``; only reals of its training split are used.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from facetell.faces.crop import cut_square, stable_square
from facetell.forge.networks import CODE_SIDE, SIDE
from facetell.forge.resynth import LATENT
from facetell.train.config import DataConfig
from facetell.train.corpus import Recording, decode_all, load_recordings
from facetell.types import UInt8Array


class Autoencoder(nn.Module):
    """(N, 3, 160, 160) RGB in [0, 1] and noise (N, 32, 20, 20) for the code, to a picture of the same shape.

    The decoder grows by transposed convolutions and a pixel shuffle: their grids are part of what a forgery shows.
    """

    def __init__(self) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.1)
        self.encoder = nn.Sequential(
            *(nn.Conv2d(3, 24, 3, 2, 1), act),
            *(nn.Conv2d(24, 48, 3, 2, 1), act),
            *(nn.Conv2d(48, 64, 3, 2, 1), act),
            *(nn.Conv2d(64, 64, 3, 1, 1), act),
            nn.Conv2d(64, LATENT, 1),
        )
        self.decoder = nn.Sequential(
            *(nn.Conv2d(LATENT, 96, 1), act),
            *(nn.Conv2d(96, 96, 3, 1, 1), act),
            *(nn.ConvTranspose2d(96, 64, 4, 2, 1), act),
            *(nn.ConvTranspose2d(64, 40, 4, 2, 1), act),
            nn.Conv2d(40, 12, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        """Encode, disturb the code, decode."""
        picture: Tensor = self.decoder(self.encoder(image * 2 - 1) + noise)
        return picture * 0.5 + 0.5


def training_reals(prepared: Path) -> list[Recording]:
    """The reals of the training split of a prepared folder, their pictures decoded."""
    data = DataConfig(folders=(str(prepared),))
    for _ in decode_all(data, 0):
        pass
    return [r for r in load_recordings(data, "train", 2) if r.entry.label == 0]


def load_faces(reals: Sequence[Recording], per_clip: int, rng: np.random.Generator) -> UInt8Array:
    """Squares (N, 160, 160, 3) round real faces, ``per_clip`` moments of each clip."""
    faces = []
    for recording in reals:
        for index in rng.integers(0, len(recording), per_clip).tolist():
            moment = slice(index, index + 1)
            square = stable_square(recording.boxes(moment), float(rng.uniform(1.3, 1.9)))
            faces.append(cut_square(recording.pictures(moment)[0], square, SIDE))
    return np.stack(faces)


def gradient_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels' differences: keeps edges where L1 alone blurs them."""
    error = made - real
    return (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()


def train(faces: UInt8Array, minutes: float, batch: int = 12) -> Autoencoder:
    """Train for so long on mirrored faces; prints the loss."""
    model = Autoencoder()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.95))
    start, step, rng = time.monotonic(), 0, np.random.default_rng(0)
    while (spent := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 20) * max(0.02, 1 - spent)
        chosen = faces[rng.integers(0, len(faces), batch)]
        real = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 255
        if rng.random() < 0.5:
            real = real.flip(3)
        noise = 0.1 * torch.randn(batch, LATENT, CODE_SIDE, CODE_SIDE)
        made = model(real, noise)
        loss = (made - real).abs().mean() + gradient_loss(made, real)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 25 == 0:
            print(
                f"step {step:5} loss {loss.item():.4f} mean error {(made - real).abs().mean().item():.4f}", flush=True
            )
        step += 1
    return model.eval()


def main() -> None:
    """Parse, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    faces = load_faces(training_reals(args.prepared), 12, np.random.default_rng(0))
    print(f"{len(faces)} faces")
    model = train(faces, args.minutes)
    example = (torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, LATENT, CODE_SIDE, CODE_SIDE))
    torch.onnx.export(
        model, example, args.out, input_names=["image", "noise"], output_names=["made"], dynamo=False, opset_version=17
    )
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

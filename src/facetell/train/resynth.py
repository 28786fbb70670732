"""Train the autoencoder of :mod:`facetell.forge.resynth` on real faces, and write it as ONNX (needs the train extra).

    python -m facetell.train.resynth PREPARED OUT.onnx [--minutes 5]

``PREPARED`` is a folder of ``facetell prepare``; only reals of its training split are used.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from facetell.faces.crop import clip_crop, crop_frame
from facetell.forge.networks import SIDE
from facetell.forge.resynth import LATENT
from facetell.train.corpus import Recording
from facetell.train.pseudo_fake_networks import BATCH, arguments, batch_noise, fit, gradient_loss, training_reals, write
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


def load_faces(reals: Sequence[Recording], per_clip: int, rng: np.random.Generator) -> UInt8Array:
    """Crops (N, 160, 160, 3) of real faces, ``per_clip`` moments of each clip."""
    faces = []
    for recording in reals:
        for index in rng.integers(0, len(recording), per_clip).tolist():
            moment = slice(index, index + 1)
            crop = clip_crop(recording.poses(moment), float(rng.uniform(1.3, 1.9)))
            faces.append(crop_frame(recording.pictures(moment)[0], crop, SIDE))
    return np.stack(faces)


def train(faces: UInt8Array, minutes: float) -> Autoencoder:
    """Train for so long on mirrored faces; prints the loss."""
    model = Autoencoder()

    def look(rng: np.random.Generator) -> dict[str, Tensor]:
        real = torch.from_numpy(faces[rng.integers(0, len(faces), BATCH)]).permute(0, 3, 1, 2).float() / 255
        if rng.random() < 0.5:
            real = real.flip(3)
        made = model(real, batch_noise(LATENT))
        error = (made - real).abs().mean()
        return {"loss": error + gradient_loss(made, real), "mean error": error}

    return fit(model, look, minutes)


def main() -> None:
    """Parse, train, write."""
    parser = arguments(__doc__, minutes=5.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    faces = load_faces(training_reals(args.prepared), 12, np.random.default_rng(0))
    print(f"{len(faces)} faces")
    write(train(faces, args.minutes), LATENT, args.out)


if __name__ == "__main__":
    main()

"""Train the network of :mod:`facetell.forge.renderer` on real faces, and write it as ONNX (needs the train extra).

    python -m facetell.train.renderer PREPARED OUT.onnx [--minutes 12]

``PREPARED`` is a folder of ``facetell prepare``; only reals of its training split are used. What the network is shown
is made as talking heads are: one frame of a clip, warped by the landmarks of another. It is to make that other of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetell.faces.crop import clip_crop, crop_frame, crop_matrix
from facetell.forge.networks import SIDE
from facetell.forge.paint import paint_lids, paint_mouth
from facetell.forge.reenact import animate
from facetell.forge.renderer import CHANNELS
from facetell.models.zoo import create_model
from facetell.train.corpus import Recording
from facetell.train.pseudo_fake_networks import BATCH, arguments, batch_noise, fit, gradient_loss, training_reals, write
from facetell.types import UInt8Array

JUDGES = 6  # layers of the ImageNet network whose features should agree: down to an eighth of the side


class Renderer(nn.Module):
    """(N, 3, 160, 160) RGB in [0, 1], warped, and noise (N, 64, 20, 20) for its code, to the picture made of it.

    Warped features pass at a quarter of the side; all that is finer the decoder makes up, by transposed convolutions
    and a pixel shuffle: their grids are part of what a generated picture shows.
    """

    def __init__(self) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.1)
        self.fine = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), act, nn.Conv2d(24, 48, 3, 2, 1), act)
        self.coarse = nn.Sequential(
            *(nn.Conv2d(48, CHANNELS, 3, 2, 1), act),
            *(nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1), act),
            nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1),
        )
        self.up = nn.Sequential(
            *(act, nn.Conv2d(CHANNELS, 96, 3, 1, 1), act),
            *(nn.ConvTranspose2d(96, 48, 4, 2, 1), act),
        )
        self.decoder = nn.Sequential(
            *(nn.Conv2d(96, 64, 3, 1, 1), act),
            *(nn.ConvTranspose2d(64, 40, 4, 2, 1), act),
            nn.Conv2d(40, 12, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        """Encode, disturb the code, decode."""
        fine = self.fine(image * 2 - 1)
        up = self.up(self.coarse(fine) + noise)
        picture: Tensor = self.decoder(torch.cat([fine, up], dim=1))
        return picture * 0.5 + 0.5


def warped_pair(recording: Recording, rng: np.random.Generator) -> tuple[UInt8Array, UInt8Array]:
    """One frame moved to the landmarks of another, and that other frame, (160, 160, 3) each."""
    moments = [slice(int(t), int(t) + 1) for t in rng.choice(len(recording), 2, replace=False)]
    poses = [recording.poses(moment)[0] for moment in moments]
    crop = clip_crop(poses, float(rng.uniform(1.4, 2.0)))
    matrix = crop_matrix(crop, SIDE)
    portrait, target = (crop_frame(recording.pictures(moment)[0], crop, SIDE) for moment in moments)
    rest, goal = ((recording.mesh(m)[0] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32) for m in moments)
    moved = animate(portrait, rest, goal[None], float(rng.choice([0.0, rng.uniform(0.1, 0.7)])))
    paint_mouth(moved, (portrait, rest), goal[None], None, bool(rng.random() < 0.75))
    paint_lids(moved, rest, goal[None])
    return moved[0], target


def load_pairs(reals: Sequence[Recording], count: int, rng: np.random.Generator) -> UInt8Array:
    """``count`` pairs (count, 2, 160, 160, 3), as many of each person."""
    people = sorted({r.entry.identity for r in reals})
    pairs = np.empty((count, 2, SIDE, SIDE, 3), np.uint8)
    for index, pair in enumerate(pairs):
        own = [r for r in reals if r.entry.identity == people[index % len(people)]]
        pair[:] = warped_pair(own[int(rng.integers(len(own)))], rng)
    return pairs


def train(pairs: UInt8Array, minutes: float) -> Renderer:
    """Train for so long on mirrored pairs; prints the loss."""
    judge = create_model("lite0", motion="none", anomaly="none", clip_frames=1, size=SIDE, pretrained=True).eval()
    judge.requires_grad_(False)

    def features(picture: Tensor) -> list[Tensor]:
        stem, *blocks = judge.backbone.layers()[:JUDGES]
        found = [functional.relu6(stem((picture - judge.mean) / judge.std))]
        for block in blocks:
            found.append(block(found[-1], 1))
        return found

    model = Renderer()

    def look(rng: np.random.Generator) -> dict[str, Tensor]:
        chosen = torch.from_numpy(pairs[rng.integers(0, len(pairs), BATCH)]).permute(1, 0, 4, 2, 3).float() / 255
        warped, real = chosen.flip(4) if rng.random() < 0.5 else chosen
        with torch.autocast("cpu", torch.bfloat16):
            made = model(warped, batch_noise(CHANNELS))
            wanted, shown = ([part.float() for part in features(picture)] for picture in (real, made))
        made = made.float()
        likeness = sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(shown, wanted, strict=True))
        error = (made - real).abs().mean()
        loss = error + gradient_loss(made, real) + 0.05 * likeness
        return {"loss": loss, "mean error": error, "of": (warped - real).abs().mean()}

    return fit(model, look, minutes)


def main() -> None:
    """Parse, train, write."""
    parser = arguments(__doc__, minutes=12.0)
    parser.add_argument("--pairs", type=int, default=3000)
    args = parser.parse_args()
    torch.manual_seed(0)
    cv2.setNumThreads(1)
    pairs = load_pairs(training_reals(args.prepared), args.pairs, np.random.default_rng(0))
    print(f"{len(pairs)} pairs")
    write(train(pairs, args.minutes), CHANNELS, args.out)


if __name__ == "__main__":
    main()

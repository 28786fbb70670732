"""Contact sheets: each kind of forgery on the sample clips, as images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facetell.assets import locate
from facetell.faces.crop import clip_crop, crop_frame, crop_matrix, face_pose
from facetell.forge.follow import follow, read_frames
from facetell.forge.recipe import KINDS, ForgeRecipe, forge_clip
from facetell.forge.reenact import Donor
from facetell.types import UInt8Array
from facetell.video.image import write_image

LENGTH, STEP, SIZE, SCALE = 24, 6, 224, 1.9


def sample_clip(name: str, length: int = LENGTH) -> Donor:
    """The first ``length`` frames of a sample clip, in one crop around the face, and their landmarks."""
    path = locate(name)
    run = max(follow(path), key=lambda run: len(run.landmarks))
    landmarks = run.landmarks[:length]
    crop = clip_crop([face_pose(points) for points in landmarks], SCALE)
    frames = read_frames(path, range(run.start, run.start + len(landmarks)))
    matrix = crop_matrix(crop, SIZE)
    points = landmarks @ matrix[:, :2].T + matrix[:, 2]
    return np.stack([crop_frame(image, crop, SIZE) for _, image in frames]), points.astype(np.float32)


def draw_sheets(folder: Path, seeds: tuple[int, ...] = (1, 2, 3)) -> Iterator[Path]:
    """One PNG per kind: the real frames, for each seed the forged frames, and 128 + 3 x the difference."""
    woman, man = sample_clip("sample_woman"), sample_clip("sample_man")
    for kind in KINDS:
        rows = [_row(woman[0])]
        for seed in seeds:
            forged = forge_clip(*woman, np.random.default_rng(seed), ForgeRecipe.only(kind), man)
            difference = 128 + 3 * (forged.frames.astype(np.int16) - woman[0])
            rows += [_row(forged.frames), _row(np.clip(difference, 0, 255).astype(np.uint8))]
        path = folder / f"{kind}.png"
        write_image(path, np.vstack(rows))
        yield path


def _row(frames: UInt8Array) -> UInt8Array:
    return np.hstack(list(frames[::STEP]))

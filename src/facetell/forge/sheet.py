"""Contact sheets: what each kind of forgery does to the sample clips, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facetell.assets import locate
from facetell.faces.crop import cut_square, square_matrix, stable_square
from facetell.forge.follow import follow, pictures
from facetell.forge.recipe import KINDS, ForgeRecipe, forge_clip
from facetell.forge.reenact import Donor
from facetell.media.still import write_picture
from facetell.types import Box, UInt8Array

LENGTH, STEP, SIZE, SCALE = 24, 6, 224, 1.9


def sample_clip(name: str, length: int = LENGTH) -> Donor:
    """The first ``length`` frames of a sample clip, cut by one square round the face, and their landmarks."""
    path = locate(name)
    run = max(follow(path), key=lambda run: len(run.landmarks))
    start, landmarks = run.start, run.landmarks[:length]
    boxes = [Box(*map(float, (*p.min(axis=0), *p.max(axis=0)))) for p in landmarks]
    square = stable_square(boxes, SCALE)
    frames = pictures(path, range(start, start + len(landmarks)))
    matrix = square_matrix(square, SIZE)
    points = landmarks @ matrix[:, :2].T + matrix[:, 2]
    return np.stack([cut_square(frames[i], square, SIZE) for i in sorted(frames)]), points.astype(np.float32)


def draw_sheets(folder: Path, seeds: tuple[int, ...] = (1, 2, 3)) -> Iterator[Path]:
    """One PNG a kind: the real frames, then for each seed the forged ones and three times the difference on grey."""
    woman, man = sample_clip("sample_woman"), sample_clip("sample_man")
    for kind in KINDS:
        rows = [_row(woman[0])]
        for seed in seeds:
            forged = forge_clip(*woman, np.random.default_rng(seed), ForgeRecipe.only(kind), man)
            difference = 128 + 3 * (forged.frames.astype(np.int16) - woman[0])
            rows += [_row(forged.frames), _row(np.clip(difference, 0, 255).astype(np.uint8))]
        path = folder / f"{kind}.png"
        write_picture(path, np.vstack(rows))
        yield path


def _row(frames: UInt8Array) -> UInt8Array:
    return np.hstack(list(frames[::STEP]))

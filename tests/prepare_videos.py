"""Small videos and manifests of them, for the tests of ``prepare``."""

from pathlib import Path

import numpy as np

from facetell.datasets.prepared import PreparedClip
from fixtures import sample_frames


def man(count: int = 30) -> np.ndarray:
    """The man's face in 360 x 360 pixels, uint8 (T, 360, 360, 3)."""
    return sample_frames("sample_man", count)[:, :, 114:474]


def woman(count: int = 30) -> np.ndarray:
    """The woman's face, larger than the man's, uint8 (T, 360, 360, 3)."""
    return sample_frames("sample_woman", count)[:, :, 264:624]


def recoloured(frames: np.ndarray) -> np.ndarray:
    """Something like a forgery: the same face in other colours, frame for frame."""
    return np.clip(frames.astype(np.float32) * (1.1, 0.95, 0.8) + 6, 0, 255).astype(np.uint8)


def noise(count: int = 9, side: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, side, side, 3), np.uint8)


def in_video(clip: PreparedClip) -> np.ndarray:
    """Landmarks of a clip in pixels of the video that it was cut from, (F, 468, 2)."""
    return (clip.landmarks + 0.5) * clip.square.width / clip.frames.shape[1] - 0.5 + clip.square[:2]


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

"""Out-of-fold scores of a probe for smaller faces and distorted frames.

One frame of every few clips is changed, and scored by the classifier that was trained without its repository, family
and identity. Distortions act on the frame of the prepared clip, before the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.distort.kinds import KINDS, PUBLISHED, parameter
from facetell.distort.video import distort_picture
from facetell.faces.clips import crop_clip
from facetell.forge.degrade import Coder, recode_within
from facetell.train import features
from facetell.train.corpus import Recording
from facetell.train.features import FeatureStore, plain_window, store_arrays
from facetell.types import UInt8Array

EVERY = 5  # one clip of so many is used
LEVEL = 3  # of the distortions
WIDTHS = (64, 48, 32)  # pixels
CODED = "VC"
UNCHANGED = "as it is"


@dataclass(frozen=True, slots=True)
class Limits:
    """Features of changed frames."""

    recordings: NDArray[np.int64]  # (M,), indices of the recordings
    values: dict[str, NDArray[np.float16]]  # (M, D) of each change, by its name


def changes(clip: UInt8Array, width: float) -> dict[str, UInt8Array]:
    """The changes, by name, of a clip (T, H, W, 3) in which the face is ``width`` pixels wide."""
    narrowed = {f"faces {target} pixels wide": _narrowed(clip, target / width) for target in WIDTHS}
    distorted = {f"{KINDS[code].name}, level {LEVEL}": _distorted(clip, code) for code in PUBLISHED}
    return {UNCHANGED: clip, **narrowed, **distorted}


def _narrowed(clip: UInt8Array, scale: float) -> UInt8Array:
    if scale >= 1:
        return clip
    height, width = clip.shape[1:3]
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunken = (cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in clip)
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in shrunken])


def _distorted(clip: UInt8Array, code: str) -> UInt8Array:
    if code == CODED:
        options = {"crf": f"{parameter(code, LEVEL):g}", "threads": "1", "x264-params": "mbtree=0"}
        return recode_within(clip, Coder("libx264", options, 25), 0)
    rng = np.random.default_rng(LEVEL)
    return np.stack([distort_picture(frame, code, LEVEL, rng) for frame in clip])


def measure_limits(store: FeatureStore, recordings: Sequence[Recording], workers: int) -> Limits:
    """Features of a frame of every few recordings under each change; computed once and stored."""
    chosen = np.arange(0, len(recordings), EVERY)
    path = store.folder / f"limits-{store.key[:16]}.npz"
    if not path.exists():
        found = dict(store.run(compute_changes, chosen.tolist(), recordings, workers))
        names = found[0].keys()
        store_arrays(path, **{name: np.stack([found[number][name] for number in chosen.tolist()]) for name in names})
    with np.load(path) as stored:
        return Limits(chosen, {name: stored[name] for name in stored.files})


def compute_changes(number: int) -> tuple[int, dict[str, NDArray[np.float16]]]:
    """A recording's number, and the features (D,) of its middle frame under each change."""
    extractor = features.extractor
    batch, recording = extractor.store.batch, extractor.recordings[number]
    window = plain_window(recording, batch, extractor.store.views.clip_frames, 0.5)
    poses, clip = recording.poses(window), recording.frames(window)
    changed = changes(clip, float(np.median([pose.width for pose in poses])))
    crops = [crop_clip(list(frames), poses, batch.size, batch.crop_scale)[0] for frames in changed.values()]
    middles = np.stack([crop[len(crop) // 2] for crop in crops])
    return number, dict(zip(changed, extractor(middles).astype(np.float16), strict=True))

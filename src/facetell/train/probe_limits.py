"""Where a probe holds: smaller faces and distorted frames, scored out of fold.

One frame of every few clips is changed, and scored by the classifier that was trained without its repository, family
and identity. Distortions act on the frame of the prepared clip, before the crop (METHOD section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facetell.distort.kinds import KINDS, PUBLISHED, parameter
from facetell.distort.video import distort_picture
from facetell.faces.clips import crop_clip
from facetell.files import temporary_beside
from facetell.forge.degrade import Coder, recode_within
from facetell.processes import unordered
from facetell.train.corpus import Recording
from facetell.train.features import Extractor, FeatureStore
from facetell.train.views import plain_window
from facetell.types import UInt8Array

EVERY = 5  # clips of which one is looked at
LEVEL = 3  # of the distortions
WIDTHS = (64, 48, 32)  # pixels
CODED = "VC"
UNCHANGED = "as it is"


@dataclass(frozen=True, slots=True)
class Limits:
    """Features of changed frames.

    Attributes:
        recordings: int (M,), the recordings that were looked at.
        values: float16 (M, D) of each change, by its name.
    """

    recordings: NDArray[np.int64]
    values: dict[str, NDArray[np.float16]]


Change = Callable[[UInt8Array, float], UInt8Array]
"""Changes a clip (T, H, W, 3) in which the face is so many pixels wide."""


def changes() -> dict[str, Change]:
    """The changes by name."""

    def narrowed(target: int) -> Change:
        return lambda clip, width: _narrowed(clip, target / width)

    def distorted(code: str) -> Change:
        return lambda clip, width: _distorted(clip, code)

    return {
        UNCHANGED: lambda clip, width: clip,
        **{f"faces {target} pixels wide": narrowed(target) for target in WIDTHS},
        **{f"{KINDS[code].name}, level {LEVEL}": distorted(code) for code in PUBLISHED},
    }


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
    """Features of a frame of every few recordings under each change; kept, so that they are computed once."""
    chosen = np.arange(0, len(recordings), EVERY)
    path = store.folder / f"limits-{store.key[:16]}.npz"
    if not path.exists():
        found = dict(unordered(_work, chosen.tolist(), max(1, workers), _start, (store, recordings)))
        names = [*changes()]
        values = {name: np.stack([found[number][row] for number in chosen.tolist()]) for row, name in enumerate(names)}
        temporary = temporary_beside(path)
        with temporary.open("wb") as stream:
            np.savez(stream, **values)  # type: ignore[arg-type]  # numpy's stub takes every name for its own option
        temporary.replace(path)
    with np.load(path) as stored:
        return Limits(chosen, {name: stored[name] for name in stored.files})


_extractor: Extractor
_recordings: Sequence[Recording]


def _start(store: FeatureStore, recordings: Sequence[Recording]) -> None:
    global _extractor, _recordings
    cv2.setNumThreads(1)
    _extractor, _recordings = Extractor(store), recordings


def _work(number: int) -> tuple[int, NDArray[np.float16]]:
    """The features (changes, D) of one recording."""
    store = _extractor.store
    return number, _extractor.run(np.stack([*_changed(_recordings[number], store)])).astype(np.float16)


def _changed(recording: Recording, store: FeatureStore) -> Iterator[UInt8Array]:
    length, batch = store.views.clip_frames, store.batch
    window = plain_window(recording, batch, length, 0.5)
    poses, clip = recording.poses(window), recording.pictures(window)
    width = float(np.median([pose.width for pose in poses]))
    for change in changes().values():
        yield crop_clip(list(change(clip, width)), poses, batch.size, batch.crop_scale)[0][len(clip) // 2]

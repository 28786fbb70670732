"""Single frames of a recording, as the head of a frozen network is trained on them.

A view is one frame, cropped as detection crops it and then varied. A real recording gives real frames, each beside a
pseudo-fake of the same frame; a forged one gives forged frames. Every view is degraded by draws from one distribution,
and the two of a pair by the same draw: resolution, coding, brightness and framing do not tell the classes apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facetell.train.batches import Sampler
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording, window_at
from facetell.train.validate import cut_recording
from facetell.types import UInt8Array

PLAIN, REAL, FORGED = "plain", "real", "forged"


@dataclass(frozen=True, slots=True)
class View:
    """One frame.

    Attributes:
        frame: uint8 RGB (S, S, 3).
        label: 1 forged, 0 real.
        source: "plain" (as detection crops it), "real" (degraded), "forged" (of a forged recording, degraded), or the
            kind of a pseudo-fake (:data:`facetell.forge.recipe.KINDS`).
        time: seconds in the video.
    """

    frame: UInt8Array
    label: int
    source: str
    time: float


def plain_window(recording: Recording, batch: BatchConfig, length: int, place: float) -> slice:
    """The clip of ``length`` frames at a place in [0, 1] of a recording; shorter where the recording is."""
    step = recording.step(batch.frame_rate)
    while step > 1 and not recording.starts(length, step):
        step -= 1
    length = min(length, len(recording))
    return window_at(round(place * (len(recording.starts(length, step)) - 1)), length, step)


def plain_views(recording: Recording, batch: BatchConfig, length: int, count: int) -> Iterator[View]:
    """``count`` frames spread evenly over a recording, as detection crops them; fewer of a short one.

    Each is the middle frame of the clip of ``length`` frames that detection would take there: the crop is that of the
    whole clip.
    """
    places = (np.arange(count) + 0.5) / count
    windows = {window.start: window for window in (plain_window(recording, batch, length, place) for place in places)}
    for window in windows.values():
        clip, times = cut_recording(recording, window, batch), recording.times[window]
        middle = len(clip) // 2
        yield View(clip[middle], int(recording.entry.label or 0), PLAIN, float(times[middle]))


def varied_views(recording: Recording, sampler: Sampler, count: int, seed: int) -> Iterator[View]:
    """Varied frames of a recording: ``count`` pairs of a real, or ``count`` frames of a forgery.

    Args:
        recording: one of the sampler's.
        sampler: says how frames are forged, degraded and cropped, and lends the faces of swaps.
        count: draws.
        seed: with the content of the recording it determines every draw but the donor of a swap.
    """
    key = int.from_bytes(hashlib.sha256(recording.sha256.encode()).digest()[:8], "big")
    for number in range(count):
        rng = np.random.default_rng([seed, key, number])
        if recording.entry.label == 0:
            clips, times, kind = sampler.pair_of(recording, rng)
            which = int(rng.integers(len(times)))
            for label, (clip, source) in enumerate(zip(clips, (REAL, kind), strict=True)):
                yield View(clip[which], label, source, float(times[which]))
        else:
            clip, times = sampler.alone(recording, rng)
            which = int(rng.integers(len(times)))
            yield View(clip[which], 1, FORGED, float(times[which]))

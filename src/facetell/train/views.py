"""Views: single frames of a recording, on which the classifier of a frozen network is trained.

A plain view is cropped as in detection; a varied one is also forged or degraded. Varied views of both classes are
degraded by the same distribution, and the two of a pair by the same draw, so that resolution, coding, brightness and
framing do not discriminate the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from facetell.train.batches import Sampler
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording, window_at
from facetell.train.validate import crop_recording
from facetell.types import UInt8Array

PLAIN, REAL, FORGED = "plain", "real", "forged"


class View(NamedTuple):
    """One frame.

    Attributes:
        frame: uint8 RGB (S, S, 3).
        label: 1 forged, 0 real.
        source: "plain", "real" (degraded), "forged" (of a forged recording, degraded), or the kind of pseudo-fake.
        time: seconds in the video.
    """

    frame: UInt8Array
    label: int
    source: str
    time: float


def plain_window(recording: Recording, batch: BatchConfig, length: int, place: float) -> slice:
    """The clip of ``length`` frames at a relative position in [0, 1]; shorter if the recording is."""
    step = recording.step(batch.frame_rate)
    while step > 1 and not recording.starts(length, step):
        step -= 1
    length = min(length, len(recording))
    return window_at(round(place * (len(recording.starts(length, step)) - 1)), length, step)


def plain_views(recording: Recording, batch: BatchConfig, length: int, count: int) -> Iterator[View]:
    """``count`` evenly spaced frames as detection crops them; fewer of a short recording.

    Each is the middle frame of a clip of ``length`` frames, with the crop of the whole clip.
    """
    places = (np.arange(count) + 0.5) / count
    windows = {window.start: window for window in (plain_window(recording, batch, length, place) for place in places)}
    for window in windows.values():
        clip, times = crop_recording(recording, window, batch), recording.times[window]
        middle = len(clip) // 2
        yield View(clip[middle], int(recording.entry.label or 0), PLAIN, float(times[middle]))


def varied_views(recording: Recording, sampler: Sampler, count: int, seed: int) -> Iterator[View]:
    """``count`` pairs of a real recording, or ``count`` frames of a forged one.

    The seed and the content of the recording determine every draw except the donor of a swap.
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

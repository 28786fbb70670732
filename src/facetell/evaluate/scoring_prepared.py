"""Score the prepared clips of one video: nothing is detected; the landmarks beside each clip say where to cut."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry
from facetell.detector import Detector
from facetell.evaluate.scoring_faces import FacePlaces, Pictures, score_at
from facetell.evaluate.scoring_jobs import CLEAN, ClipRow, Job, inside
from facetell.faces.crop import face_pose
from facetell.types import Box, FloatArray, Status, TrackVerdict, UInt8Array
from facetell.verdict import why_not_scored


class CutClip(Protocol):
    """Pictures of one face, all cut from a video by one square, as :mod:`facetell.datasets.prepared` reads them."""

    @property
    def frames(self) -> UInt8Array:
        """RGB (F, H, W, 3)."""

    @property
    def landmarks(self) -> FloatArray:
        """The face mesh (F, 468, 2) in pixels of the frames."""

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds (F,) in the video that the clip was cut from."""

    @property
    def square(self) -> Box:
        """Where the frames were cut, in pixels of that video."""


def score_prepared(job: Job, root: Path, detector: Detector) -> list[ClipRow]:
    """The rows of one video from its prepared clips, by track and time; one row with the reason where there is none.

    Args:
        job: the video, each of its entries a prepared clip.
        root: the prepared folder.
        detector: its model and settings are used, not its tracker.

    Raises:
        FacetellError: a clip cannot be read.
    """
    from facetell.datasets.prepared import read_clip

    tracks = [score_clip(read_clip(root / entry.path), entry, detector) for entry in job.entries]
    found = sorted(
        (entry.track, clip.t0, clip.t1, number, clip.logit)
        for number, (entry, seen) in enumerate(zip(job.entries, tracks, strict=True))
        for track in seen
        for clip in track.clips
    )
    if not found:
        status, _ = why_not_scored([track for seen in tracks for track in seen], detector.engine.info)
        return [ClipRow(0, status, *CLEAN)]
    before: dict[int, int] = {}  # clips of each track so far: a track may lie in several prepared clips
    rows = []
    for track, t0, t1, number, logit in found:
        before[track] = before.get(track, -1) + 1
        rows.append(ClipRow(number, Status.SCORED, *CLEAN, track, before[track], t0, t1, logit))
    return rows


def score_clip(clip: CutClip, entry: Entry, detector: Detector) -> tuple[TrackVerdict, ...]:
    """What is seen and scored in one prepared clip; times are those of its video, clips begin as detection begins them.

    Places are given in pixels of the video, as the least width of a face is. Clips without motion and clips of a
    pixelated face are left out, as in the video; a prepared clip of which none is scored has the status that says why.
    """
    height, width = clip.frames.shape[1:3]
    scale = clip.square.width / width
    places = FacePlaces(width * scale, height * scale)
    for time, points in zip(clip.times, clip.landmarks, strict=True):
        places.add(float(time), {entry.track: face_pose(points * np.float32(scale))})
    steps = np.diff(clip.times)
    fps = 1 / float(np.median(steps)) if len(steps) else None
    return score_at(places, _pictures(clip), fps, detector, partial(inside, entry), clean=True)


def _pictures(clip: CutClip) -> Pictures:
    for time, image in zip(clip.times, clip.frames, strict=True):
        yield float(time), partial(_as_it_is, image)


def _as_it_is(image: UInt8Array) -> UInt8Array:
    return image

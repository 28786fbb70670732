"""The main face of a video, followed from beginning to end, and the frames round it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.forge.mesh import mouth_opening, similarity
from facetell.forge.reenact import Donor
from facetell.types import FacetellError, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoReader

MARGIN = 0.35  # of the face's extent in a stretch of video, left round it on each side
DONOR_LENGTH = 96
DONOR_SIDE = 640

Progress = Callable[[float], None]
SHORTEST = 8  # frames; what shows for less is a glimpse, or no face at all
LOOK = 32  # pixels: side of the thumbnail that tells whether a face is covered


@dataclass(frozen=True, slots=True)
class Run:
    """A face in frames that follow one another without a hole, from number ``start`` on.

    ``landmarks`` (T, 468, 2) in pixels; ``looks`` (T, 32, 32) grey thumbnails of the face set upright, to compare.
    """

    start: int
    landmarks: FloatArray
    looks: UInt8Array


Sighting = tuple[FloatArray, UInt8Array]


def follow(path: Path, progress: Progress | None = None) -> list[Run]:
    """Unbroken runs of the main face: in each scene the one that covers most pixels over time.

    Raises:
        FacetellError: the video cannot be read, or shows no face for 8 frames together.
    """
    tracker = FaceTracker(FaceDetector(), FaceMesh())
    tracks: dict[int, list[tuple[int, Sighting]]] = {}
    area: dict[int, float] = {}
    scene_of: dict[int, int] = {}
    scene = 0
    with VideoReader(path) as reader:
        for raw in reader:
            scene += tracker.glance(raw.luma_thumbnail())
            image = raw.rgb()
            for track_id, face in tracker.update(Frame(raw.index, raw.time, image)).items():
                scene_of.setdefault(track_id, scene)
                tracks.setdefault(track_id, []).append((raw.index, (face.landmarks, _look(image, face.landmarks))))
                area[track_id] = area.get(track_id, 0.0) + face.box.width * face.box.height
            if progress and reader.info.duration:
                progress(min(1.0, raw.time / reader.info.duration))
    main: dict[int, int] = {}
    for track_id, of in scene_of.items():
        if of not in main or area[track_id] > area[main[of]]:
            main[of] = track_id
    runs = _runs(dict(chain.from_iterable(tracks[track_id] for track_id in main.values())))
    runs = [run for run in runs if len(run.landmarks) >= SHORTEST]
    if not runs:
        raise FacetellError(f"no face was found for {SHORTEST} frames together in {path}: name a video that shows one")
    return runs


def _look(image: UInt8Array, landmarks: FloatArray) -> UInt8Array:
    """A grey thumbnail (32, 32) of the face, its eyes and chin always at the same places."""
    places = np.array([[7, 9], [25, 9], [16, 31]], np.float32)  # outer corners of the eyes, chin
    matrix = similarity(landmarks[[33, 263, 152]], places)
    return np.asarray(cv2.cvtColor(cv2.warpAffine(image, matrix, (LOOK, LOOK)), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _runs(sightings: dict[int, Sighting]) -> list[Run]:
    """Frames that follow one another without a hole, and in which the face does not jump by half its width."""
    runs: list[tuple[int, list[Sighting]]] = []
    for index in sorted(sightings):
        points = sightings[index][0]
        if runs:
            start, members = runs[-1]
            step = float(np.abs(points.mean(axis=0) - members[-1][0].mean(axis=0)).max())
            if start + len(members) == index and step < 0.5 * float(np.ptp(points[:, 0])):
                members.append(sightings[index])
                continue
        runs.append((index, [sightings[index]]))
    return [Run(start, np.stack([p for p, _ in members]), np.stack([k for _, k in members])) for start, members in runs]


def portrait_of(run: Run) -> int:
    """The frame of a run that a forger would choose: looking as in most frames, mouth shut, head straight."""
    typical = np.median(run.looks[:: max(1, len(run.looks) // 200)], axis=0)
    strange = np.abs(run.looks - typical).mean(axis=(1, 2)) / 255
    sides = run.landmarks[:, (234, 454), 0]
    turned = np.abs(run.landmarks[:, 1, 0] - sides.mean(axis=1)) / np.maximum(np.abs(sides[:, 1] - sides[:, 0]), 1.0)
    return int(np.argmin(4 * strange + mouth_opening(run.landmarks) + turned))


def surroundings(landmarks: FloatArray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels ``(x0, y0, x1, y1)`` of a picture of ``size`` (H, W) round a face (T, 468, 2) wherever it goes."""
    low, high = landmarks.min(axis=(0, 1)), landmarks.max(axis=(0, 1))
    margin = MARGIN * np.median(np.ptp(landmarks, axis=1), axis=0).max()
    height, width = size
    x0, y0 = np.floor(low - margin).astype(int).clip(0, (width - 2, height - 2))
    x1, y1 = np.ceil(high + margin).astype(int)
    return int(x0), int(y0), int(np.clip(x1, x0 + 2, width)), int(np.clip(y1, y0 + 2, height))


def pictures(path: Path, indices: Iterable[int]) -> dict[int, UInt8Array]:
    """Frames of a video by their numbers, uint8 RGB (H, W, 3)."""
    wanted = set(indices)
    found: dict[int, UInt8Array] = {}
    with VideoReader(path) as reader:
        for raw in reader:
            if raw.index in wanted:
                found[raw.index] = raw.rgb()
            if len(found) == len(wanted):
                break
    return found


def load_donor(path: Path, rng: np.random.Generator) -> Donor:
    """Up to 96 frames of a video's longest run, cut round the face and no larger than 640 pixels a side.

    Raises:
        FacetellError: the video cannot be read, or shows no face.
    """
    run = max(follow(path), key=lambda run: len(run.landmarks))
    start, landmarks = run.start, run.landmarks
    skip = int(rng.integers(max(1, len(landmarks) - DONOR_LENGTH + 1)))
    start, landmarks = start + skip, landmarks[skip : skip + DONOR_LENGTH]
    cuts: list[UInt8Array] = []
    scale = 1.0
    with VideoReader(path) as reader:
        for raw in reader:
            if raw.index < start:
                continue
            if len(cuts) == len(landmarks):
                break
            image = raw.rgb()
            x0, y0, x1, y1 = surroundings(landmarks, (image.shape[0], image.shape[1]))
            scale = min(1.0, DONOR_SIDE / max(x1 - x0, y1 - y0))
            small = (max(2, round((x1 - x0) * scale)), max(2, round((y1 - y0) * scale)))
            # A copy, as the cut would keep the whole picture in memory.
            cut = cv2.resize(image[y0:y1, x0:x1], small, interpolation=cv2.INTER_AREA).copy()
            cuts.append(np.asarray(cut, dtype=np.uint8))
    points = (landmarks[: len(cuts)] - (x0, y0) + 0.5) * scale - 0.5
    return np.stack(cuts), points.astype(np.float32)

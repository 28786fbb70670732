"""Track the main face of a video and read the frames around it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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

MARGIN = 0.35  # around the face in a stretch of video, relative to its extent
DONOR_LENGTH = 96
DONOR_SIDE = 640
SHORTEST = 8  # frames; shorter runs are often no face
THUMBNAIL = 32  # pixels

Progress = Callable[[float], None]
Sighting = tuple[FloatArray, UInt8Array]


@dataclass(frozen=True, slots=True)
class Run:
    """A face in consecutive frames from number ``start`` on.

    ``landmarks`` (T, 468, 2) in pixels; ``thumbnails`` (T, 32, 32), the aligned face in grey.
    """

    start: int
    landmarks: FloatArray
    thumbnails: UInt8Array


def follow(path: Path, progress: Progress | None = None) -> list[Run]:
    """Runs of the main face: in each scene the one with the largest area, summed over time.

    Raises:
        FacetellError: the video cannot be read, or shows no face in 8 consecutive frames.
    """
    tracker = FaceTracker(FaceDetector(), FaceMesh())
    tracks: dict[int, dict[int, Sighting]] = defaultdict(dict)
    area: dict[int, float] = defaultdict(float)
    scene_of: dict[int, int] = {}
    scene = 0
    with VideoReader(path) as reader:
        for raw in reader:
            scene += tracker.glance(raw.luma_thumbnail())
            image = raw.rgb()
            for track, face in tracker.update(Frame(raw.index, raw.time, image)).items():
                scene_of.setdefault(track, scene)
                tracks[track][raw.index] = face.landmarks, _thumbnail(image, face.landmarks)
                area[track] += face.box.width * face.box.height
            if progress and reader.info.duration:
                progress(min(1.0, raw.time / reader.info.duration))
    sightings: dict[int, Sighting] = {}
    for number in sorted(set(scene_of.values())):
        main = max((track for track in tracks if scene_of[track] == number), key=area.__getitem__)
        sightings |= tracks[main]
    runs = [run for run in _runs(sightings) if len(run.landmarks) >= SHORTEST]
    if not runs:
        raise FacetellError(f"{path} shows no face in {SHORTEST} consecutive frames; choose a video with a face")
    return runs


def _thumbnail(image: UInt8Array, landmarks: FloatArray) -> UInt8Array:
    """The face in grey (32, 32), with eyes and chin at fixed places."""
    places = np.array([[7, 9], [25, 9], [16, 31]], np.float32)  # outer corners of the eyes, chin
    matrix = similarity(landmarks[[33, 263, 152]], places)
    small = cv2.warpAffine(image, matrix, (THUMBNAIL, THUMBNAIL))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _runs(sightings: dict[int, Sighting]) -> list[Run]:
    """Consecutive frames in which the face does not jump by half its width."""
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
    return [Run(start, np.stack([p for p, _ in members]), np.stack([t for _, t in members])) for start, members in runs]


def portrait_of(run: Run) -> int:
    """The frame of a run that is most typical, with the mouth closed and the head straight."""
    typical = np.median(run.thumbnails[:: max(1, len(run.thumbnails) // 200)], axis=0)
    strange = np.abs(run.thumbnails - typical).mean(axis=(1, 2)) / 255
    sides = run.landmarks[:, (234, 454), 0]
    turned = np.abs(run.landmarks[:, 1, 0] - sides.mean(axis=1)) / np.maximum(np.abs(sides[:, 1] - sides[:, 0]), 1.0)
    return int(np.argmin(4 * strange + mouth_opening(run.landmarks) + turned))


def surroundings(landmarks: FloatArray, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Pixels ``(x0, y0, x1, y1)`` of frames of ``size`` (H, W) that hold a face (T, 468, 2) in all frames."""
    low, high = landmarks.min(axis=(0, 1)), landmarks.max(axis=(0, 1))
    margin = MARGIN * np.median(np.ptp(landmarks, axis=1), axis=0).max()
    height, width = size[:2]
    x0, y0 = np.floor(low - margin).astype(int).clip(0, (width - 2, height - 2))
    x1, y1 = np.ceil(high + margin).astype(int)
    return int(x0), int(y0), int(np.clip(x1, x0 + 2, width)), int(np.clip(y1, y0 + 2, height))


def read_frames(path: Path, indices: Iterable[int]) -> Iterator[tuple[int, UInt8Array]]:
    """Frames of a video by their numbers: (number, uint8 RGB (H, W, 3)), in the order of the video."""
    wanted = set(indices)
    with VideoReader(path) as reader:
        for raw in reader:
            if raw.index in wanted:
                wanted.remove(raw.index)
                yield raw.index, raw.rgb()
            if not wanted:
                return


def load_donor(path: Path, rng: np.random.Generator) -> Donor:
    """Up to 96 frames of the longest run of a video, cropped around the face to at most 640 pixels a side.

    Raises:
        FacetellError: the video cannot be read, or shows no face.
    """
    run = max(follow(path), key=lambda run: len(run.landmarks))
    skip = int(rng.integers(max(1, len(run.landmarks) - DONOR_LENGTH + 1)))
    landmarks = run.landmarks[skip : skip + DONOR_LENGTH]
    crops: list[UInt8Array] = []
    x0, y0, scale = 0, 0, 1.0
    for _, image in read_frames(path, range(run.start + skip, run.start + skip + len(landmarks))):
        x0, y0, x1, y1 = surroundings(landmarks, image.shape)
        scale = min(1.0, DONOR_SIDE / max(x1 - x0, y1 - y0))
        small = (max(2, round((x1 - x0) * scale)), max(2, round((y1 - y0) * scale)))
        crop = cv2.resize(image[y0:y1, x0:x1], small, interpolation=cv2.INTER_AREA)
        crops.append(np.array(crop, dtype=np.uint8))  # a view would keep the whole frame in memory
    points = (landmarks[: len(crops)] - (x0, y0) + 0.5) * scale - 0.5
    return np.stack(crops), points.astype(np.float32)

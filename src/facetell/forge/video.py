"""Track the main face of a whole video and forge it.

A video is read twice: to track its faces, then to forge them. Memory is bounded: frames are held for one take at a
time, landmarks (4 kB per frame) for the whole video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from facetell import __version__
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.files import check_all_writable
from facetell.forge.mesh import mouth_opening, similarity
from facetell.forge.recipe import KINDS, ForgeRecipe, draw_kind, forge_clip
from facetell.forge.reenact import Donor, Performance, borrowed_motion, most_opened
from facetell.types import FacetellError, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

NONE = "none"  # only re-encoded: the real to compare a forgery with
VIDEO_KINDS = (*KINDS, "mix", NONE)
# Their parameters hold for the whole video, so every take starts from the same seed; the other kinds are noise.
STEADY = ("sbv", "breathe", "swap", "resynth")
TAKE_BYTES = 400_000_000
TAKE_LENGTHS = (12, 96)
MARGIN = 0.35  # around the face in a take, relative to its extent
DONOR_LENGTH, DONOR_SIDE = 96, 640  # frames, pixels
SHORTEST = 8  # frames; shorter runs are often no face
THUMBNAIL = np.array([[7, 9], [25, 9], [16, 31]], np.float32)

Made = tuple[UInt8Array, bool, float]
"""A frame (H, W, 3), whether it is forged, its time in seconds."""
Sighting = tuple[FloatArray, UInt8Array]
"""Landmarks and thumbnail of a face in one frame."""


class Run(NamedTuple):
    """A face in consecutive frames from number ``start`` on."""

    start: int
    landmarks: FloatArray  # (T, 468, 2) in pixels
    thumbnails: UInt8Array  # (T, 32, 32), the aligned face in grey


class VideoForgery(NamedTuple):
    """The result: the ``kind`` applied; ``forged`` of the ``frames`` frames have a forged face."""

    kind: str
    frames: int
    forged: int


def forge_video(
    source: Path,
    out: Path,
    kind: str = "mix",
    *,
    donor: Path | None = None,
    seed: int = 0,
    mark: bool = True,
    progress: Callable[[float], None] = lambda share: None,
) -> VideoForgery:
    """Forge the main face of a video, without its sound. The same ``seed`` gives the same forgery.

    Args:
        source, out: a real video, and its forgery, with a metadata tag (``comment``), in the container of its suffix.
        kind: one of :data:`VIDEO_KINDS`; ``mix`` draws one by the weights of the recipe, ``none`` only re-encodes.
        donor: video of another person: the face of a ``swap`` (required), the motion of a ``reenact`` (optional).
        mark: write FORGED into a corner.
        progress: called with the share done in [0, 1].

    FacetellError: a video cannot be read or shows no face, or a file cannot be written.
    """
    check_all_writable([out], keep=[path for path in (source, donor) if path])
    if kind == "mix":
        kind = draw_kind(np.random.default_rng(seed), ForgeRecipe() if donor else ForgeRecipe(swap=0.0))
    if kind == "swap" and donor is None:
        raise FacetellError("a swap needs the face of another person: name a video of one with --with")
    person = load_donor(donor, np.random.default_rng([seed, 1])) if donor is not None and kind != NONE else None
    runs = [] if kind == NONE else follow(source, lambda share: progress(0.4 * share))
    tag = {"comment": f"{'re-encoded' if kind == NONE else 'forged'} by facetell {__version__}: {kind}, seed {seed}"}
    count = forged = 0
    # Without its macroblock tree x264 gives the same file for the same frames.
    options = {"preset": "veryfast", "x264-params": "mbtree=0"}
    with VideoReader(source) as reader:
        info = reader.info
        if kind == "reenact":
            made = _performed(reader, _performances(source, runs, person, seed), seed)
        else:
            made = _forged(reader, runs, kind, person, seed)
        how: dict[str, Any] = {"crf": 18, "metadata": tag, "options": options}
        with VideoWriter(out, fps=info.fps or 25.0, width=info.width, height=info.height, **how) as writer:
            for image, changed, time in made:
                writer.write(stamp(image) if mark and kind != NONE else image, time)
                count += 1
                forged += changed
                if info.duration:
                    progress(min(1.0, 0.4 + 0.6 * time / info.duration))
    return VideoForgery(kind, count, forged)


def follow(path: Path, progress: Callable[[float], None] = lambda share: None) -> list[Run]:
    """Runs of the largest face over time in each scene. FacetellError: no face is in 8 consecutive frames."""
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
                # The face in grey (32, 32), with the outer corners of the eyes and the chin at fixed places.
                matrix = similarity(face.landmarks[[33, 263, 152]], THUMBNAIL)
                thumbnail = cv2.cvtColor(cv2.warpAffine(image, matrix, (32, 32)), cv2.COLOR_RGB2GRAY)
                tracks[track][raw.index] = face.landmarks, np.asarray(thumbnail, np.uint8)
                area[track] += face.box.width * face.box.height
            if reader.info.duration:
                progress(min(1.0, raw.time / reader.info.duration))
    sightings: dict[int, Sighting] = {}  # of the main faces, by number of the frame
    for number in sorted(set(scene_of.values())):
        sightings |= tracks[max((track for track in tracks if scene_of[track] == number), key=area.__getitem__)]
    if not (runs := _runs(sightings)):
        raise FacetellError(f"{path} shows no face in {SHORTEST} consecutive frames; choose a video with a face")
    return runs


def _runs(sightings: dict[int, Sighting]) -> list[Run]:
    """At least 8 consecutive frames in which the face does not jump by half its width."""
    if not sightings:
        return []
    numbers = np.array(sorted(sightings))
    points, thumbnails = (np.stack([sightings[number][i] for number in numbers]) for i in range(2))
    steps = np.abs(np.diff(points.mean(axis=1), axis=0)).max(axis=1)
    ends = (np.diff(numbers) != 1) | (steps >= 0.5 * np.ptp(points[1:, :, 0], axis=1))
    parts = (np.split(values, np.flatnonzero(ends) + 1) for values in (numbers, points, thumbnails))
    return [Run(int(part[0]), *rest) for part, *rest in zip(*parts, strict=True) if len(part) >= SHORTEST]


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
    """Up to 96 frames of the longest run of a video, cropped around the face to at most 640 pixels a side."""
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


def _forged(reader: VideoReader, runs: list[Run], kind: str, donor: Donor | None, seed: int) -> Iterator[Made]:
    """All frames in order; those of the runs are forged within a crop around the face."""
    held: list[tuple[UInt8Array, float]] = []
    landmarks: FloatArray | None = None
    takes = _takes(runs, (reader.info.height, reader.info.width))
    for raw in reader:
        image = raw.rgb()
        if not held:
            landmarks = takes.get(raw.index)
        if landmarks is None:
            yield image, False, raw.time
            continue
        held.append((image, raw.time))
        if len(held) < len(landmarks):
            continue
        x0, y0, x1, y1 = surroundings(landmarks, image.shape)
        crop = np.stack([whole[y0:y1, x0:x1] for whole, _ in held])
        rng = np.random.default_rng([seed, 0 if kind in STEADY else raw.index])
        forged = forge_clip(crop, landmarks - (x0, y0), rng, ForgeRecipe.only(kind), donor)
        for (whole, time), face, alpha in zip(held, forged.frames, forged.mask, strict=True):
            result = whole.copy()  # the reader may return a view of the decoder's memory
            result[y0:y1, x0:x1] = face
            yield result, bool(alpha.max() > 0.5 / 255), time
        held = []
    for image, time in held:  # only if the second reading gave fewer frames than the first
        yield image, False, time


def _takes(runs: list[Run], size: tuple[int, int]) -> dict[int, FloatArray]:
    """Runs divided into takes that fit into memory: landmarks by the number of the first frame."""
    takes: dict[int, FloatArray] = {}
    for run in runs:
        x0, y0, x1, y1 = surroundings(run.landmarks, size)
        bytes_a_frame = 3 * size[0] * size[1] + 17 * (x1 - x0) * (y1 - y0)  # the frame, and all arrays of its crop
        length = int(np.clip(TAKE_BYTES // bytes_a_frame, *TAKE_LENGTHS))
        parts = max(1, round(len(run.landmarks) / length))
        bounds = np.linspace(0, len(run.landmarks), parts + 1).round().astype(int)
        takes |= {run.start + int(first): run.landmarks[first:last] for first, last in pairwise(bounds)}
    return takes


def _performances(source: Path, runs: list[Run], donor: Donor | None, seed: int) -> dict[int, Performance]:
    """For each run, by its first frame: one of its frames, and how it is animated in place of all the others."""
    chosen = [_portrait_of(run) for run in runs]
    opened = [most_opened(run.landmarks, run.landmarks[i]) for run, i in zip(runs, chosen, strict=True)]
    wanted = {run.start + i for run, *both in zip(runs, chosen, opened, strict=True) for i in both if i is not None}
    frames = dict(read_frames(source, wanted))
    plans = {}
    for run, i, wide in zip(runs, chosen, opened, strict=True):
        portrait = frames[run.start + i], run.landmarks[i]
        open_mouth = None if wide is None else (frames[run.start + wide], run.landmarks[wide])
        goals = run.landmarks
        if donor is not None:
            goals = borrowed_motion(portrait[1], donor[1], 0, len(goals))
        # The same draws for each run: one manner for the whole video.
        plans[run.start] = Performance(portrait, goals, open_mouth, np.random.default_rng(seed))
    return plans


def _portrait_of(run: Run) -> int:
    """The frame of a run that is most typical (a covered face is not), with the mouth closed and the head straight."""
    typical = np.median(run.thumbnails[:: max(1, len(run.thumbnails) // 200)], axis=0)
    strange = np.abs(run.thumbnails - typical).mean(axis=(1, 2)) / 255
    sides = run.landmarks[:, (234, 454), 0]
    turned = np.abs(run.landmarks[:, 1, 0] - sides.mean(axis=1)) / np.maximum(np.abs(sides[:, 1] - sides[:, 0]), 1.0)
    return int(np.argmin(4 * strange + mouth_opening(run.landmarks) + turned))


def _performed(reader: VideoReader, plans: dict[int, Performance], seed: int) -> Iterator[Made]:
    """All frames in order, those of a performance animated from its portrait."""
    rng = np.random.default_rng([seed, 2])
    start, performance = 0, None
    for raw in reader:
        if raw.index in plans:
            start, performance = raw.index, plans[raw.index]
        step = raw.index - start
        if performance is not None and step < len(performance.goals):
            yield performance.render(rng, step, step + 1)[0], True, raw.time
        else:
            yield raw.rgb(), False, raw.time


def stamp(image: UInt8Array) -> UInt8Array:
    """A copy of (H, W, 3) with FORGED in a corner, letters 3.5 % of the shorter side; unchanged below 48 pixels."""
    height, width = image.shape[:2]
    if min(height, width) < 48:
        return image
    scale = max(7.0, 0.035 * min(height, width)) / 22  # capitals are 22 pixels high at scale 1
    font, text, thickness = cv2.FONT_HERSHEY_SIMPLEX, "FORGED", max(1, round(2 * scale))
    (wide, high), _ = cv2.getTextSize(text, font, scale, thickness)
    pad = max(2, high // 3)
    marked = np.array(image)
    cv2.rectangle(marked, (0, height - high - 2 * pad), (wide + 2 * pad, height - 1), (0, 0, 0), cv2.FILLED)
    cv2.putText(marked, text, (pad, height - pad), font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return marked

"""Drawings of the motion of a face: crop, optical flow, first and second differences in time, as strip and video.

The differences are those of a Motion Consistency Block with delta kernels on the pixels: M_t = F_(t+1) - F_t and
MM_t = M_(t+1) - M_t of the grey frames F of one crop. Smooth motion shrinks with each one, independent errors grow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facetell.faces.clips import ClipAssembler, FrameSampler
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.types import Clip, FacetellError, FloatArray, Frame, UInt8Array
from facetell.video.image import write_image
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

RATE = 25.0  # frames per second, as nearly as the video allows
CROP = 1.35  # side of the crop in face lengths
SIDE = 240  # pixels of a drawn face
COLUMNS, FRAMES = 6, 50  # frames per view in the strip, and in the video
BAR, LABEL, GAP = 26, 250, 12  # pixels
TOP_SHARE = 0.995  # quantile of all values that has the brightest colour
ARROW_STEP = 20  # pixels between arrows
ARROW_SCALE = 4.0  # drawn length of a motion of one pixel


@dataclass(frozen=True, slots=True)
class View:
    """L consecutive frames of one face, cropped by one region.

    ``frames`` is uint8 RGB (L, S, S, 3), ``times`` in seconds, ``flow`` float32 (L, S, S, 2) in pixels to the next
    frame; ``maps`` (3, L, S, S) are the lengths of the flow, and |M| and |MM| in grey levels.
    """

    name: str
    times: tuple[float, ...]
    frames: UInt8Array
    flow: FloatArray
    maps: FloatArray


def face_clips(path: Path, frames: int, size: int, *, scale: float = CROP, rate: float = RATE) -> Iterator[Clip]:
    """One clip of T ``frames`` a second of the largest face, cropped by ``scale`` face lengths as in detection."""
    tracker = FaceTracker(FaceDetector(), FaceMesh(), max_faces=1)
    assembler = ClipAssembler(frames, size, scale)
    with VideoReader(path) as reader:
        sampler = FrameSampler(reader.info.fps, rate)
        for raw in reader:
            if (number := sampler.take(raw.time)) is not None:
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                poses = {track: face.pose for track, face in tracker.update(frame).items()}
                yield from assembler.push(number, frame, poses)


def view_video(path: Path) -> View:
    """The first :data:`FRAMES` of the largest face, or as few as a strip has. FacetellError: there is no such face."""
    for length in (FRAMES, COLUMNS):
        for clip in face_clips(path, length + 2, SIDE):  # a second difference needs two frames more
            flow, first, second = dense_flow(clip.frames)[:length], *differences(clip.frames)
            maps = np.stack([np.linalg.norm(flow, axis=3), np.abs(first[:length]), np.abs(second)])
            return View(path.name, clip.times[:length], clip.frames[:length], flow, maps)
    raise FacetellError(f"{path} shows no face for {COLUMNS + 2} consecutive frames")


def dense_flow(frames: UInt8Array) -> FloatArray:
    """Motion from each frame to the next (DIS), float32 (T - 1, H, W, 2) in pixels, of uint8 RGB (T, H, W, 3)."""
    method: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.stack([np.asarray(method.calc(a, b, None), dtype=np.float32) for a, b in itertools.pairwise(grey)])


def differences(frames: UInt8Array) -> tuple[FloatArray, FloatArray]:
    """M (T - 1, H, W) and MM (T - 2, H, W) in grey levels, of uint8 RGB (T, H, W, 3)."""
    first = np.diff([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames], axis=0)
    return first, np.diff(first, axis=0)


def brightest(views: Sequence[View]) -> FloatArray:
    """The values (3,) of the brightest colour of each map: one scale for all views, so that they can be compared."""
    return np.array([np.quantile(np.hstack([v.maps[i].ravel() for v in views]), TOP_SHARE) for i in range(3)], "f4")


def titles(tops: FloatArray) -> list[str]:
    """Titles of the images of :func:`panels`."""
    flow, *levels = tops
    orders = (f"{name} (yellow: {top:.2g} grey levels)" for name, top in zip(("|M|", "|MM|"), levels, strict=True))
    return ["face", f"flow (yellow: {100 * flow / SIDE:.1f}% of width)", *orders]


def panels(view: View, t: int, tops: FloatArray) -> list[UInt8Array]:
    """The images of frame ``t``, each (S, S, 3): face, flow with arrows, |M| and |MM|."""
    grey = cv2.cvtColor(cv2.cvtColor(view.frames[t], cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drawn = [view.frames[t]]
    for values, top in zip(view.maps[:, t], tops, strict=True):
        share = np.clip(values / max(float(top), 1e-12), 0, 1)
        colour = cv2.applyColorMap(np.round(share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        drawn.append(np.asarray(cv2.addWeighted(grey, 0.35, cv2.cvtColor(colour, cv2.COLOR_BGR2RGB), 0.8, 0), np.uint8))
    for y, x in itertools.product(range(ARROW_STEP // 2, SIDE, ARROW_STEP), repeat=2):
        step = view.flow[t, y, x] * ARROW_SCALE
        length = float(np.hypot(*step))
        if length >= 1:
            step *= min(1.0, 1.5 * ARROW_STEP / length)  # arrows must not reach beyond their neighbours
            tip = (round(x + float(step[0])), round(y + float(step[1])))
            cv2.arrowedLine(drawn[1], (x, y), tip, (255, 255, 255), 1, cv2.LINE_AA, tipLength=0.35)
    return drawn


def draw_strip(views: Sequence[View], path: Path) -> None:
    """Draw consecutive frames where |MM| is largest, the views side by side. FacetellError: it cannot be written."""
    tops, blocks = brightest(views), []
    for view in views:
        first = int(np.convolve(view.maps[2].mean(axis=(1, 2)), np.ones(COLUMNS), mode="valid").argmax())
        block = np.hstack([np.vstack(panels(view, t, tops)) for t in range(first, first + COLUMNS)])
        block = np.vstack([_bar(f"{view.name}, from {view.times[first]:.2f} s", block.shape[1]), block])
        blocks += [block, np.full((block.shape[0], GAP, 3), 255, dtype=np.uint8)]
    lines = [text.replace(" (", "\n(").split("\n") for text in titles(tops)]
    labels = [_label(two, (SIDE, LABEL), (8, SIDE // 2), 0.6) for two in lines]
    write_image(path, np.hstack([np.vstack([_bar("", LABEL), *labels]), *blocks[:-1]]))


def draw_video(views: Sequence[View], path: Path) -> None:
    """Draw the views over time in slow motion, 8 frames per second, one row per view."""
    tops = brightest(views)
    head = np.hstack([_bar(text, SIDE, 0.4) for text in titles(tops)])
    width, height = head.shape[1], BAR + len(views) * (SIDE + BAR)
    with VideoWriter(path, fps=8, width=width, height=height, crf=20) as writer:
        for t in range(min(len(view.frames) for view in views)):
            rows = [head]
            for view in views:
                rows += [_bar(f"{view.name}  {view.times[t]:.2f} s", width), np.hstack(panels(view, t, tops))]
            writer.write(np.vstack(rows))


def _bar(text: str, width: int, size: float = 0.7) -> UInt8Array:
    return _label([text], (BAR, width), (4, BAR - 8), size)


def _label(lines: Sequence[str], shape: tuple[int, int], start: tuple[int, int], size: float) -> UInt8Array:
    label = np.full((*shape, 3), 255, dtype=np.uint8)
    for number, line in enumerate(lines):
        corner = (start[0], start[1] + 30 * number)
        cv2.putText(label, line, corner, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
    return label

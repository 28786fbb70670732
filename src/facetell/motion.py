"""Drawings of the motion of a face: clip, optical flow, and responses of the motion blocks, as strip and video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from facetell.models.network import ClipNetwork

SIDE = 240  # pixels of a drawn face
COLUMNS = 6  # frames per view in the strip
BAR, LABEL, GAP = 26, 250, 12  # pixels
ORDERS = ("1st order |F^M|", "2nd order |F^MM|")
TOP_SHARE = 0.995  # quantile of all values that has the brightest colour
ARROW_STEP = 20  # pixels between arrows
ARROW_SCALE = 4.0  # drawn length of a motion of one pixel


@dataclass(frozen=True, slots=True)
class View:
    """L consecutive frames of one face, cropped by one region.

    ``frames`` is uint8 RGB (L, S, S, 3), ``times`` in seconds; ``flow`` float32 (L, S, S, 2) in pixels of the crop to
    the next frame; ``responses`` the magnitudes |F^M| and, of an MCB, |F^MM|, each float32 (L, h, w).
    """

    name: str
    times: tuple[float, ...]
    frames: UInt8Array
    flow: FloatArray
    responses: tuple[FloatArray, ...]


def face_clips(
    path: Path | str, frames: int, size: int, *, scale: float = 1.35, rate: float = 25.0, start: float = 0.0
) -> Iterator[Clip]:
    """One clip per second of the largest face of a video from ``start`` seconds on, cropped as in detection.

    Args:
        path: the video; raises FacetellError if it cannot be read.
        frames, size: frames per clip and side of a frame in pixels.
        scale: side of the crop in face lengths.
        rate: frames per second of the clip, as nearly as the video allows.
    """
    tracker = FaceTracker(FaceDetector(), FaceMesh(), max_faces=1)
    assembler = ClipAssembler(frames, size, scale)
    with VideoReader(path) as reader:
        sampler = FrameSampler(reader.info.fps, rate)
        for raw in reader:
            number = sampler.take(raw.time) if raw.time >= start else None
            if number is not None:
                tracker.glance(raw.luma_thumbnail())
                frame = Frame(raw.index, raw.time, raw.rgb())
                yield from assembler.push(number, frame, tracker.update(frame))


def view_video(path: Path, model: ClipNetwork, *, start: float = 0.0, seconds: float = 2.0) -> View:
    """Flow and responses of a network with motion blocks for the largest face in ``seconds`` of a video.

    The excerpt has the length of one clip if no face is in view for so long.

    Raises:
        FacetellError: the video cannot be read, or no face is in view for the length of a clip.
    """
    config = model.config
    least = config.clip_frames + 1
    for length in (max(least, round(seconds * config.frame_rate)), least):
        clips = face_clips(path, length, SIDE, scale=config.crop_scale, rate=config.frame_rate, start=start)
        if clip := next(clips, None):
            break
    else:
        raise FacetellError(f"{path} shows no face for {least} consecutive frames from {start:g} s on")
    known, responses = _responses(model, clip.frames)
    times = tuple(clip.times[t] for t in known)
    return View(path.name, times, clip.frames[known], dense_flow(clip.frames)[known], responses)


def _responses(model: ClipNetwork, frames: UInt8Array) -> tuple[list[int], tuple[FloatArray, ...]]:
    """Indices of the K of L frames with responses, and |F^M| (and |F^MM|) (K, h, w) of those.

    Clips overlap, and only the responses at the middle of each are used: at its ends the temporal convolutions use the
    zero padding.
    """
    import torch

    config = model.config
    small = np.stack([cv2.resize(f, (config.size, config.size), interpolation=cv2.INTER_AREA) for f in frames])
    blob = torch.from_numpy(small.transpose(0, 3, 1, 2).copy()).float() / 255
    clip = config.clip_frames
    inner = range(1, clip - 3) if clip >= 6 else range(max(1, clip - 2))
    orders = 2 if model.architecture["motion"] == "mcb" else 1
    found: dict[int, tuple[FloatArray, ...]] = {}
    with torch.inference_mode():
        for begin in range(0, len(frames) - clip, len(inner)):
            maps = model.motion_maps(blob[None, begin : begin + clip])[:orders]
            for t in inner:
                found[begin + t] = tuple(sizes[0, t].numpy() for sizes in maps)
    known = sorted(found)
    return known, tuple(np.stack([found[t][order] for t in known]) for order in range(orders))


def dense_flow(frames: UInt8Array) -> FloatArray:
    """Motion from each frame to the next (DIS), float32 (T - 1, H, W, 2) in pixels, of uint8 RGB (T, H, W, 3)."""
    method: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.stack([np.asarray(method.calc(a, b, None), dtype=np.float32) for a, b in itertools.pairwise(grey)])


def heat(frame: UInt8Array, values: FloatArray, top: float) -> UInt8Array:
    """A map of any size over the dimmed grey frame: black to yellow is 0 to ``top``."""
    height, width = frame.shape[:2]
    enlarged = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip(enlarged / max(top, 1e-12), 0, 1)
    colour = cv2.applyColorMap(np.round(share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(grey, 0.35, cv2.cvtColor(colour, cv2.COLOR_BGR2RGB), 0.8, 0), dtype=np.uint8)


def draw_flow(frame: UInt8Array, flow: FloatArray, top: float) -> UInt8Array:
    """Flow (H, W, 2) over a frame (H, W, 3): magnitude as colour up to ``top`` pixels, direction as arrows."""
    drawn = heat(frame, np.linalg.norm(flow, axis=2).astype(np.float32), top)
    height, width = frame.shape[:2]
    for y in range(ARROW_STEP // 2, height, ARROW_STEP):
        for x in range(ARROW_STEP // 2, width, ARROW_STEP):
            dx, dy = flow[y, x] * ARROW_SCALE
            length = float(np.hypot(dx, dy))
            if length >= 1:
                shorten = min(1.0, 1.5 * ARROW_STEP / length)  # arrows must not reach beyond their neighbours
                tip = (round(x + float(dx) * shorten), round(y + float(dy) * shorten))
                cv2.arrowedLine(drawn, (x, y), tip, (255, 255, 255), 1, cv2.LINE_AA, tipLength=0.35)
    return drawn


@dataclass(frozen=True, slots=True)
class Scale:
    """Values of the brightest colour: flow in pixels per frame, responses in the network's own units."""

    flow: float
    responses: tuple[float, ...]

    @classmethod
    def common(cls, views: Sequence[View]) -> Scale:
        """One scale for all views, so that they can be compared."""

        def top(arrays: list[FloatArray]) -> float:
            return float(np.quantile(np.concatenate([a.ravel() for a in arrays]), TOP_SHARE))

        lengths = [np.linalg.norm(v.flow, axis=3).astype(np.float32) for v in views]
        return cls(top(lengths), tuple(top(list(order)) for order in zip(*(v.responses for v in views), strict=True)))

    @property
    def titles(self) -> list[str]:
        """Titles of :meth:`panels`."""
        flow = f"flow (yellow: {100 * self.flow / SIDE:.1f}% of width)"
        orders = (f"{name} (yellow: {top:.2g})" for name, top in zip(ORDERS, self.responses, strict=False))
        return ["face", flow, *orders]

    def panels(self, view: View, t: int) -> list[UInt8Array]:
        """The images of frame ``t``: face, flow, |F^M| and, of an MCB, |F^MM|; each (S, S, 3)."""
        frame = view.frames[t]
        responses = [heat(frame, sizes[t], top) for sizes, top in zip(view.responses, self.responses, strict=True)]
        return [frame, draw_flow(frame, view.flow[t], self.flow), *responses]


def draw_strip(views: Sequence[View], path: Path) -> None:
    """Draw consecutive frames at the strongest response of the highest order, the views side by side.

    Raises:
        FacetellError: the file cannot be written.
    """
    scale = Scale.common(views)
    blocks = []
    for view in views:
        strength, first = view.responses[-1].mean(axis=(1, 2)), 0
        if len(strength) > COLUMNS:
            first = int(np.convolve(strength, np.ones(COLUMNS), mode="valid").argmax())
        block = np.hstack([np.vstack(scale.panels(view, t)) for t in range(len(view.times))[first : first + COLUMNS]])
        block = np.vstack([_bar(f"{view.name}, from {view.times[first]:.2f} s", block.shape[1]), block])
        blocks += [block, np.full((block.shape[0], GAP, 3), 255, dtype=np.uint8)]
    titles = [text.replace(" (", "\n(").split("\n") for text in scale.titles]
    labels = np.vstack([_bar("", LABEL), *(_label(t, (SIDE, LABEL), (8, SIDE // 2), 0.75) for t in titles)])
    write_image(path, np.hstack([labels, *blocks[:-1]]))


def draw_video(views: Sequence[View], path: Path) -> None:
    """Draw the views over time in slow motion, 8 frames per second, one row per view."""
    scale = Scale.common(views)
    head = np.hstack([_bar(text, SIDE, 0.4) for text in scale.titles])
    width, height = head.shape[1], BAR + len(views) * (SIDE + BAR)
    with VideoWriter(path, fps=8, width=width, height=height, crf=20) as writer:
        for t in range(min(len(view.frames) for view in views)):
            rows = [head]
            for view in views:
                rows += [_bar(f"{view.name}  {view.times[t]:.2f} s", width), np.hstack(scale.panels(view, t))]
            writer.write(np.vstack(rows))


def _bar(text: str, width: int, size: float = 0.7) -> UInt8Array:
    return _label([text], (BAR, width), (4, BAR - 8), size)


def _label(lines: Sequence[str], shape: tuple[int, int], start: tuple[int, int], size: float) -> UInt8Array:
    label = np.full((*shape, 3), 255, dtype=np.uint8)
    for number, line in enumerate(lines):
        corner = (start[0], start[1] + 30 * number)
        cv2.putText(label, line, corner, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
    return label

"""The picture strip and the video of one or two views, all drawn to one common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facetell.motion.flow import draw_flow, heat
from facetell.motion.views import SIDE, View
from facetell.types import FloatArray, UInt8Array
from facetell.video.image import write_image
from facetell.video.writer import VideoWriter

COLUMNS = 6  # pictures a view in the strip
BAR, LABEL, GAP = 26, 250, 12
ORDERS = ("1st order |F^M|", "2nd order |F^MM|")
TOP_SHARE = 0.995  # the brightest colour is what so large a share of all values lies below


@dataclass(frozen=True, slots=True)
class Scale:
    """What the brightest colour means: flow in pixels a picture, responses in the network's own units."""

    flow: float
    responses: tuple[float, ...]


def common_scale(views: Sequence[View]) -> Scale:
    """One scale for all views, so that they can be compared."""

    def top(arrays: list[FloatArray]) -> float:
        return float(np.quantile(np.concatenate([a.ravel() for a in arrays]), TOP_SHARE))

    lengths = [np.linalg.norm(v.flow, axis=3).astype(np.float32) for v in views]
    return Scale(top(lengths), tuple(top(list(order)) for order in zip(*(v.responses for v in views), strict=True)))


def panels(view: View, t: int, scale: Scale) -> list[UInt8Array]:
    """The pictures of time ``t``: face, flow, |F^M| and, of an MCB, |F^MM|; each (S, S, 3)."""
    frame = view.frames[t]
    return [
        frame,
        draw_flow(frame, view.flow[t], scale.flow),
        *(heat(frame, sizes[t], top) for sizes, top in zip(view.responses, scale.responses, strict=True)),
    ]


def titles(scale: Scale) -> list[str]:
    """A few words a picture of :func:`panels`: what it shows and what its brightest colour means."""
    percent = 100 * scale.flow / SIDE
    return [
        "face",
        f"flow (yellow: {percent:.1f}% of width)",
        *(f"{name} (yellow: {top:.2g})" for name, top in zip(ORDERS, scale.responses, strict=False)),
    ]


def draw_strip(views: Sequence[View], path: Path) -> None:
    """Consecutive pictures at the moment of the strongest response of the highest order; views stand side by side.

    Raises:
        FacetellError: the file cannot be written.
    """
    scale = common_scale(views)
    blocks = []
    for view in views:
        moment = _strongest(view)
        columns = [np.vstack(panels(view, t, scale)) for t in range(len(view.frames))[moment : moment + COLUMNS]]
        title = f"{view.name}, from {view.times[moment]:.2f} s"
        block = np.hstack(columns)
        blocks += [np.vstack([_bar(title, block.shape[1]), block]), _gap(block.shape[0] + BAR)]
    labels = np.vstack([_bar("", LABEL), *(_side_label(text) for text in titles(scale))])
    picture = np.hstack([labels, *blocks[:-1]])
    write_image(path, picture)


def draw_video(views: Sequence[View], path: Path, fps: float = 8.0) -> None:
    """The views over time, slowed down, one row a view."""
    scale = common_scale(views)
    count = min(len(view.frames) for view in views)
    head = np.hstack([_bar(text, SIDE, 0.4) for text in titles(scale)])
    width, height = head.shape[1], BAR + len(views) * (SIDE + BAR)
    with VideoWriter(path, fps=fps, width=width, height=height, crf=20) as writer:
        for t in range(count):
            rows = [head]
            for view in views:
                rows += [_bar(f"{view.name}  {view.times[t]:.2f} s", width), np.hstack(panels(view, t, scale))]
            writer.write(np.vstack(rows))


def _strongest(view: View) -> int:
    """Picture from which on the strip's stretch of responses of the highest order is strongest."""
    strength = view.responses[-1].mean(axis=(1, 2))
    if len(strength) <= COLUMNS:
        return 0
    return int(np.convolve(strength, np.ones(COLUMNS), mode="valid").argmax())


def _bar(text: str, width: int, size: float = 0.7) -> UInt8Array:
    bar = np.full((BAR, width, 3), 255, dtype=np.uint8)
    cv2.putText(bar, text, (4, BAR - 8), cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
    return bar


def _side_label(text: str) -> UInt8Array:
    label = np.full((SIDE, LABEL, 3), 255, dtype=np.uint8)
    for number, line in enumerate(text.replace(" (", "\n(").split("\n")):
        place = (8, SIDE // 2 + 30 * number)
        cv2.putText(label, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.75, (20, 20, 20), 1, cv2.LINE_AA)
    return label


def _gap(height: int) -> UInt8Array:
    return np.full((height, GAP, 3), 255, dtype=np.uint8)

"""The image strip and the video of one or two views, all drawn to a common scale."""

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

COLUMNS = 6  # frames per view in the strip
BAR, LABEL, GAP = 26, 250, 12  # pixels
ORDERS = ("1st order |F^M|", "2nd order |F^MM|")
TOP_SHARE = 0.995  # quantile of all values that has the brightest colour


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
        """Titles of :func:`panels`."""
        flow = f"flow (yellow: {100 * self.flow / SIDE:.1f}% of width)"
        orders = (f"{name} (yellow: {top:.2g})" for name, top in zip(ORDERS, self.responses, strict=False))
        return ["face", flow, *orders]


def panels(view: View, t: int, scale: Scale) -> list[UInt8Array]:
    """The images of frame ``t``: face, flow, |F^M| and, of an MCB, |F^MM|; each (S, S, 3)."""
    frame = view.frames[t]
    responses = [heat(frame, sizes[t], top) for sizes, top in zip(view.responses, scale.responses, strict=True)]
    return [frame, draw_flow(frame, view.flow[t], scale.flow), *responses]


def draw_strip(views: Sequence[View], path: Path) -> None:
    """Draw consecutive frames at the strongest response of the highest order, the views side by side.

    Raises:
        FacetellError: the file cannot be written.
    """
    scale = Scale.common(views)
    blocks = []
    for view in views:
        first = _strongest(view)
        block = np.hstack([np.vstack(panels(view, t, scale)) for t in range(len(view.times))[first : first + COLUMNS]])
        block = np.vstack([_bar(f"{view.name}, from {view.times[first]:.2f} s", block.shape[1]), block])
        blocks += [block, np.full((block.shape[0], GAP, 3), 255, dtype=np.uint8)]
    titles = [text.replace(" (", "\n(").split("\n") for text in scale.titles]
    labels = np.vstack([_bar("", LABEL), *(_label(t, (SIDE, LABEL), (8, SIDE // 2), 0.75) for t in titles)])
    write_image(path, np.hstack([labels, *blocks[:-1]]))


def draw_video(views: Sequence[View], path: Path, fps: float = 8.0) -> None:
    """Draw the views over time in slow motion, one row per view."""
    scale = Scale.common(views)
    head = np.hstack([_bar(text, SIDE, 0.4) for text in scale.titles])
    width, height = head.shape[1], BAR + len(views) * (SIDE + BAR)
    with VideoWriter(path, fps=fps, width=width, height=height, crf=20) as writer:
        for t in range(min(len(view.frames) for view in views)):
            rows = [head]
            for view in views:
                rows += [_bar(f"{view.name}  {view.times[t]:.2f} s", width), np.hstack(panels(view, t, scale))]
            writer.write(np.vstack(rows))


def _strongest(view: View) -> int:
    """First frame of the :data:`COLUMNS` frames in which the responses of the highest order are strongest."""
    strength = view.responses[-1].mean(axis=(1, 2))
    if len(strength) <= COLUMNS:
        return 0
    return int(np.convolve(strength, np.ones(COLUMNS), mode="valid").argmax())


def _bar(text: str, width: int, size: float = 0.7) -> UInt8Array:
    return _label([text], (BAR, width), (4, BAR - 8), size)


def _label(lines: Sequence[str], shape: tuple[int, int], start: tuple[int, int], size: float) -> UInt8Array:
    label = np.full((*shape, 3), 255, dtype=np.uint8)
    for number, line in enumerate(lines):
        corner = (start[0], start[1] + 30 * number)
        cv2.putText(label, line, corner, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
    return label

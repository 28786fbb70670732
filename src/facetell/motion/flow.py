"""Dense optical flow of a clip, and its drawing: magnitude as colour, direction as arrows."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np

from facetell.types import FloatArray, UInt8Array

ARROW_STEP = 20  # pixels between arrows
ARROW_SCALE = 4.0  # drawn length of a motion of one pixel


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

"""Where a face moves unevenly: second differences of the picture, and of the network's features, drawn over it.

The first are differences of grey levels: they show what METHOD section 1 says the network is given to see, and can be
checked with pencil and paper. The second are what its motion blocks make of it, where the model file gives that out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from facetell.types import FloatArray, UInt8Array

NOISE_SIGMA = 0.008  # of the side: smooths the noise of single pixels before the differences are taken
MAP_SIGMA = 0.02  # of the side: smooths the map, so that places show rather than edges
TOP_SHARE = 0.995  # the brightest colour is what so large a share of the values lies below
COLOURS = cv2.COLORMAP_INFERNO  # grows brighter all the way: reads the same in grey


@dataclass(frozen=True, slots=True)
class Heat:
    """A clip's map: float32 (S, S), 0 and more, over its first picture, uint8 RGB (S, S, 3)."""

    values: FloatArray
    face: UInt8Array

    @property
    def mean(self) -> float:
        """Mean of the map."""
        return float(self.values.mean())

    @property
    def top(self) -> float:
        """What nearly all values lie below."""
        return float(np.quantile(self.values, TOP_SHARE))


def second_differences(frames: UInt8Array) -> Heat:
    """Mean over time of ``|x[t+2] - 2 x[t+1] + x[t]|`` of the smoothed grey picture x.

    A still face gives 0, and so does brightness that changes evenly in time.

    Args:
        frames: one stabilised clip, uint8 RGB (T, S, S, 3), T >= 3.

    Raises:
        ValueError: fewer than three frames.

    Example:
        >>> second_differences(np.full((5, 8, 8, 3), 90, np.uint8)).mean
        0.0
    """
    if len(frames) < 3:
        raise ValueError("a second difference needs three frames")
    side = frames.shape[1]
    sigma = NOISE_SIGMA * side
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    smooth = np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in grey])
    size = np.abs(smooth[2:] - 2 * smooth[1:-1] + smooth[:-2]).mean(axis=0)
    return Heat(cast(FloatArray, cv2.GaussianBlur(size, (0, 0), MAP_SIGMA * side)), frames[0])


def response(maps: FloatArray, frames: UInt8Array) -> Heat:
    """The response of the motion blocks, float32 (T - 2, h, w), mean over time, on the grid of the picture.

    Args:
        maps: of :meth:`facetell.engine.Engine.motion`.
        frames: the clip, uint8 RGB (T, S, S, 3).
    """
    side = frames.shape[1]
    grown = cv2.resize(maps.mean(axis=0), (side, side), interpolation=cv2.INTER_LINEAR)
    return Heat(cast(FloatArray, cv2.GaussianBlur(grown, (0, 0), MAP_SIGMA * side)), frames[0])


def draw_heat(heat: Heat, top: float, side: int) -> UInt8Array:
    """The map over the grey face, uint8 RGB (side, side, 3); values of ``top`` and more get the brightest colour."""
    share = np.clip(heat.values / max(top, 1e-6), 0, 1)
    colour = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), COLOURS)[:, :, ::-1].astype(np.float32)
    grey = cv2.cvtColor(heat.face, cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None]
    # Mostly map, with enough of the face to tell eyes from mouth.
    mixed = np.clip(0.78 * colour + 0.22 * grey, 0, 255).astype(np.uint8)
    return cast(UInt8Array, cv2.resize(mixed, (side, side), interpolation=cv2.INTER_CUBIC))


def scale_colours(steps: int = 9) -> list[str]:
    """The colours of the map from nothing to its top, as #rrggbb."""
    ramp = np.linspace(0, 255, steps).round().astype(np.uint8)[None]
    return ["#{:02x}{:02x}{:02x}".format(*pixel[::-1]) for pixel in cv2.applyColorMap(ramp, COLOURS)[0].tolist()]

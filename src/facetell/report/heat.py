"""The irregular-motion map: second differences of the frames, and the activation of the network's motion layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from facetell.report import strings
from facetell.report.images import Image
from facetell.types import FloatArray, UInt8Array

NOISE_SIGMA = 0.008  # of the side: removes pixel noise before the differences are taken
MAP_SIGMA = 0.02  # of the side: smooths the map
TOP_QUANTILE = 0.995  # of the values, drawn in the brightest colour
COLOURS = cv2.COLORMAP_INFERNO  # brightness grows monotonically
SIDE = 224  # pixels of a drawn map


def second_differences(frames: UInt8Array) -> FloatArray:
    """Mean over time of ``|x[t+2] - 2 x[t+1] + x[t]|`` of the smoothed grey frames x, float32 (S, S).

    A still face gives 0, and so does brightness that changes linearly in time.

    Args:
        frames: a clip, uint8 RGB (T, S, S, 3), T >= 3.

    Raises:
        ValueError: fewer than three frames.

    Example:
        >>> second_differences(np.full((5, 8, 8, 3), 90, np.uint8)).max()
        np.float32(0.0)
    """
    if len(frames) < 3:
        raise ValueError("a second difference needs three frames")
    sigma = NOISE_SIGMA * frames.shape[1]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    x = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in grey])
    return _smooth(np.abs(x[2:] - 2 * x[1:-1] + x[:-2]).mean(axis=0))


def activation(maps: FloatArray, side: int) -> FloatArray:
    """Mean over time of :meth:`facetell.engine.Engine.motion`, float32 (T - 2, h, w), at the size of the frames."""
    return _smooth(cv2.resize(maps.mean(axis=0), (side, side), interpolation=cv2.INTER_LINEAR))


def _smooth(values: FloatArray) -> FloatArray:
    return cast(FloatArray, cv2.GaussianBlur(values, (0, 0), MAP_SIGMA * len(values)))


def top_of(values: FloatArray) -> float:
    """The :data:`TOP_QUANTILE` of a map."""
    return float(np.quantile(values, TOP_QUANTILE))


def draw(values: FloatArray, face: UInt8Array, top: float) -> UInt8Array:
    """The map over the grey face, uint8 RGB; values of ``top`` and more get the brightest colour."""
    share = np.clip(values / max(top, 1e-6), 0, 1)
    colour = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), COLOURS)[:, :, ::-1].astype(np.float32)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None]
    # Enough of the face to show where eyes and mouth are.
    mixed = np.clip(0.78 * colour + 0.22 * grey, 0, 255).astype(np.uint8)
    return cast(UInt8Array, cv2.resize(mixed, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def scale_colours(steps: int = 9) -> list[str]:
    """The colours of the map from 0 to its top, as #rrggbb."""
    ramp = np.linspace(0, 255, steps).round().astype(np.uint8)[None]
    return ["#{:02x}{:02x}{:02x}".format(*pixel[::-1]) for pixel in cv2.applyColorMap(ramp, COLOURS)[0].tolist()]


@dataclass(frozen=True, slots=True)
class HeatClip:
    """A clip to map: frames uint8 RGB (T, S, S, 3), frames per second, and the motion layers' activation or None."""

    title: str
    note: str
    frames: UInt8Array
    rate: float
    motion: FloatArray | None


@dataclass(frozen=True, slots=True)
class HeatSide:
    """The images of one clip; ``activation`` is None where the model file does not give it."""

    title: str
    note: str
    face: Image
    map: Image
    activation: Image | None
    mean: str
    top: str


@dataclass(frozen=True, slots=True)
class HeatView:
    """The maps of all clips, on one scale from 0 to ``top``."""

    sides: list[HeatSide]
    top: str
    rates: str
    colours: list[str]


def compare(clips: Sequence[HeatClip]) -> HeatView:
    """The maps of the video's clip and, if there is one, of the reference."""
    maps = [second_differences(clip.frames) for clip in clips]
    active = [None if clip.motion is None else activation(clip.motion, clip.frames.shape[1]) for clip in clips]
    top = max(map(top_of, maps))
    most_active = max((top_of(values) for values in active if values is not None), default=0.0)
    sides = []
    for clip, values, layers in zip(clips, maps, active, strict=True):
        mean, peak, face = f"{values.mean():.1f}", f"{top_of(values):.1f}", clip.frames[0]
        note = f"{clip.note} {strings.HEAT_FIGURES.format(mean=mean, top=peak)}"
        drawn = None if layers is None else Image.of(draw(layers, face, most_active))
        sides.append(HeatSide(clip.title, note, Image.of(face), Image.of(draw(values, face, top)), drawn, mean, peak))
    rates = strings.HEAT_NO_REFERENCE
    if len(clips) > 1:
        rates = strings.HEAT_RATES.format(here=f"{clips[0].rate:.4g}", there=f"{clips[1].rate:.4g}")
    return HeatView(sides, f"{top:.1f}", rates, scale_colours())

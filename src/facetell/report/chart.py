"""The scores of a face over time: which clips are drawn, and at which coordinates. A template draws them as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facetell.types import TrackVerdict

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 80, 14, 14, 40  # margins
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class Point:
    """A clip in the chart: ``index`` among the track's clips, middle in seconds, probability, coordinates."""

    index: int
    time: float
    probability: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a face; ``band`` is the interval of its probability.

    ``highest`` are the indices of the clips drawn as diamonds; ``ticks`` are (x, seconds), ``levels`` (y, probability).
    """

    points: tuple[Point, ...]
    highest: frozenset[int]
    band: tuple[float, float]
    mean: float
    threshold: float
    ticks: tuple[tuple[float, float], ...]
    levels: tuple[tuple[float, float], ...]

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


def ranked(track: TrackVerdict) -> list[int]:
    """Indices of a scored track's clips by falling score, the earlier first where two are equal."""
    return sorted(range(len(track.clips)), key=lambda index: (-track.clips[index].logit, index))


def make_chart(track: TrackVerdict, threshold: float, highest: int = 1) -> Chart:
    """The chart of a scored track, with so many of its highest clips as diamonds."""
    first, last = track.clips[0].t0, max(clip.t1 for clip in track.clips)
    span = max(last - first, 1.0)

    def x(time: float) -> float:
        return round(LEFT + (time - first) / span * (WIDTH - LEFT - RIGHT), 1)

    points = []
    for index, clip in enumerate(track.clips):
        time = (clip.t0 + clip.t1) / 2
        points.append(Point(index, time, clip.probability, x(time), _y(clip.probability)))
    # At most seven round times.
    step = next((step for step in _STEPS if span / step <= 7), 3600 * math.ceil(span / 7 / 3600))
    times = (number * step for number in range(math.ceil(first / step), math.floor((first + span) / step) + 1))
    low, high = track.interval or (0.0, 1.0)
    return Chart(
        points=tuple(points),
        highest=frozenset(ranked(track)[:highest]),
        band=(_y(high), _y(low)),
        mean=_y(track.probability or 0.0),
        threshold=_y(threshold),
        ticks=tuple((x(time), time) for time in times),
        levels=tuple((_y(share), share) for share in (0, 0.25, 0.5, 0.75, 1)),
    )


def _y(probability: float) -> float:
    return round(TOP + (1 - probability) * (HEIGHT - TOP - BOTTOM), 1)

"""The score of a face over time as coordinates; the template draws them as inline SVG."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from facetell.report.points import group_size, shown_points
from facetell.report.table import clock
from facetell.report.words import percent
from facetell.types import TrackVerdict

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 80, 14, 14, 40  # margins
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class Point:
    """A clip in the chart: ``index`` among the track's clips, and its place."""

    index: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn of a face: ``lines`` join neighbours, ``band`` is the interval of the face's probability.

    ``ticks`` are (x, label); ``levels`` (y, label); ``group`` says how many clips share a point.
    """

    points: tuple[Point, ...]
    lines: tuple[str, ...]
    band: tuple[float, float]
    mean: float
    threshold: float
    ticks: tuple[tuple[float, str], ...]
    levels: tuple[tuple[float, str], ...]
    group: int

    width = WIDTH
    height = HEIGHT
    left = LEFT
    right = WIDTH - RIGHT
    top = TOP
    bottom = HEIGHT - BOTTOM


def make_chart(track: TrackVerdict, threshold: float) -> Chart:
    """The chart of a scored track."""
    clips = [(index, track.clips[index]) for index in shown_points(track)]
    first, last = track.clips[0].t0, max(clip.t1 for clip in track.clips)
    span = max(last - first, 1.0)

    def x(time: float) -> float:
        return round(LEFT + (time - first) / span * (WIDTH - LEFT - RIGHT), 1)

    points = [Point(index, x((clip.t0 + clip.t1) / 2), level(clip.probability)) for index, clip in clips]
    low, high = track.interval or (0.0, 1.0)
    return Chart(
        points=tuple(points),
        lines=tuple(_lines([(clip.t0 + clip.t1) / 2 for _, clip in clips], points)),
        band=(level(high), level(low)),
        mean=level(track.probability or 0.0),
        threshold=level(threshold),
        ticks=tuple((x(time), clock(time).removesuffix(".0")) for time in _ticks(first, first + span)),
        levels=tuple((level(share), percent(share)) for share in (0, 0.25, 0.5, 0.75, 1)),
        group=group_size(len(track.clips)),
    )


def level(probability: float) -> float:
    """Height of a probability in the chart."""
    return round(TOP + (1 - probability) * (HEIGHT - TOP - BOTTOM), 1)


def _ticks(first: float, last: float) -> list[float]:
    """At most seven round times."""
    step = next((step for step in _STEPS if (last - first) / step <= 7), 3600 * math.ceil((last - first) / 7 / 3600))
    return [number * step for number in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _lines(times: list[float], points: list[Point]) -> list[str]:
    """SVG point lists, broken where the face was away for long: three times the usual step."""
    steps = sorted(after - before for before, after in itertools.pairwise(times))
    usual = steps[len(steps) // 2] if steps else 0.0
    lines, current = [], list[str]()
    for number, point in enumerate(points):
        if number and times[number] - times[number - 1] > 3 * usual:
            lines.append(" ".join(current))
            current = []
        current.append(f"{point.x},{point.y}")
    return [line for line in [*lines, " ".join(current)] if " " in line]

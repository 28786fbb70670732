"""The scores of a face over time: which clips are drawn, and at which coordinates. A template draws them as SVG."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from facetell.report.table import clock
from facetell.report.words import percent
from facetell.types import TrackVerdict

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 80, 14, 14, 40  # margins
MAX_POINTS = 240  # of more clips, neighbours share a point
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
    """The chart of a face: ``lines`` join neighbours, ``band`` is the interval of the face's probability.

    ``highest`` are the indices of the clips drawn as diamonds; ``ticks`` are (x, label), ``levels`` (y, label);
    ``group`` is the number of clips that share a point.
    """

    points: tuple[Point, ...]
    highest: frozenset[int]
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


def shown_clips(track: TrackVerdict) -> list[int]:
    """Indices of the clips that are drawn: all, or the highest of each group of neighbours."""
    clips, group = track.clips, _group_size(track)
    return [
        max(range(start, min(start + group, len(clips))), key=lambda index: clips[index].logit)
        for start in range(0, len(clips), group)
    ]


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
    for index in shown_clips(track):
        clip = track.clips[index]
        time = (clip.t0 + clip.t1) / 2
        points.append(Point(index, time, clip.probability, x(time), _y(clip.probability)))
    low, high = track.interval or (0.0, 1.0)
    return Chart(
        points=tuple(points),
        highest=frozenset(ranked(track)[:highest]),
        lines=tuple(_lines(points)),
        band=(_y(high), _y(low)),
        mean=_y(track.probability or 0.0),
        threshold=_y(threshold),
        ticks=tuple((x(time), clock(time).removesuffix(".0")) for time in _ticks(first, first + span)),
        levels=tuple((_y(share), percent(share)) for share in (0, 0.25, 0.5, 0.75, 1)),
        group=_group_size(track),
    )


def _group_size(track: TrackVerdict) -> int:
    return max(1, -(-len(track.clips) // MAX_POINTS))


def _y(probability: float) -> float:
    return round(TOP + (1 - probability) * (HEIGHT - TOP - BOTTOM), 1)


def _ticks(first: float, last: float) -> list[float]:
    """At most seven round times."""
    step = next((step for step in _STEPS if (last - first) / step <= 7), 3600 * math.ceil((last - first) / 7 / 3600))
    return [number * step for number in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _lines(points: list[Point]) -> list[str]:
    """SVG point lists, broken where the face is away for more than three times the usual step."""
    steps = [after.time - before.time for before, after in itertools.pairwise(points)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0.0
    lines = [[points[0]]]
    for point, step in zip(points[1:], steps, strict=True):
        if step > 3 * usual:
            lines.append([])
        lines[-1].append(point)
    return [" ".join(f"{point.x},{point.y}" for point in line) for line in lines if len(line) > 1]

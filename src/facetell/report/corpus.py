"""The summary of a scan: one HTML page that needs nothing else, of the most suspect videos of a corpus of any size."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from facetell.report.page import content_policy
from facetell.report.table import clock
from facetell.report.words import one_line, percent
from facetell.types import VideoVerdict

TEMPLATES = Path(__file__).with_name("templates")
SHOWN, ERRORS_SHOWN = 1000, 200
BINS = 20
CHART = (720, 200)  # pixels


@dataclass(frozen=True, slots=True)
class Row:
    """A video in the table."""

    place: int
    name: str
    verdict: str
    probability: float
    low: float
    high: float
    faces: int
    clips: int
    worst: float
    duration: float | None
    same: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Of the histogram: a share of the axis from ``low``, how many videos, where it is drawn."""

    low: float
    high: float
    count: int
    x: float
    y: float
    width: float
    height: float


class Page:
    """Gathers what the page shows, video by video; no more than it shows is held.

    Args:
        about: model, versions and settings, as in score files.
        threshold: probability from which on a face is called forged.
    """

    def __init__(self, about: Mapping[str, Any], threshold: float) -> None:
        self._about, self._threshold = about, threshold
        self._top: list[tuple[float, int, Row]] = []
        self._errors: list[tuple[str, str]] = []
        self._bins = [0] * BINS
        self._place = 0

    def add(self, verdict: VideoVerdict, same: str) -> None:
        """Take a video up; ``same`` names the one that was scored in its stead, "" where itself was."""
        self._place += 1
        worst = verdict.most_suspect
        if verdict.probability is None or verdict.interval is None or worst is None:
            return
        self._bins[min(BINS - 1, int(verdict.probability * BINS))] += 1
        row = Row(
            self._place,
            one_line(verdict.path),
            verdict.verdict.value,
            verdict.probability,
            *verdict.interval,
            len(verdict.tracks),
            sum(len(track.clips) for track in verdict.tracks),
            worst.t0,
            verdict.duration,
            one_line(same),
        )
        # Of equal ones, those that come first in the corpus.
        add = heapq.heappush if len(self._top) < SHOWN else heapq.heappushpop
        add(self._top, (verdict.probability, -self._place, row))

    def add_error(self, name: str, reason: str) -> None:
        """Take a line of the error ledger up."""
        if len(self._errors) < ERRORS_SHOWN:
            # Most sentences name the video themselves.
            self._errors.append(("" if name in reason else one_line(name), one_line(reason)))

    def html(self, counts: Mapping[str, Any]) -> str:
        """The page; the same videos give the same bytes."""
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {"percent": percent, "clock": clock, "number": number}
        css, js = ((TEMPLATES / f"summary.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
        return environment.get_template("summary.html").render(
            policy=content_policy(css, js),
            css=Markup(css),
            js=Markup(js),
            about=self._about,
            counts=counts,
            threshold=self._threshold,
            rows=[row for _, _, row in sorted(self._top, reverse=True)],
            bars=self._bars(),
            chart=CHART,
            errors=self._errors,
        )

    def _bars(self) -> list[Bar]:
        width, height = CHART
        step, most = width / BINS, max(*self._bins, 1)
        return [
            Bar(i / BINS, (i + 1) / BINS, n, i * step + 1, height - height * n / most, step - 2, height * n / most)
            for i, n in enumerate(self._bins)
        ]


def number(value: int) -> str:
    """A whole number with thin gaps.

    >>> number(100000)
    '100\\u202f000'
    """
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")

"""The summary page of a scan: counts, a histogram, and the videos with the highest scores, in one HTML file."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from facetell.report.page import Row, render
from facetell.report.words import one_line
from facetell.types import VideoVerdict

SHOWN, ERRORS_SHOWN = 1000, 200
BINS = 20


class Page:
    """Collects what the page shows, video by video; no more than it shows is stored.

    Args:
        about: model, versions and settings, as in score files.
        threshold: minimum probability for "forged".
    """

    def __init__(self, about: Mapping[str, Any], threshold: float) -> None:
        self._about, self._threshold = about, threshold
        self._top: list[tuple[float, int, Row]] = []
        self._errors: list[tuple[str, str]] = []
        self._bins = [0] * BINS
        self._place = 0

    def add(self, verdict: VideoVerdict, same: str) -> None:
        """Add a video; ``same`` names the one of the same content that was scored instead, or is empty."""
        self._place += 1
        if verdict.probability is None:
            return
        self._bins[min(BINS - 1, int(verdict.probability * BINS))] += 1
        notes = (*verdict.warnings, *([f"same content as {same}"] if same else []))
        row = Row.of(verdict, one_line(verdict.path), *map(one_line, notes))
        # Of equal ones, those that come first in the corpus.
        add = heapq.heappush if len(self._top) < SHOWN else heapq.heappushpop
        add(self._top, (verdict.probability, -self._place, row))

    def add_error(self, name: str, reason: str) -> None:
        """Add a line of the list of errors."""
        if len(self._errors) < ERRORS_SHOWN:
            # Most messages include the name of the video.
            self._errors.append(("" if name in reason else one_line(name), one_line(reason)))

    def html(self, counts: Mapping[str, Any]) -> str:
        """The page; the same videos give the same bytes."""
        return render(
            "summary",
            about=self._about,
            counts=counts,
            threshold=self._threshold,
            rows=[row for _, _, row in sorted(self._top, reverse=True)],
            bins=self._bins,
            errors=self._errors,
        )

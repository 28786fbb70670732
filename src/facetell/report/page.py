"""The HTML report and the plot as SVG, without external resources; the same inputs give the same bytes."""

from __future__ import annotations

import base64
import functools
import hashlib
import heapq
import math
import statistics
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from facetell.detector import Detector, Progress
from facetell.engine.card import read_card
from facetell.faces.clips import FrameSampler
from facetell.files import write_text
from facetell.report import words
from facetell.report.chart import Chart, Point, make_chart, ranked
from facetell.report.images import Budget, ClipImages, Image, TrackImages, collect_images
from facetell.report.language import load_language
from facetell.report.result import to_result
from facetell.report.table import clock
from facetell.report.words import one_line, percent, plain_text, shortened
from facetell.types import ClipScore, TrackVerdict, Verdict, VideoVerdict
from facetell.verdict import LOW_RATE, UNEVEN, UNSCORED, even_odds

TEMPLATES, STATIC = (Path(__file__).with_name(name) for name in ("templates", "static"))
CSS, JS = (Markup((STATIC / f"report.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
STRIP, PLOTTED = 12, 7  # images in a strip, faces in a plot
PART = math.log(2)  # logits below that of a clip: the score of a region from where on the clip's rests on a part
SHOWN, BINS = 1000, 20  # videos and bars in the summary of a scan


@functools.cache
def environment(code: str, folder: Path = TEMPLATES) -> Environment:
    """The templates of a folder in a language, and those of reports as ``report/NAME``."""
    loader = ChoiceLoader((FileSystemLoader(folder), PrefixLoader({"report": FileSystemLoader(TEMPLATES)})))
    options: dict[str, Any] = {"keep_trailing_newline": True, "extensions": ["jinja2.ext.i18n"]}
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **options)
    spoken = load_language(code)
    made.install_gettext_translations(spoken.texts, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "clock": lambda seconds: spoken.number(clock(seconds)),
        "even": even_odds,
        "line": one_line,
        "median": statistics.median_high,
        "message": spoken.message,
        "number": spoken.number,
        "percent": lambda probability: spoken.message(percent(probability)),
        "reason": UNSCORED.get,
        "seconds": lambda clips: statistics.median_high(clip.t1 - clip.t0 for clip in clips),
        "sampled": lambda fps, rate: 1 / FrameSampler(fps, rate).step,
        "text": plain_text,
        "tick": lambda seconds: spoken.number(clock(seconds).removesuffix(".0")),
    }
    made.globals |= {"LOW_RATE": LOW_RATE, "UNEVEN": UNEVEN, "PART": PART}
    made.globals |= {"language": code, "t": words, "words": spoken.words}
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return made


@dataclass(frozen=True, slots=True)
class Row:
    """A video in a table: ``worst`` is the time of its highest clip, ``same`` a video of the same content, or empty."""

    verdict: VideoVerdict
    name: str
    link: str
    faces: int
    clips: int
    worst: float | None
    icon: Image | None = None
    same: str = ""

    @classmethod
    def of(cls, verdict: VideoVerdict, name: str, link: str = "", icon: Image | None = None, same: str = "") -> Row:
        """The row of a video, without its tracks: a table may have thousands."""
        clips, worst = sum(len(track.clips) for track in verdict.tracks), verdict.most_suspect
        light = replace(verdict, tracks=(), file=None, provenance={})
        return cls(light, name, link, len(verdict.tracks), clips, worst.t0 if worst else None, icon, same)


@dataclass(frozen=True, slots=True)
class FaceView:
    """A scored face by its number in the result, its chart, and its images by index of the clip."""

    number: int
    track: TrackVerdict
    chart: Chart
    images: TrackImages = field(default_factory=dict)

    @property
    def worst(self) -> Point:
        """The highest-scoring clip."""
        return self.chart.points[ranked(self.track)[0]]

    @property
    def strip(self) -> list[Point]:
        """The points with images, at most :data:`STRIP` of them, evenly spread."""
        if self.worst.index not in self.images:
            return []
        points = [point for point in self.chart.points if point.index in self.images]
        return [points[i] for i in dict.fromkeys(np.linspace(0, len(points) - 1, STRIP).round().astype(int))]

    @property
    def segments(self) -> list[tuple[ClipScore, list[Image]]]:
        """The clips that are shown frame by frame, the highest first."""
        shown = [images for images in self.images.values() if images.frames]
        return [(images.clip, images.segment) for images in sorted(shown, key=lambda each: -each.clip.logit)]


@dataclass(frozen=True, slots=True)
class VideoView:
    """A video: its faces with images, and the others by number."""

    verdict: VideoVerdict
    name: str
    faces: list[FaceView]
    others: list[tuple[int, TrackVerdict]]
    note: str

    @property
    def suspect(self) -> ClipImages | None:
        """The images of the highest-scoring clip of the face that decides; None where there are none."""
        return self.faces[0].images.get(self.faces[0].worst.index) if self.faces else None

    @property
    def icon(self) -> Image | None:
        """The face that decides."""
        return self.suspect.face if self.suspect else None

    @property
    def high(self) -> list[ClipScore]:
        """The clips that reach the threshold alone though the video is not forged, the highest first."""
        if self.verdict.verdict is Verdict.FORGED or self.verdict.threshold is None:
            return []
        clips = (clip for track in self.verdict.tracks for clip in track.clips)
        return sorted((c for c in clips if c.probability >= self.verdict.threshold), key=lambda c: -c.logit)


class Report:
    """Collects what a report shows, video by video, and writes it; the more ``videos``, the fewer images for each."""

    def __init__(self, detector: Detector, videos: int = 1) -> None:
        self._detector, self._budget = detector, Budget.of(videos)
        self._views: list[VideoView] = []
        self._card = read_card(detector.engine.path)

    def add(
        self, verdict: VideoVerdict, shown: VideoVerdict | None = None, progress: Progress | None = None
    ) -> VideoVerdict:
        """Add a video, its images cropped in a second pass. Returns ``shown``, the verdict to show, with regions."""
        info = self._detector.engine.info
        images, note = collect_images(verdict, info, self._budget, progress, self._detector.settings.image_rate)
        shown = self._with_regions(shown or verdict, images)
        faces, others = _faces(shown, self._budget.faces, images)
        self._views.append(VideoView(shown, one_line(Path(shown.path).name), faces, others, note))
        return shown

    def _with_regions(self, verdict: VideoVerdict, images: Mapping[int, TrackImages]) -> VideoVerdict:
        found = {}
        for track in verdict.ranked[: self._budget.regions]:
            clip = images.get(track.track_id, {}).get(ranked(track)[0])
            if clip and len(clip.frames) == self._detector.engine.info.clip_frames:
                found[track.track_id] = self._detector.score_regions(np.stack(clip.frames))
        tracks = (replace(track, regions=found.get(track.track_id, ())) for track in verdict.tracks)
        return replace(verdict, tracks=tuple(tracks))

    @property
    def thumbnail(self) -> str | None:
        """The face that decides in the first video, as a data URI."""
        return icon.uri if (icon := self._views[0].icon) else None

    def html(self, language: str = "en") -> str:
        """The complete page in a language; of several videos, those with the highest probability come first."""
        verdicts = [view.verdict for view in self._views]
        views = sorted(self._views, key=lambda view: -(view.verdict.probability or -1.0))
        info, settings = self._detector.engine.info, self._detector.settings
        values = {"videos": views, "threshold": self._detector.threshold, "info": info, "settings": settings}
        return render(
            "report",
            language,
            **values,
            rows=[Row.of(v.verdict, v.name, f"#v{n}", v.icon) for n, v in enumerate(views, 1)],
            card=self._card,
            # Clips do not overlap.
            every=f"{max(1 / settings.clips_per_second, info.clip_frames / info.frame_rate):.3g}",
            provenance=verdicts[0].provenance if verdicts else None,  # the same for all videos of a run
            result=to_result(verdicts),
        )


class Summary:
    """A scan's counts, histogram and highest-scoring videos; ``about`` are model, versions, settings."""

    def __init__(self, about: Mapping[str, Any], threshold: float) -> None:
        self._about, self._threshold = about, threshold
        self._top: list[tuple[float, int, Row]] = []
        self._bins = [0] * BINS
        self._place = 0

    def add(self, verdict: VideoVerdict, same: str) -> None:
        """Add a video; ``same`` names the one of the same content that was scored instead, or is empty."""
        self._place += 1
        if verdict.probability is None:
            return
        self._bins[min(BINS - 1, int(verdict.probability * BINS))] += 1
        row = Row.of(verdict, one_line(verdict.path), same=same)
        # Of equal ones, those that come first in the corpus.
        add = heapq.heappush if len(self._top) < SHOWN else heapq.heappushpop
        add(self._top, (verdict.probability, -self._place, row))

    def html(self, counts: Mapping[str, Any], language: str = "en") -> str:
        """The page in a language; the same videos give the same bytes."""
        values = {"bins": self._bins, "about": self._about, "counts": counts, "threshold": self._threshold}
        return render("summary", language, rows=[row for *_, row in sorted(self._top, reverse=True)], **values)


def write_plot(verdict: VideoVerdict, path: Path, language: str = "en") -> None:
    """Write an SVG with the scores of the highest faces, or why there are none. FacetellError: it cannot be written."""
    faces, others = _faces(verdict, PLOTTED, {})
    say = load_language(language).message
    title = f"{shortened(Path(verdict.path).name, 50)}: {say(words.VERDICTS[verdict.verdict])}"
    lines = [line for text in (verdict.message, *verdict.warnings) for line in textwrap.wrap(one_line(say(text)), 96)]
    values = {"faces": faces, "more": sum(bool(track.clips) for _, track in others), "threshold": verdict.threshold}
    write_text(path, environment(language).get_template("plot.svg").render(title=title, lines=lines, **values))


def render(name: str, language: str, **values: Any) -> str:
    """The page of a template, ``NAME.html``, with the style and the script of all reports."""
    template = environment(language).get_template(f"{name}.html")
    # Names and messages may hold what UTF-8 cannot encode.
    return plain_text(template.render(policy=content_policy(), css=CSS, js=JS, **values))


def content_policy() -> str:
    """A policy that allows the page's own style and script by their hashes, images inside the file, nothing else."""
    css, js = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in (CSS, JS))
    sources = f"style-src 'sha256-{css}'; script-src 'sha256-{js}'"
    return f"default-src 'none'; img-src data:; {sources}; base-uri 'none'"


def _faces(
    verdict: VideoVerdict, most: int, images: dict[int, TrackImages]
) -> tuple[list[FaceView], list[tuple[int, TrackVerdict]]]:
    """The first of the ranked faces, at most so many, and the other tracks with their numbers."""
    others = {track.track_id: (number, track) for number, track in enumerate(verdict.tracks, start=1)}
    faces = []
    for track in verdict.ranked[:most]:
        number, _ = others.pop(track.track_id)
        own = images.get(track.track_id, {})
        highest = max(1, sum(clip.wants_frames for clip in own.values()))
        faces.append(FaceView(number, track, make_chart(track, verdict.threshold or 0, highest), own))
    return faces, list(others.values())

"""The HTML report and the plot of a video as SVG: files without external resources.

They contain no time of writing: the same files, model and settings give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from facetell.detector import Detector, Progress
from facetell.engine.card import read_card
from facetell.engine.engines import model_word
from facetell.files import write_text
from facetell.report import strings
from facetell.report.chart import Chart, Point, make_chart
from facetell.report.images import Budget, ClipImages, Image, TrackImages, by_estimate, collect_images
from facetell.report.quality import Fact, clip_seconds, count_clips, describe_quality, read_facts
from facetell.report.result import to_result
from facetell.report.table import clock
from facetell.report.words import moment, one_line, percent, plain_text, shortened
from facetell.types import NOT_READ, ClipScore, TrackVerdict, Verdict, VideoVerdict
from facetell.verdict import UNSCORED, even_odds

TEMPLATES, STATIC = (Path(__file__).with_name(name) for name in ("templates", "static"))
CSS, JS = (Markup((STATIC / f"report.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
NAMED = 10  # videos that the command names one by one
STRIP = 12  # images in a strip
PLOTTED = 7  # faces in a plot
FILTERS = {
    "clip_seconds": clip_seconds,
    "clips": count_clips,
    "clock": clock,
    "even": even_odds,
    "moment": moment,
    "percent": percent,
    "reason": UNSCORED.get,
    "text": plain_text,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A video in a table of videos: ``notes`` are shown below its name, ``worst`` is the time of its highest clip.

    ``icon`` is the face that decides.
    """

    verdict: VideoVerdict
    name: str
    notes: tuple[str, ...]
    link: str
    faces: int
    clips: int
    worst: float | None
    icon: Image | None

    @classmethod
    def of(cls, verdict: VideoVerdict, name: str, *notes: str, link: str = "", icon: Image | None = None) -> Row:
        """The row of a video, without its tracks: a table may have thousands."""
        clips, worst = sum(len(track.clips) for track in verdict.tracks), verdict.most_suspect
        light = replace(verdict, tracks=(), provenance={})
        return cls(light, name, notes, link, len(verdict.tracks), clips, worst.t0 if worst else None, icon)


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
        return max(self.chart.points, key=lambda point: (self.track.clips[point.index].logit, -point.index))

    @property
    def beyond(self) -> bool:
        """Whether an image shows an area outside the frame."""
        return any(images.beyond for images in self.images.values())

    @property
    def strip(self) -> list[Point]:
        """The points with images, at most :data:`STRIP` of them, evenly spread."""
        if self.worst.index not in self.images:
            return []
        points = [point for point in self.chart.points if point.index in self.images]
        if len(points) <= STRIP:
            return points
        return [points[round(i * (len(points) - 1) / (STRIP - 1))] for i in range(STRIP)]

    @property
    def segments(self) -> list[tuple[ClipScore, list[Image]]]:
        """The clips that are shown frame by frame, the highest first."""
        shown = [images for images in self.images.values() if images.frames]
        return [(images.clip, images.segment) for images in sorted(shown, key=lambda each: -each.clip.logit)]


@dataclass(frozen=True, slots=True)
class VideoView:
    """A video: its faces with images, the others by number, the rows on its quality, its size in bytes."""

    verdict: VideoVerdict
    name: str
    faces: list[FaceView]
    others: list[tuple[int, TrackVerdict]]
    facts: list[Fact]
    size: int | None
    note: str

    @property
    def suspect(self) -> ClipImages | None:
        """The images of the highest-scoring clip of the face that decides; None where there are none."""
        return self.faces[0].images.get(self.faces[0].worst.index) if self.faces else None

    @property
    def high(self) -> list[ClipScore]:
        """The clips that reach the threshold alone though the video is not forged, the highest first."""
        if self.verdict.verdict is Verdict.FORGED or self.verdict.threshold is None:
            return []
        clips = (clip for track in self.verdict.tracks for clip in track.clips)
        return sorted((c for c in clips if c.probability >= self.verdict.threshold), key=lambda c: -c.logit)


class Report:
    """Collects what a report shows, video by video, and writes it.

    Args:
        detector: the one that scores the videos.
        videos: how many videos the report will hold: the more, the fewer images for each.
    """

    def __init__(self, detector: Detector, videos: int = 1) -> None:
        self._detector, self._budget = detector, Budget.of(videos)
        self._views: list[VideoView] = []
        self._card = read_card(detector.engine.path)

    def add(self, verdict: VideoVerdict, shown: VideoVerdict | None = None, progress: Progress | None = None) -> None:
        """Add a video; its images are cropped now, in a second pass over the file.

        Args:
            verdict: on the video, whose file it names.
            shown: the same with the names and messages to show, by default ``verdict``.
            progress: called with (seconds done, seconds in all or None) as the video is read.
        """
        info = self._detector.engine.info
        images, note = collect_images(verdict, info, self._budget, progress, self._detector.settings.image_rate)
        facts, shown = read_facts(Path(verdict.path)), shown or verdict
        limit = self._detector.threshold if verdict.threshold is None else verdict.threshold
        faces, others = _faces(shown, self._budget.faces, limit, images)
        described = [(face.number, face.track) for face in faces] or others[: self._budget.faces]
        rows = [] if shown.status in NOT_READ else describe_quality(shown, facts, info, self._card, described)
        name = plain_text(Path(shown.path).name)
        self._views.append(VideoView(shown, name, faces, others, rows, facts.size, note))

    @property
    def thumbnail(self) -> str | None:
        """The face that decides in the first video, as a data URI."""
        suspect = self._views[0].suspect
        return suspect.face.uri if suspect and suspect.face else None

    def html(self) -> str:
        """The complete page; of several videos, those with the highest probability come first."""
        verdicts = [view.verdict for view in self._views]
        views = sorted(self._views, key=_order)
        info, settings = self._detector.engine.info, self._detector.settings
        return render(
            "report",
            videos=views,
            rows=[_row(view, number) for number, view in enumerate(views, start=1)],
            threshold=self._detector.threshold,
            card=self._card,
            info=info,
            settings=settings,
            # Clips do not overlap.
            every=f"{max(1 / settings.clips_per_second, info.clip_frames / info.frame_rate):.3g}",
            provenance=verdicts[0].provenance if verdicts else None,  # the same for all videos of a run
            command=plain_text(_command(verdicts, self._detector)),
            result=_embedded(verdicts),
        )

    def write(self, path: Path) -> None:
        """Write the page atomically.

        Raises:
            FacetellError: the file cannot be written.
        """
        write_text(path, self.html())


def write_plot(verdict: VideoVerdict, threshold: float, path: Path) -> None:
    """Write an SVG with the probability of each clip of each scored face, or why the video is not scored, atomically.

    Faces are numbered by their place in ``verdict.tracks``; of many, those with the highest estimates are drawn.

    Raises:
        FacetellError: the file cannot be written.
    """
    faces, others = _faces(verdict, PLOTTED, threshold, {})
    remarks = [verdict.message] if verdict.message else []
    if faces:
        legend = "Solid: a face, with its 95 % interval. Dot: one of its clips. Dashed: the threshold"
        remarks.append(f"{legend}, {percent(threshold)}.")
    if more := sum(bool(track.clips) for _, track in others):
        remarks.append(f"{more} more faces are in the JSON.")
    name = shortened(Path(verdict.path).name, 50)
    lines = [line for text in (*remarks, *verdict.warnings) for line in textwrap.wrap(one_line(text), 96)]
    title = f"{name}: {strings.VERDICTS[verdict.verdict]}"
    write_text(path, _environment().get_template("plot.svg").render(title=title, lines=lines, faces=faces))


def render(name: str, **values: Any) -> str:
    """The page of a template, ``NAME.html``, with the style and the script of all reports."""
    template = _environment().get_template(f"{name}.html")
    page = template.render(t=strings, policy=content_policy(), css=CSS, js=JS, **values)
    # Names and messages may hold what UTF-8 cannot encode.
    return plain_text(page)


def content_policy() -> str:
    """A policy that allows the page's own style and script by their hashes, images inside the file, nothing else."""

    def hashed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return f"default-src 'none'; img-src data:; style-src {hashed(CSS)}; script-src {hashed(JS)}; base-uri 'none'"


def _environment() -> Environment:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= FILTERS
    return environment


def _faces(
    verdict: VideoVerdict, most: int, threshold: float, images: dict[int, TrackImages]
) -> tuple[list[FaceView], list[tuple[int, TrackVerdict]]]:
    """The scored faces with the highest estimates, at most so many, and the other tracks with their numbers."""
    others = {track.track_id: (number, track) for number, track in enumerate(verdict.tracks, start=1)}
    faces = []
    for track in by_estimate(verdict.tracks)[:most]:
        number, _ = others.pop(track.track_id)
        own = images.get(track.track_id, {})
        highest = max(1, sum(clip.wants_frames for clip in own.values()))
        faces.append(FaceView(number, track, make_chart(track, threshold, highest), own))
    return faces, list(others.values())


def _order(view: VideoView) -> float:
    return 1.0 if view.verdict.probability is None else -view.verdict.probability


def _row(view: VideoView, number: int) -> Row:
    notes = (*([view.verdict.message] if view.verdict.message else []), *view.verdict.warnings)
    icon = view.suspect.icon if view.suspect else None
    return Row.of(view.verdict, view.name, *notes, link=f"#v{number}", icon=icon)


def _command(verdicts: Sequence[VideoVerdict], detector: Detector) -> str:
    """The command that gives the same figures, with every setting that they depend on."""
    settings = detector.settings
    paths = [_word(verdict.path) for verdict in verdicts] if len(verdicts) <= NAMED else ["VIDEO..."]
    options = {
        "--fps-scored": repr(settings.clips_per_second).removesuffix(".0"),
        "--max-clips": settings.max_clips,
        "--max-faces": settings.max_faces,
        # A given threshold is not corrected for the number of faces; the model's own is.
        "--threshold": settings.threshold,
        "--engine": settings.engine,
        "--precision": detector.engine.precision if settings.engine == "openvino" else None,
        "--threads": settings.threads or None,
        # The name of a file without its folders, which may be private; the hash above identifies it.
        "--model": _word(model_word(detector.engine.path)),
        "--report": "report.html",
    }
    words = [f"{option} {value}" for option, value in options.items() if value is not None]
    return " ".join(["facetell detect", *paths, *words])


def _word(path: str) -> str:
    """A path as one word of a command line that is not taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _embedded(verdicts: Sequence[VideoVerdict]) -> Markup:
    """The JSON result for a script element; what could end the element is escaped."""
    text = json.dumps(to_result(verdicts), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)

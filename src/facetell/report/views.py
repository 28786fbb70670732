"""Data of each video for the report templates, which contain no logic of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facetell.engine.card import Card
from facetell.engine.info import ModelInfo
from facetell.report import strings
from facetell.report.chart import Chart, Point, make_chart, ranked
from facetell.report.heat import HeatClip, HeatView, compare
from facetell.report.images import Budget, Image, TrackImages, VideoImages, by_estimate
from facetell.report.quality import Fact, FileFacts, clip_seconds, count_clips, describe_quality, used_rate
from facetell.report.table import clock
from facetell.report.words import percent, plain_text
from facetell.types import NOT_READ, ClipScore, FloatArray, TrackVerdict, VideoVerdict

STRIP = 12  # images in a strip
LISTED = 100  # faces without images that are listed


@dataclass(frozen=True, slots=True)
class FaceView:
    """A scored face: number and length of its clips in words, images, chart.

    ``start`` is the highest-scoring point of the chart, ``highest`` the indices of the clips drawn as diamonds.
    """

    number: int
    track: TrackVerdict
    clips: str
    seconds: str
    images: TrackImages
    chart: Chart
    start: int
    highest: frozenset[int]
    segments: list[tuple[ClipScore, list[Image]]]

    @property
    def worst(self) -> Point:
        """The highest-scoring clip."""
        return self.chart.points[self.start]

    @property
    def strip(self) -> list[Point]:
        """The points with images, at most :data:`STRIP` of them, evenly spread."""
        points = [point for point in self.chart.points if point.index in self.images.moments]
        if len(points) <= STRIP:
            return points
        return [points[round(i * (len(points) - 1) / (STRIP - 1))] for i in range(STRIP)]


@dataclass(frozen=True, slots=True)
class VideoView:
    """A video: its faces with images, others by number, how many more there are, and the rows on its quality."""

    verdict: VideoVerdict
    name: str
    faces: list[FaceView]
    others: list[tuple[int, TrackVerdict]]
    more: int
    heat: HeatView | None
    facts: list[Fact]
    size: int | None
    note: str


def make_view(
    verdict: VideoVerdict,
    images: VideoImages,
    facts: FileFacts,
    info: ModelInfo,
    card: Card,
    *,
    threshold: float,
    budget: Budget,
    motion: FloatArray | None,
    reference: HeatClip | None,
) -> VideoView:
    """What the report shows of a video; ``motion`` is the activation of the motion layers on its highest clip."""
    numbered = {track.track_id: (number, track) for number, track in enumerate(verdict.tracks, start=1)}
    shown = [numbered.pop(track.track_id) for track in by_estimate(verdict.tracks)[: max(budget.faces, 1)]]
    others = list(numbered.values())
    clip, heat = verdict.most_suspect, None
    if clip and images.worst is not None and len(images.worst) >= 3 and budget.heat:
        owner = next(number for number, track in (*shown, *others) if clip in track.clips)
        note = strings.HEAT_HERE_NOTE.format(number=owner, probability=percent(clip.probability))
        title = strings.HEAT_HERE.format(time=clock(clip.t0))
        here = HeatClip(title, note, images.worst, used_rate(verdict, info), motion)
        heat = compare([here, reference] if reference else [here])
    described = (shown or others)[: max(budget.faces, 1)]
    return VideoView(
        verdict=verdict,
        name=plain_text(Path(verdict.path).name),
        faces=[_face(number, track, images, threshold) for number, track in shown],
        others=others[:LISTED],
        more=max(0, len(others) - LISTED),
        heat=heat,
        facts=[] if verdict.status in NOT_READ else describe_quality(verdict, facts, info, card, described),
        size=facts.size,
        note=images.note,
    )


def _face(number: int, track: TrackVerdict, images: VideoImages, threshold: float) -> FaceView:
    own = images.tracks.get(track.track_id, TrackImages())
    chart, order = make_chart(track, threshold), ranked(track)
    return FaceView(
        number=number,
        track=track,
        clips=count_clips(track),
        seconds=clip_seconds(track),
        images=own,
        chart=chart,
        start=next(place for place, point in enumerate(chart.points) if point.index == order[0]),
        highest=frozenset(order[: max(1, len(own.segments))]),
        segments=[(track.clips[i], own.segments[i]) for i in order if i in own.segments],
    )

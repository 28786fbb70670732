"""What the page shows of each video, ready to be set: every choice is made here, the template only sets it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facetell.engine.info import ModelInfo
from facetell.report import strings
from facetell.report.card import Card
from facetell.report.chart import Chart, make_chart
from facetell.report.condition import Fact, FileFacts, clip_seconds, count_clips, describe_condition, used_rate
from facetell.report.heat import Heat, draw_heat, response, scale_colours, second_differences
from facetell.report.pictures import Budget, Picture, TrackPictures, VideoPictures, by_suspicion
from facetell.report.points import suspects
from facetell.report.table import clock
from facetell.report.words import percent, plain_text
from facetell.types import NOT_READ, ClipScore, FloatArray, Status, TrackVerdict, UInt8Array, VideoVerdict

STRIP = 12  # faces in a strip
LISTED = 100  # faces without pictures that are listed
HEAT_SIDE = 224  # pixels


@dataclass(frozen=True, slots=True)
class Reference:
    """The most suspect clip of genuine footage: frames uint8 RGB (T, S, S, 3), its score, pictures a second.

    ``motion`` is the network's response to it (:meth:`facetell.engine.Engine.motion`).
    """

    name: str
    frames: UInt8Array
    probability: float
    rate: float
    motion: FloatArray | None


@dataclass(frozen=True, slots=True)
class Row:
    """A point of a chart in words: ``picture`` is None where none was kept."""

    time: float
    probability: float
    x: float
    y: float
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A suspect clip and its frames."""

    clip: ClipScore
    pictures: list[Picture]


@dataclass(frozen=True, slots=True)
class FaceView:
    """What the page shows of a scored face; ``worst`` is the middle of its most suspect clip in seconds."""

    number: int
    track: TrackVerdict
    count: str
    seconds: str
    worst: float
    chart: Chart
    chart_alt: str
    rows: list[Row]
    start: int
    shown: Row | None
    strip: list[Row]
    suspects: frozenset[int]
    segments: list[Segment]
    scene: Picture | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A face without pictures."""

    number: int
    track: TrackVerdict


@dataclass(frozen=True, slots=True)
class HeatSide:
    """One of the two faces of the heat map; ``response`` is the network's, where its model file gives it out."""

    title: str
    note: str
    face: Picture
    map: Picture
    response: Picture | None
    mean: str
    top: str


@dataclass(frozen=True, slots=True)
class HeatView:
    """The heat map and its scale."""

    sides: list[HeatSide]
    top: str
    rates: str
    colours: list[str]


@dataclass(frozen=True, slots=True)
class VideoView:
    """What the page shows of a video."""

    verdict: VideoVerdict
    name: str
    faces: list[FaceView]
    others: list[Listed]
    more: int
    heat: HeatView | None
    facts: list[Fact]
    size: int | None
    note: str

    @property
    def scored(self) -> bool:
        """Whether there is a figure."""
        return self.verdict.status is Status.SCORED

    @property
    def scored_faces(self) -> int:
        """How many faces have a figure."""
        return sum(track.status is Status.SCORED for track in self.verdict.tracks)

    @property
    def worst_number(self) -> int:
        """Number of the most suspect face."""
        worst = by_suspicion(self.verdict.tracks)[0]
        return self.verdict.tracks.index(worst) + 1


def make_view(
    verdict: VideoVerdict,
    pictures: VideoPictures,
    facts: FileFacts,
    info: ModelInfo,
    card: Card,
    *,
    threshold: float,
    budget: Budget,
    motion: FloatArray | None,
    reference: Reference | None,
) -> VideoView:
    """Everything that the page shows of a video.

    Args:
        verdict: on the video.
        pictures: cut from it.
        facts: what its file tells of itself.
        info: of the model that scored it.
        card: of that model.
        threshold: probability from which on a face is called forged.
        budget: how many pictures it may have.
        motion: the network's response to the most suspect clip (T - 2, h, w), where its model file gives it out.
        reference: genuine footage to compare with, where there is some.
    """
    faces = list(_faces(verdict, pictures, threshold, budget))
    shown = {face.number for face in faces}
    others = [Listed(n, track) for n, track in enumerate(verdict.tracks, start=1) if n not in shown]
    frames = pictures.worst
    heat = None
    if frames is not None and len(frames) >= 3 and budget.heat:
        heat = _heat(verdict, frames, motion, reference, used_rate(verdict, info))
    readable = verdict.status not in NOT_READ
    described = [(face.number, face.track) for face in faces] or [(face.number, face.track) for face in others]
    return VideoView(
        verdict=verdict,
        name=plain_text(Path(verdict.path).name),
        faces=faces,
        others=others[:LISTED],
        more=max(0, len(others) - LISTED),
        heat=heat,
        facts=describe_condition(verdict, facts, info, card, described[: max(budget.faces, 1)]) if readable else [],
        size=facts.size,
        note=pictures.note,
    )


def _faces(verdict: VideoVerdict, pictures: VideoPictures, threshold: float, budget: Budget) -> Iterator[FaceView]:
    numbers = {track.track_id: number for number, track in enumerate(verdict.tracks, start=1)}
    for track in by_suspicion(verdict.tracks)[: max(budget.faces, 1)]:
        found = pictures.tracks.get(track.track_id, TrackPictures())
        yield _face(numbers[track.track_id], track, found, threshold)


def _face(number: int, track: TrackVerdict, pictures: TrackPictures, threshold: float) -> FaceView:
    chart = make_chart(track, threshold)
    rows = [
        Row(_middle(track.clips[p.index]), track.clips[p.index].probability, p.x, p.y, pictures.moments.get(p.index))
        for p in chart.points
    ]
    ranked = suspects(track)
    start = next(place for place, point in enumerate(chart.points) if point.index == ranked[0])
    pictured = [row for row in rows if row.picture]
    worst = track.clips[ranked[0]]
    return FaceView(
        number=number,
        track=track,
        count=count_clips(track),
        seconds=clip_seconds(track),
        worst=_middle(worst),
        chart=chart,
        chart_alt=strings.CHART_ALT.format(
            number=number,
            start=clock(track.t0),
            end=clock(track.t1),
            lowest=percent(min(clip.probability for clip in track.clips)),
            highest=percent(worst.probability),
            when=clock(worst.t0),
        ),
        rows=rows,
        start=start,
        shown=rows[start] if rows[start].picture else None,
        strip=[pictured[round(i * (len(pictured) - 1) / (STRIP - 1))] for i in range(STRIP)]
        if len(pictured) > STRIP
        else pictured,
        suspects=frozenset(ranked[: max(1, len(pictures.segments))]),
        segments=[Segment(track.clips[i], pictures.segments[i]) for i in ranked if i in pictures.segments],
        scene=pictures.scene,
    )


def _heat(
    verdict: VideoVerdict, frames: UInt8Array, motion: FloatArray | None, reference: Reference | None, rate: float
) -> HeatView:
    clip = verdict.most_suspect
    assert clip is not None  # there are no frames without it
    owner = next(number for number, track in enumerate(verdict.tracks, start=1) if clip in track.clips)
    heats = [second_differences(frames)] + ([second_differences(reference.frames)] if reference else [])
    top = max(heat.top for heat in heats)
    responses = _responses([(motion, frames)] + ([(reference.motion, reference.frames)] if reference else []))
    here = strings.HEAT_HERE_NOTE.format(number=owner, probability=percent(clip.probability))
    sides = [_side(strings.HEAT_HERE.format(time=clock(clip.t0)), here, heats[0], top, responses[0])]
    if reference:
        there = strings.HEAT_REFERENCE_NOTE.format(name=reference.name, probability=percent(reference.probability))
        sides.append(_side(strings.HEAT_REFERENCE, there, heats[1], top, responses[1]))
    rates = strings.HEAT_NO_REFERENCE
    if reference:
        rates = strings.HEAT_RATES.format(here=f"{rate:.4g}", there=f"{reference.rate:.4g}")
    return HeatView(sides, f"{top:.1f}", rates, scale_colours())


def _responses(clips: list[tuple[FloatArray | None, UInt8Array]]) -> list[Picture | None]:
    """The network's responses to clips, drawn on one scale; None where it gives none out."""
    heats = [None if maps is None else response(maps, frames) for maps, frames in clips]
    top = max((heat.top for heat in heats if heat), default=0.0)
    return [None if heat is None else Picture.of(draw_heat(heat, top, HEAT_SIDE)) for heat in heats]


def _side(title: str, note: str, heat: Heat, top: float, answer: Picture | None) -> HeatSide:
    mean, peak = f"{heat.mean:.1f}", f"{heat.top:.1f}"
    note = f"{note} {strings.HEAT_FIGURES.format(mean=mean, top=peak)}"
    drawn = Picture.of(draw_heat(heat, top, HEAT_SIDE))
    return HeatSide(title, note, Picture.of(heat.face), drawn, answer, mean, peak)


def _middle(clip: ClipScore) -> float:
    return (clip.t0 + clip.t1) / 2

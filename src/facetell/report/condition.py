"""The condition of a video's picture: what was measured of it, and what that does to certainty."""

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.report import strings as t
from facetell.report.card import NARROWED, RECODED, Card
from facetell.report.words import percent
from facetell.types import Status, TrackVerdict, VideoVerdict
from facetell.verdict import LOW_RATE, UNEVEN
from facetell.video.container import video_streams
from facetell.video.reader import Unreadable, probe

TAGS = ("encoder", "encoding_tool", "software", "com.apple.quicktime.software")
LONGEST_TAG = 80
CODER_WITHIN = 65_536  # bytes before and of the first picture in which the coder's note is looked for
NOTE_BYTES = 4096  # of such a note at most
_NOTE = re.compile(rb"(x26[45]) [\x20-\x7e]{,%d}" % NOTE_BYTES)
_SETTING = re.compile(rb"\b(crf|qp|bitrate)=([0-9.]{1,9})")


class Fact(NamedTuple):
    """A row: what, measured how, and what it does to certainty."""

    what: str
    measured: str
    effect: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file tells of itself: ``size`` in bytes, ``codec``, the software it names; None or empty if unknown.

    ``coder`` is what the encoder left in the pictures' stream: its name and how strongly it was told to compress.
    """

    size: int | None = None
    codec: str | None = None
    writers: tuple[str, ...] = ()
    coder: str = ""


def read_facts(path: Path) -> FileFacts:
    """Look at a file; whatever cannot be had is left out."""
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError:
        return FileFacts()
    try:
        codec = probe(path).codec
    except Unreadable:
        return FileFacts(size)
    writers: list[str] = []
    coder = ""
    with (
        contextlib.suppress(av.FFmpegError, OSError, ValueError, Unreadable),
        # As the reader does: a name with a colon is no network address.
        av.open(f"file:{path}", metadata_errors="replace", container_options={"protocol_whitelist": "file"}) as file,
    ):
        for metadata in (file.metadata, *(stream.metadata for stream in file.streams.video)):
            writers += [text[:LONGEST_TAG] for tag, text in metadata.items() if tag.lower() in TAGS and text]
        coder = _coder(file, path)
    return FileFacts(size, codec, tuple(dict.fromkeys(writers)), coder)


def _coder(file: InputContainer, path: Path) -> str:
    """The note of x264 or x265, which stands before the first picture: "x264, crf 23"; empty where there is none."""
    stream = video_streams(file, path)[0]
    first = next(file.demux(stream), None)
    head = (stream.codec_context.extradata or b"") + (bytes(first) if first else b"")
    # Only the first note counts: a file may be full of them to keep a search busy.
    note = _NOTE.search(head[:CODER_WITHIN])
    found = note and _SETTING.search(note[0].partition(b"options: ")[2])
    if not note or not found:
        return ""
    name, setting, value = (part.decode("ascii") for part in (note[1], *found.groups()))
    return f"{name}, {setting} {value.removesuffix('.0')}" + (" kbit/s" if setting == "bitrate" else "")


def describe_condition(
    verdict: VideoVerdict, facts: FileFacts, info: ModelInfo, card: Card, faces: Sequence[tuple[int, TrackVerdict]]
) -> list[Fact]:
    """The rows for a video from which pictures could be read, and for some of its numbered faces."""
    rows: list[Fact] = []
    for number, track in faces:
        rows += _of_face(number, track, info, card)
    rows.append(_rate(verdict, info))
    if verdict.width and verdict.height:
        size = t.SIZE_VALUE.format(width=verdict.width, height=verdict.height)
        rows.append(Fact(t.SIZE, size, t.SIZE_EFFECT))
    if facts.codec and facts.size and verdict.duration:
        rate = round(facts.size * 8 / verdict.duration / 1000)
        measured = t.CODEC_VALUE.format(codec=facts.codec, rate=rate)
        measured += t.CODER.format(coder=facts.coder) if facts.coder else ""
        rows.append(Fact(t.CODEC, measured, f"{t.CODEC_EFFECT} {_of_recoding(card)}".rstrip()))
    if facts.writers:
        rows.append(Fact(t.WRITER, ", ".join(facts.writers), t.WRITER_EFFECT))
    if verdict.warnings:
        rows.append(Fact(t.DAMAGE, "; ".join(verdict.warnings), t.DAMAGE_EFFECT))
    else:
        rows.append(Fact(t.DAMAGE, t.DAMAGE_NONE, t.DAMAGE_NONE_EFFECT.format(share=percent(UNEVEN))))
    return rows


def _of_recoding(card: Card) -> str:
    """What re-encoding alone did to the model's own measurement; empty where its card does not tell."""
    measured = card.measured(RECODED)
    if not measured:
        return ""
    figures = ", ".join(t.RECODED_FIGURE.format(crf=line.value, auc=line.auc) for line in measured)
    return t.RECODED.format(before=measured[0].before, figures=figures)


def _of_width(width: float, card: Card) -> str:
    """What faces of such a width did to it; empty where faces so wide were not measured apart."""
    wider = [line for line in card.measured(NARROWED) if line.value >= width]
    if not wider:
        return ""
    line = min(wider, key=lambda line: line.value)
    return t.NARROWED.format(width=line.value, auc=line.auc, before=line.before)


def _of_face(number: int, track: TrackVerdict, info: ModelInfo, card: Card) -> Iterator[Fact]:
    what, measured = t.FACE_WIDTH.format(number=number), t.PIXELS.format(width=round(track.face_width))
    if track.status is not Status.SCORED:
        unfit = t.TRACK_ABSTAINED[track.status]
        if track.status in (Status.TOO_SHORT, Status.FACE_TOO_SMALL):
            unfit = t.FACE_UNSCORED.format(least=f"{info.min_face_width:.0f}")
        yield Fact(what, measured, unfit)
        return
    widths = sorted(clip.crop.side for clip in track.clips)
    square = round(widths[len(widths) // 2])
    effect = t.FACE_ENLARGED if square < info.size else t.FACE_ENOUGH
    effect = f"{effect.format(square=square, size=info.size)} {_of_width(track.face_width, card)}".rstrip()
    yield Fact(what, measured, effect)
    yield Fact(t.EVIDENCE.format(number=number), clips_of(track), t.EVIDENCE_EFFECT)


def clips_of(track: TrackVerdict) -> str:
    """How many clips of a scored track there are, and how long one is."""
    return t.EVIDENCE_VALUE.format(clips=count_clips(track), seconds=clip_seconds(track))


def count_clips(track: TrackVerdict) -> str:
    """The number of scored clips in words, and of how many they were chosen."""
    if track.clips_seen > len(track.clips):
        return t.CLIPS_CHOSEN.format(count=len(track.clips), seen=track.clips_seen)
    return t.CLIP_ONE if len(track.clips) == 1 else t.CLIPS.format(count=len(track.clips))


def clip_seconds(track: TrackVerdict) -> str:
    """Length of a clip of a scored track in seconds."""
    lengths = sorted(clip.t1 - clip.t0 for clip in track.clips)
    return f"{lengths[len(lengths) // 2]:.2f}"


def used_rate(verdict: VideoVerdict, info: ModelInfo) -> float:
    """Pictures a second that a video is scored at; where its file states no rate, as its clips have it."""
    lengths = [clip.t1 - clip.t0 for track in verdict.tracks for clip in track.clips]
    if verdict.fps or not lengths:
        return 1 / FrameSampler(verdict.fps, info.frame_rate).step
    return (info.clip_frames - 1) / statistics.median(lengths)


def _rate(verdict: VideoVerdict, info: ModelInfo) -> Fact:
    fps = verdict.fps
    measured = t.RATE_VALUE.format(fps=f"{fps:.4g}") if fps else t.RATE_UNKNOWN
    low = fps is not None and fps < LOW_RATE * info.frame_rate
    effect = (t.RATE_LOW if low else t.RATE_GOOD).format(
        used=f"{used_rate(verdict, info):.4g}", trained=f"{info.frame_rate:.4g}"
    )
    return Fact(t.RATE, measured, effect)

"""The table "Video quality": what was measured of a video, and its effect on reliability."""

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from facetell.engine.card import NARROWED, RECODED, Card
from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.report import strings as t
from facetell.report.words import percent
from facetell.types import Status, TrackVerdict, VideoVerdict
from facetell.verdict import LOW_RATE, UNEVEN, UNSCORED
from facetell.video.container import packets, video_streams
from facetell.video.reader import probe

TAGS = ("encoder", "encoding_tool", "software", "com.apple.quicktime.software")
MAX_TAG = 80  # characters
SEARCHED = 65_536  # bytes up to the end of the first frame in which the encoder's note is searched
NOTE_BYTES = 4096  # at most, of such a note
_NOTE = re.compile(rb"(x26[45]) [\x20-\x7e]{,%d}" % NOTE_BYTES)
_SETTING = re.compile(rb"\b(crf|qp|bitrate)=([0-9.]{1,9})")


Fact = tuple[str, str, str]  # property, measured value, effect on reliability


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Metadata of a file: ``size`` in bytes, ``codec``, the software that it names; None or empty where unknown.

    ``coder`` is what the encoder noted in the stream: its name and strength of compression, such as "x264, crf 23".
    """

    size: int | None = None
    codec: str | None = None
    writers: tuple[str, ...] = ()
    coder: str = ""


def read_facts(path: Path) -> FileFacts:
    """The metadata of a file; what cannot be read is left out."""
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError:
        return FileFacts()
    try:
        codec = probe(path).codec
    except Exception:  # of any kind, as in Detector.__call__: one file must not end a run
        return FileFacts(size)
    writers: list[str] = []
    coder = ""
    with (
        contextlib.suppress(Exception),
        # As the reader does: a name with a colon is not a network address.
        av.open(f"file:{path}", metadata_errors="replace", container_options={"protocol_whitelist": "file"}) as file,
    ):
        for metadata in (file.metadata, *(stream.metadata for stream in file.streams.video)):
            writers += [text[:MAX_TAG] for tag, text in metadata.items() if tag.lower() in TAGS and text]
        coder = _coder(file, path)
    return FileFacts(size, codec, tuple(dict.fromkeys(writers)), coder)


def _coder(file: InputContainer, path: Path) -> str:
    """The note that x264 and x265 write before the first frame; empty where there is none."""
    stream = video_streams(file, path)[0]
    first = next(packets(file, stream), None)
    head = (stream.codec_context.extradata or b"") + (bytes(first) if first else b"")
    # Only the first note: a hostile file may hold very many.
    note = _NOTE.search(head[:SEARCHED])
    found = note and _SETTING.search(note[0].partition(b"options: ")[2])
    if not note or not found:
        return ""
    name, setting, value = (part.decode("ascii") for part in (note[1], *found.groups()))
    return f"{name}, {setting} {value.removesuffix('.0')}" + (" kbit/s" if setting == "bitrate" else "")


def describe_quality(
    verdict: VideoVerdict, facts: FileFacts, info: ModelInfo, card: Card, faces: Sequence[tuple[int, TrackVerdict]]
) -> list[Fact]:
    """The rows for a video that could be decoded, and for some of its numbered faces."""
    rows = [fact for number, track in faces for fact in _face(number, track, info, card)]
    rows.append(_rate(verdict, info))
    if verdict.width and verdict.height:
        rows.append((t.SIZE, t.SIZE_VALUE.format(width=verdict.width, height=verdict.height), t.SIZE_EFFECT))
    if facts.codec and facts.size and verdict.duration:
        rate = round(facts.size * 8 / verdict.duration / 1000)
        measured = t.CODEC_VALUE.format(codec=facts.codec, rate=rate)
        measured += t.CODER.format(coder=facts.coder) if facts.coder else ""
        rows.append((t.CODEC, measured, f"{t.CODEC_EFFECT} {_of_recoding(card)}".rstrip()))
    if facts.writers:
        rows.append((t.WRITER, ", ".join(facts.writers), t.WRITER_EFFECT))
    if verdict.warnings:
        rows.append((t.DAMAGE, "; ".join(verdict.warnings), t.DAMAGE_EFFECT))
    else:
        rows.append((t.DAMAGE, t.DAMAGE_NONE, t.DAMAGE_NONE_EFFECT.format(share=percent(UNEVEN))))
    return rows


def _of_recoding(card: Card) -> str:
    """AUC after re-encoding, from the model card; empty where it was not measured."""
    measured = card.measured(RECODED)
    figures = ", ".join(t.RECODED_FIGURE.format(crf=crf, auc=auc) for crf, auc in measured)
    return t.RECODED.format(before=card.unchanged, figures=figures) if measured else ""


def _of_width(width: float, card: Card) -> str:
    """AUC with faces of the next larger measured width, from the model card; empty where there is none."""
    wider = [(measured, auc) for measured, auc in card.measured(NARROWED) if measured >= width]
    return t.NARROWED.format(width=min(wider)[0], auc=min(wider)[1], before=card.unchanged) if wider else ""


def _face(number: int, track: TrackVerdict, info: ModelInfo, card: Card) -> Iterator[Fact]:
    what, measured = t.FACE_WIDTH.format(number=number), t.PIXELS.format(width=round(track.face_width))
    if track.status is not Status.SCORED:
        reason = t.TRACK_ABSTAINED.format(reason=UNSCORED[track.status])
        if track.status in (Status.TOO_SHORT, Status.FACE_TOO_SMALL):
            reason = t.FACE_UNSCORED.format(least=f"{info.min_face_width:.0f}")
        yield what, measured, reason
        return
    crop = round(statistics.median_high(clip.crop.side for clip in track.clips))
    effect = (t.FACE_ENLARGED if crop < info.size else t.FACE_ENOUGH).format(crop=crop, size=info.size)
    yield what, measured, f"{effect} {_of_width(track.face_width, card)}".rstrip()
    clips = t.EVIDENCE_VALUE.format(clips=count_clips(track), seconds=clip_seconds(track))
    yield t.EVIDENCE.format(number=number), clips, t.EVIDENCE_EFFECT


def count_clips(track: TrackVerdict) -> str:
    """The number of scored clips in words, and of how many they were chosen."""
    if track.clips_seen > len(track.clips):
        return t.CLIPS_CHOSEN.format(count=len(track.clips), seen=track.clips_seen)
    return t.CLIP_ONE if len(track.clips) == 1 else t.CLIPS.format(count=len(track.clips))


def clip_seconds(track: TrackVerdict) -> str:
    """Median length of a clip of a scored track in seconds."""
    return f"{statistics.median_high(clip.t1 - clip.t0 for clip in track.clips):.2f}"


def used_rate(verdict: VideoVerdict, info: ModelInfo) -> float:
    """Frames per second at which a video is scored; that of its clips where the file states no rate."""
    lengths = [clip.t1 - clip.t0 for track in verdict.tracks for clip in track.clips]
    if verdict.fps or not lengths:
        return 1 / FrameSampler(verdict.fps, info.frame_rate).step
    return (info.clip_frames - 1) / statistics.median(lengths)


def _rate(verdict: VideoVerdict, info: ModelInfo) -> Fact:
    fps = verdict.fps
    measured = t.RATE_VALUE.format(fps=f"{fps:.4g}") if fps else t.RATE_UNKNOWN
    effect = t.RATE_LOW if fps is not None and fps < LOW_RATE * info.frame_rate else t.RATE_GOOD
    used = f"{used_rate(verdict, info):.4g}"
    return t.RATE, measured, effect.format(used=used, trained=f"{info.frame_rate:.4g}")

"""The table "Video quality": what was measured of a video, and its effect on reliability."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from facetell.engine.card import Card
from facetell.engine.info import ModelInfo
from facetell.faces.clips import FrameSampler
from facetell.report.words import percent
from facetell.types import Status, TrackVerdict, VideoVerdict
from facetell.verdict import LOW_RATE, UNEVEN, UNSCORED
from facetell.video.container import video_streams

TAGS = ("encoder", "encoding_tool", "software", "com.apple.quicktime.software")
MAX_TAG = 80  # characters

Fact = tuple[str, str, str]  # property, measured value, effect on reliability


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Metadata of a file: ``size`` in bytes, ``codec``, the software that it names; None or empty where unknown."""

    size: int | None = None
    codec: str | None = None
    writers: tuple[str, ...] = ()


def read_facts(path: Path) -> FileFacts:
    """The metadata of a file; what cannot be read is left out."""
    size, codec, writers = None, None, []
    # An error of any kind, as in Detector.__call__: one file must not end a run.
    with contextlib.suppress(Exception):
        size = path.stat().st_size if path.is_file() else None
        # As the reader does: a name with a colon is not a network address.
        only_files = {"protocol_whitelist": "file"}
        with av.open(f"file:{path}", metadata_errors="replace", container_options=only_files) as file:
            codec = video_streams(file, path)[0].codec_context.codec.canonical_name
            for metadata in (file.metadata, *(stream.metadata for stream in file.streams.video)):
                writers += [text[:MAX_TAG] for tag, text in metadata.items() if tag.lower() in TAGS and text]
    return FileFacts(size, codec, tuple(dict.fromkeys(writers)))


def describe_quality(
    verdict: VideoVerdict, facts: FileFacts, info: ModelInfo, card: Card, faces: Sequence[tuple[int, TrackVerdict]]
) -> list[Fact]:
    """The rows for a video that could be decoded, and for some of its numbered faces."""
    rows = [fact for number, track in faces for fact in _face(number, track, info, card)]
    rows.append(_rate(verdict, info))
    if verdict.width and verdict.height:
        size = f"{verdict.width} × {verdict.height} pixels"
        rows.append(("Frame size", size, "Only the width of the face matters."))
    if facts.codec and facts.size and verdict.duration:
        rate = round(facts.size * 8 / verdict.duration / 1000)
        measured = f"{facts.codec}, {rate} kbit/s on average (whole file, audio included)"
        effect = "Removes fine differences between frames and adds others; the effect on this score is not measured."
        rows.append(("Compression", measured, effect))
    if facts.writers:
        effect = "Any software can set or remove it. An editor or converter means a copy, not a sign of forgery."
        rows.append(("Encoder (file metadata)", ", ".join(facts.writers), effect))
    effect = "The interval does not include it. Damage and irregular timestamps look like irregular motion."
    if not verdict.warnings:
        effect = f"No decoding errors; at most {percent(UNEVEN)} of frames with irregular timestamps."
    rows.append(("Decoding", "; ".join(verdict.warnings) or "no errors", effect))
    return rows


def _face(number: int, track: TrackVerdict, info: ModelInfo, card: Card) -> Iterator[Fact]:
    what, measured = f"Width of face {number}", f"{round(track.face_width)} pixels (median)"
    if track.status is not Status.SCORED:
        reason = f"Not scored: {UNSCORED[track.status]}."
        if track.status in (Status.TOO_SHORT, Status.FACE_TOO_SMALL):
            reason = f"Not scored: needs at least {info.min_face_width:.0f} pixels, without a break for one clip."
        yield what, measured, reason
        return
    crop = round(statistics.median_high(clip.crop.side for clip in track.clips))
    effect = f"Face crop {crop} px; model input {info.size} px: "
    if crop < info.size:
        effect += "enlarged, so the score is less certain than its interval."
    else:
        effect += "not enlarged here. Earlier enlargement is not measured."
    # Of the next larger width that was measured.
    if wider := [(width, auc) for width, auc in card.by_width if width >= track.face_width]:
        width, auc = min(wider)
        effect += f" On the model's test videos AUC was {auc:.3f} with faces {width} pixels wide, "
        effect += f"{card.unchanged:.3f} unchanged."
    yield what, measured, effect


def count_clips(track: TrackVerdict) -> str:
    """The number of scored clips in words, and of how many they were chosen."""
    count = len(track.clips)
    if track.clips_seen > count:
        return f"{count} of {track.clips_seen} clips (evenly spaced)"
    return f"{count} clip{'s' * (count != 1)}"


def clip_seconds(track: TrackVerdict) -> str:
    """Median length of a clip of a scored track in seconds."""
    return f"{statistics.median_high(clip.t1 - clip.t0 for clip in track.clips):.2f}"


def _rate(verdict: VideoVerdict, info: ModelInfo) -> Fact:
    if not verdict.fps:
        return "Frame rate", "not stated in the file", f"The model was trained at {info.frame_rate:.4g} per second."
    used = 1 / FrameSampler(verdict.fps, info.frame_rate).step
    effect = f"Sampled at {used:.4g} frames per second; the model was trained at {info.frame_rate:.4g}."
    if verdict.fps < LOW_RATE * info.frame_rate:
        effect += " The interval does not include that motion is coarser than in training."
    return "Frame rate", f"{verdict.fps:.4g} frames per second", effect

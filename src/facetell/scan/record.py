"""A verdict as the journal keeps it: every bit of its numbers, and nothing of where the video lay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict

HERE = "\0"
"""Stands for the video's name in sentences: no name holds it, and the same content may bear several names."""
_LEFT_OUT = {"path", "seconds_spent", "provenance"}


def to_record(verdict: VideoVerdict) -> dict[str, Any]:
    """The verdict as dicts, lists, strings and numbers, without path, provenance and time spent."""
    record = {name: value for name, value in _plain(verdict).items() if name not in _LEFT_OUT}
    record["message"] = verdict.message.replace(verdict.path, HERE)
    record["warnings"] = [warning.replace(verdict.path, HERE) for warning in verdict.warnings]
    return record


def from_record(record: Mapping[str, Any], name: str, provenance: Mapping[str, object]) -> VideoVerdict:
    """Undo :func:`to_record`, for a video called ``name``."""
    return VideoVerdict(
        **{
            **record,
            "path": name,
            "status": Status(record["status"]),
            "verdict": Verdict(record["verdict"]),
            "interval": _pair(record["interval"]),
            "tracks": tuple(_track(track) for track in record["tracks"]),
            "message": record["message"].replace(HERE, name),
            "warnings": tuple(warning.replace(HERE, name) for warning in record["warnings"]),
            "provenance": dict(provenance),
        }
    )


def unreadable(name: str, message: str, provenance: Mapping[str, object]) -> VideoVerdict:
    """The verdict on a video that gave nothing."""
    return VideoVerdict(name, Status.UNREADABLE, Verdict.NONE, None, None, message=message, provenance=dict(provenance))


def _track(record: Mapping[str, Any]) -> TrackVerdict:
    clips = tuple(ClipScore(**{**clip, "crop": Crop(*clip["crop"])}) for clip in record["clips"])
    of_track = {"status": Status(record["status"]), "interval": _pair(record["interval"]), "clips": clips}
    return TrackVerdict(**{**record, **of_track})


def _pair(values: list[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])


def _plain(value: Any) -> Any:
    """As JSON has it; numpy's numbers become Python's."""
    if isinstance(value, (VideoVerdict, TrackVerdict, ClipScore)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value)
    return value.item() if hasattr(value, "item") else value

"""What an operator may choose, and the limits that nobody may exceed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facetell.detector import Settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused.

    Attributes:
        upload_bytes: size of one video.
        duration: seconds of one video.
        pixels: width times height of its pictures.
        uploads: uploads received at the same time.
        queue: jobs that wait.
        free_bytes: disk space that is left alone: no upload is taken where less would remain.
        idle_seconds: in which ``idle_bytes`` must come, or an upload is given up.
        idle_bytes: see there.
        upload_seconds: in all, after which an upload is given up.
        listeners: event streams open at the same time.
    """

    upload_bytes: int = 2048 * MIB
    duration: float = 3600.0
    pixels: int = 8192 * 4320
    uploads: int = 8
    queue: int = 100
    free_bytes: int = 512 * MIB
    idle_seconds: float = 30.0
    idle_bytes: int = 256 * 1024
    upload_seconds: float = 3600.0
    listeners: int = 200


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the server runs.

    Attributes:
        data: folder that holds everything the server keeps.
        limits: see :class:`Limits`.
        workers: processes that score.
        keep_seconds: for which a finished job is kept; None for ever.
        token: that a caller must show; None lets anybody in.
        hosts: names under which the server may be addressed, besides ``localhost`` and all addresses.
        root_path: path under which a reverse proxy publishes the server, such as "/facetell"; "" for the root.
        model: see :func:`facetell.engine.model_path`.
        detector: see :class:`facetell.detector.Settings`.
    """

    data: Path
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    keep_seconds: float | None = 7 * 86400.0
    token: str | None = None
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    model: Path | str | None = None
    detector: Settings = field(default_factory=Settings)

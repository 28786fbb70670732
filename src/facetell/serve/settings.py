"""Settings of the server and the limits that it enforces."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facetell.detector import Settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits beyond which a request is refused."""

    upload_bytes: int = 2048 * MIB  # size of a video file
    duration: float = 3600.0  # of a video, in seconds
    pixels: int = 8192 * 4320  # width times height of a frame
    uploads: int = 8  # received at a time, half of one address; slow ones do not count
    queue: int = 100  # jobs that wait to be scored
    free_bytes: int = 512 * MIB  # disk space that uploads leave free
    upload_rate: float = 64_000.0  # bytes per second at least
    rate_seconds: float = 30.0  # behind that rate, after which an upload ends
    upload_seconds: float = 3600.0  # duration of an upload
    streams: int = 200  # event streams that are open at the same time


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of the server."""

    data: Path  # folder of jobs, videos and reports
    limits: Limits = field(default_factory=Limits)
    workers: int = 1  # processes that score
    keep_seconds: float | None = 7 * 86400.0  # after which a finished job is deleted; None: never
    token: str | None = None  # required of every client; None: no token
    hosts: tuple[str, ...] = ()  # names of the server, besides `localhost` and all IP addresses
    root_path: str = ""  # path under which a reverse proxy publishes the server, such as "/facetell"
    model: Path | str | None = None  # see facetell.engine.model_path
    detector: Settings = field(default_factory=Settings)

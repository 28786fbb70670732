"""Distortions by coders: how a video is encoded, and what a lossy channel does to the coded stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import av
import cv2
import numpy as np

from facetell.distort.times import Timed
from facetell.types import UInt8Array
from facetell.video.frame import to_rgb

if TYPE_CHECKING:
    VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoder of PyAV, its constant quality, and further options by FFmpeg's names."""

    codec: str
    crf: float
    options: dict[str, str] = field(default_factory=dict)


# x264's macroblock tree does not repeat to the last bit; without it the same pictures give the same file.
REPEATABLE = {"x264-params": "mbtree=0"}
# How pictures are recorded once they are distorted: the crf is that of ffmpeg where it is told none, as in the last
# step of the published tool.
PLAIN = Encoding("libx264", 23, REPEATABLE)


def encodings(code: str, p: float) -> list[Encoding]:
    """The encodings that a video goes through, one after another; the last one is that of the file."""
    if code == "VC":
        # As published, with the encoder's own defaults: its files may differ by a grey level here and there.
        return [Encoding("libx264", p)]
    if code == "H265":
        return [Encoding("libx265", p, {"preset": "fast"})]
    if code == "VP9":
        return [Encoding("libvpx-vp9", p, {"b": "0", "deadline": "good", "cpu-used": "5"})]
    if code == "AV1":
        return [Encoding("libsvtav1", p, {"preset": "10"})]
    if code == "DOUBLE":
        # Groups of pictures of different lengths: key frames of the two passes fall apart.
        first, second = {"g": "12", "bf": "0"} | REPEATABLE, {"g": "50"} | REPEATABLE
        return [Encoding("libx264", p, first), Encoding("libx264", p, second)]
    if code == "SOCIAL":
        return [Encoding("libx264", 28, {"preset": "veryfast", "profile": "main", "g": "60"} | REPEATABLE)]
    return [PLAIN]  # LOSS: what has been shown is recorded


# Sent before a loss: groups of two seconds, one slice a picture, no B-pictures, as live senders do.
SENT = Encoding("libx264", 23, {"preset": "veryfast", "g": "50", "bf": "0"} | REPEATABLE)


def shrink_to(image: UInt8Array, long_side: float) -> UInt8Array:
    """A picture brought down by area to a long side in pixels, both sides even; a smaller one is returned as it is."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def with_losses(path: Path, p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """LOSS: the pictures that a player shows of the H.264 file ``path`` when the share ``p`` of its packets is hurt.

    Of a hurt packet either nothing arrives, or a random part of its bytes is missing at the end. The first packet
    arrives. The decoder conceals what it can; where it gives no picture, the one before stays on the screen.
    """
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        times: list[float] = []
        shown: UInt8Array | None = None
        for number, packet in enumerate(container.demux(stream)):
            if packet.dts is None:
                continue
            times.append(float((packet.pts if packet.pts is not None else packet.dts) * packet.time_base))
            hurt = number > 0 and rng.random() < p
            kept = int(packet.size * rng.uniform(0.1, 0.9)) if hurt and rng.random() < 0.5 else 0
            if not hurt or kept:
                image = _decode(stream, _cut_off(packet, kept) if hurt else packet)
                shown = image if image is not None else shown
            if shown is not None:
                yield shown, times[-1]


def _cut_off(packet: VideoPacket, kept: int) -> VideoPacket:
    """A packet of the first ``kept`` bytes of another, shown at the same time."""
    shorter = cast("VideoPacket", av.Packet(bytes(packet)[:kept]))
    shorter.pts, shorter.dts, shorter.time_base = packet.pts, packet.dts, packet.time_base
    return shorter


def _decode(stream: av.VideoStream, packet: VideoPacket) -> UInt8Array | None:
    """The last picture that a packet gives, if any."""
    try:
        pictures = stream.codec_context.decode(packet)
    except av.FFmpegError:
        return None
    if not pictures:
        return None
    return to_rgb(pictures[-1], pictures[-1].width, pictures[-1].height)

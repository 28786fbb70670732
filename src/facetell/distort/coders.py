"""Distortions by encoders: how a video is encoded, and what a lossy channel does to the stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import av
import cv2
import numpy as np

from facetell.distort.frames import Timed
from facetell.types import UInt8Array
from facetell.video.frame import to_rgb

if TYPE_CHECKING:
    VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoder by its name in PyAV, its constant rate factor, and further options by FFmpeg's names."""

    codec: str
    crf: float
    options: dict[str, str] = field(default_factory=dict)


# x264's macroblock tree is not reproducible to the bit; without it the same frames give the same file.
REPEATABLE = {"x264-params": "mbtree=0"}
# Of distorted frames. The crf is FFmpeg's default, as in the last step of the published tool.
PLAIN = Encoding("libx264", 23, REPEATABLE)
# Before a loss: key frames every two seconds, one slice per frame, no B-frames, as live encoders do.
SENT = Encoding("libx264", 23, {"preset": "veryfast", "g": "50", "bf": "0"} | REPEATABLE)


def encodings(code: str, p: float) -> list[Encoding]:
    """The encodings of a kind, one after another; the last one is that of the file."""
    table = {
        # As published, with the encoder's defaults: files may differ by a grey level here and there.
        "VC": [Encoding("libx264", p)],
        "H265": [Encoding("libx265", p, {"preset": "fast"})],
        "VP9": [Encoding("libvpx-vp9", p, {"b": "0", "deadline": "good", "cpu-used": "5"})],
        "AV1": [Encoding("libsvtav1", p, {"preset": "10"})],
        # Different distances of key frames, so that those of the two encodings are different frames.
        "DOUBLE": [Encoding("libx264", p, more | REPEATABLE) for more in ({"g": "12", "bf": "0"}, {"g": "50"})],
        "SOCIAL": [Encoding("libx264", 28, {"preset": "veryfast", "profile": "main", "g": "60"} | REPEATABLE)],
    }
    return table.get(code, [PLAIN])


def shrink_to(image: UInt8Array, long_side: float) -> UInt8Array:
    """An image shrunken by area to a long side in pixels, both sides even; a smaller one is returned as it is."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def with_losses(path: Path, p: float, rng: np.random.Generator) -> Iterator[Timed]:
    """LOSS: what a player shows of the H.264 file ``path`` if the share ``p`` of its packets is damaged.

    A damaged packet is lost, or a random part of its bytes is missing at the end. The first packet is complete. The
    decoder conceals errors; where it gives no frame, the previous one is shown.
    """
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        shown: UInt8Array | None = None
        for number, packet in enumerate(container.demux(stream)):
            if packet.dts is None:
                continue
            time = float((packet.pts if packet.pts is not None else packet.dts) * packet.time_base)
            damaged = number > 0 and rng.random() < p
            kept = int(packet.size * rng.uniform(0.1, 0.9)) if damaged and rng.random() < 0.5 else 0
            if not damaged or kept:
                image = _decode(stream, _truncated(packet, kept) if damaged else packet)
                shown = image if image is not None else shown
            if shown is not None:
                yield shown, time


def _truncated(packet: VideoPacket, kept: int) -> VideoPacket:
    shorter = cast("VideoPacket", av.Packet(bytes(packet)[:kept]))
    shorter.pts, shorter.dts, shorter.time_base = packet.pts, packet.dts, packet.time_base
    return shorter


def _decode(stream: av.VideoStream, packet: VideoPacket) -> UInt8Array | None:
    """The last frame that a packet gives, if any."""
    try:
        frames = stream.codec_context.decode(packet)
    except av.FFmpegError:
        return None
    return to_rgb(frames[-1], frames[-1].width, frames[-1].height) if frames else None

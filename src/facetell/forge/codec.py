"""A clip through a real video coder and back, in memory, through PyAV."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from facetell.types import UInt8Array

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    VideoPacket: TypeAlias = Packet[VideoStream]

DECODERS = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": "libdav1d"}


@dataclass(frozen=True, slots=True)
class Coder:
    """How a clip is coded: PyAV's name of the encoder, its options, frames between key frames, frames a second."""

    name: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "23", "preset": "veryfast"})
    gop: int = 12
    rate: Fraction = Fraction(25)


def recode(frames: UInt8Array, coder: Coder) -> UInt8Array:
    """``frames`` uint8 RGB (T, H, W, 3) coded in 4:2:0 and decoded again; the same shape.

    Raises:
        RuntimeError: the coder lost a frame.
    """
    count, height, width, _ = frames.shape
    packets = encode_packets(frames, coder)
    decoder = cast(VideoCodecContext, av.CodecContext.create(DECODERS[coder.name], "r"))
    decoder.thread_count = 1
    pictures = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    if len(pictures) != count:
        raise RuntimeError(f"{coder.name} gave back {len(pictures)} of {count} frames")
    return np.stack([picture.to_ndarray(format="rgb24")[:height, :width] for picture in pictures])


def encode_packets(frames: UInt8Array, coder: Coder) -> list[VideoPacket]:
    """The coded stream of a clip, packet by packet; odd sizes are padded by a repeated row or column."""
    height, width = frames.shape[1:3]
    encoder = cast(VideoCodecContext, av.CodecContext.create(coder.name, "w"))
    encoder.width, encoder.height = width + width % 2, height + height % 2
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = 1 / coder.rate
    encoder.framerate = coder.rate
    encoder.gop_size = coder.gop
    encoder.thread_count = 1
    encoder.options = quiet(coder)
    packets = []
    for t, frame in enumerate(frames):
        if height % 2 or width % 2:
            frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = t
        packets += encoder.encode(picture)
    return packets + list(encoder.encode(None))


def quiet(coder: Coder) -> dict[str, str]:
    """The coder's options with its chatter turned off and one thread asked for."""
    extra = {
        "libx265": {"x265-params": "log-level=none:pools=1:frame-threads=1"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
        "libsvtav1": {"svtav1-params": "lp=1"},
    }
    return {**extra.get(coder.name, {}), **coder.options}

"""Recognise damage that decoders conceal: by where the decoding of a packet ends, and by the block edges of frames."""

from __future__ import annotations

import math

import av
import numpy as np

from facetell.types import UInt8Array
from facetell.video.frame import stored_luma

_BLOCK = 16  # pixels of a macroblock of VP8, and a divisor of the block sizes of VP9
_ELSEWHERE = (2, 5, 7, 10, 13)  # pixels from the edge of a block to other lines; none is an edge of a 4x4 block
_SEGMENT = 8  # pixels of a line whose mean counts as one
_MOST_BANDS = 40  # of segments: of larger frames, every n-th is searched
_JUMP = 12.0  # grey levels by which an edge exceeds the change beside it
_MOST_JUMP = 40  # a single pixel counts as this at most
# A hidden inter frame of VP8 that refreshes all references and keeps all probabilities. The zeros that follow decode as
# macroblocks of one colour, whatever the probabilities are.
_RESET = bytes.fromhex("0108000000003100")
_LAST = 8  # bytes at the end of a packet: encoders end the data with up to 4 that decide nothing


class DecodingEnd:
    """Finds damaged packets of VP8: behind a wrong byte, arithmetic-coded data decode as others, of another length.

    libvpx does not report where decoding ends: too late if bytes behind a packet change its frame, too early if its
    last bytes do not. As parsing depends on no other frame, each is decoded repeatedly, from references of one colour.
    """

    def __init__(self) -> None:
        self._decoder = av.CodecContext.create("libvpx", "r")
        self._decoder.thread_count = 1  # with more, libvpx decodes nothing behind some errors
        self._reset = av.Packet(_RESET)
        self.early = 0.0  # packets whose decoding ended too early; -inf once that of another did not

    def is_right(self, data: bytes) -> bool:
        """Whether the decoding of a packet ends where its data end; False before the first key frame."""
        header = 3 if data[0] & 1 else 10  # bytes
        if header == 10:  # a key frame: without cropping, so that each change of a macroblock is seen
            sides = [-(-(int.from_bytes(data[at : at + 2], "little") & 0x3FFF) // 16) for at in (6, 8)]  # macroblocks
            self._reset = av.Packet(_RESET + bytes(200 + 36 * math.prod(sides)))
            data = data[:6] + b"".join(min(16 * side, 0x3FFF).to_bytes(2, "little") for side in sides) + data[10:]
        frame, used = self._frame(data), data.rstrip(b"\0")  # zeros may pad the end
        if frame is None or frame != self._frame(data[: len(used) + _LAST] + b"\xff" * 64):
            self.early = -math.inf
            return False
        tokens = len(used) - header - (int.from_bytes(data[:3], "little") >> 5)  # bytes behind the first partition
        if tokens < _LAST + 4:
            return tokens > -24  # no encoder ends the first partition in as many zeros
        is_right = any(self._frame(used[:-_LAST] + fill * 64) != frame for fill in (b"\0", b"\xff"))
        self.early = -math.inf if is_right else self.early + 1
        return is_right

    def _frame(self, data: bytes) -> bytes | None:
        """Return the pixels of a packet's frame, also of one that is hidden (bit 4); None if there is an error."""
        try:
            if data[0] & 1:
                self._decoder.decode(self._reset)
            return self._decoder.decode(av.Packet(bytes([data[0] | 1 << 4]) + data[1:]))[0].to_ndarray().tobytes()
        except (av.FFmpegError, IndexError, ValueError):
            return None


def block_edges(frame: av.VideoFrame) -> float:
    """Return the share of block edges at which luma jumps, less that of lines elsewhere, -1 to 1; 0 unless 8 bits.

    Wrong blocks end in jumps at multiples of 16 pixels, where the frame has no more edges than elsewhere. A line that
    jumps over more than half of its length does not count: it is part of the scene, such as the edge of an inset.
    """
    if (luma := stored_luma(frame)) is None:
        return 0.0
    at_blocks, *elsewhere = (_share(luma, shift) for shift in (0, *_ELSEWHERE))
    return at_blocks - max(elsewhere)


def _share(luma: UInt8Array, shift: int) -> float:
    found = total = 0.0
    for image in (luma, luma.T):
        bands = image.shape[0] // _SEGMENT
        columns = np.arange(_BLOCK + shift, image.shape[1] - 1, _BLOCK)
        chosen = image[: bands * _SEGMENT].reshape(bands, _SEGMENT, image.shape[1])[:: -(-bands // _MOST_BANDS) or 1]
        before, left, right, after = (chosen[:, :, columns + place].astype(np.int16) for place in (-2, -1, 0, 1))
        beside = np.maximum(np.abs(left - before), np.abs(after - right))
        excess = np.clip(np.abs(right - left) - beside, -_MOST_JUMP, _MOST_JUMP)
        jumps = excess.mean(axis=1) > _JUMP
        counts = jumps.sum(axis=0)
        found += float(counts[counts <= len(jumps) / 2].sum())
        total += jumps.size
    return found / max(total, 1.0)

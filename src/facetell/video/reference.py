"""Find packets of which no other packet is predicted, from the headers of H.264 and HEVC."""

from __future__ import annotations

from collections.abc import Callable, Iterator

ReferenceTest = Callable[[bytes], bool]
"""Whether other frames may be predicted from that of a packet."""


def reference_test(codec: str, extradata: bytes | None) -> ReferenceTest | None:
    """Return the test for packets of a stream by FFmpeg's name of its codec; None where there is none.

    ``extradata`` states whether NAL units follow their length (MP4, Matroska) or a start code (MPEG-TS).
    """
    header = extradata or b""
    has_lengths = header[:1] == b"\1"
    if codec == "h264" and (not has_lengths or len(header) > 4):
        size = (header[4] & 3) + 1 if has_lengths else 0
        return lambda packet: _is_reference(packet, size, _avc_reference)
    # Of several temporal sub-layers, a higher one may be predicted from a frame without reference in its own.
    if codec == "hevc" and has_lengths and len(header) > 21 and header[21] >> 3 & 7 == 1:
        size = (header[21] & 3) + 1
        return lambda packet: _is_reference(packet, size, _hevc_reference)
    return None


def _is_reference(packet: bytes, size: int, is_reference: Callable[[bytes], bool | None]) -> bool:
    """Whether the first slice of a packet is that of a reference frame; True if there is none."""
    for start in _units(packet, size):
        if (found := is_reference(packet[start : start + 2])) is not None:
            return found
    return True


def _units(packet: bytes, size: int) -> Iterator[int]:
    """Yield the starts of the NAL units of a packet, which follow lengths of ``size`` bytes, or start codes for 0."""
    at = 0
    while size and at + size < len(packet):
        yield at + size
        at += size + int.from_bytes(packet[at : at + size])
    while not size and 2 < (at := packet.find(b"\0\0\1", at) + 3) < len(packet):
        yield at


def _avc_reference(header: bytes) -> bool | None:
    """By nal_ref_idc (ITU-T H.264, 7.3.1); None for a unit that is no slice."""
    return bool(header[0] & 0x60) if 1 <= header[0] & 31 <= 5 else None


def _hevc_reference(header: bytes) -> bool | None:
    """By nal_unit_type (ITU-T H.265, table 7-1): even below 16 are those without reference in their sub-layer."""
    kind = header[0] >> 1 & 63
    return kind >= 16 or kind % 2 == 1 if kind < 32 else None

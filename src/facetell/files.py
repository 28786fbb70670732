"""Names of output files that every common file system takes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

NAME_BYTES = 255  # the longest file name of ext4, XFS, Btrfs, NTFS and APFS
_HASH = 10  # hexadecimal digits


def short_name(name: str, room: int = 0) -> str:
    """``name``, or a shorter unique one where it and ``room`` more bytes are longer than a file name can be.

    A shortened name ends in a hash of the whole name. It is cut between characters, never within one.

    Args:
        name: without folders; may hold bytes that are not UTF-8, as :func:`os.fsdecode` gives them.
        room: bytes to leave for what the caller puts before and after it.

    >>> short_name("talk.mp4"), len(short_name("\N{CJK UNIFIED IDEOGRAPH-8BDD}" * 85, len(".json")).encode())
    ('talk.mp4', 248)
    """
    most = NAME_BYTES - room
    encoded = os.fsencode(name)
    if len(encoded) <= most:
        return name
    digest, name = hashlib.sha256(encoded).hexdigest()[:_HASH], name[:most]
    while name and len(os.fsencode(name)) > most - len(digest) - 1:
        name = name[:-1]
    return f"{name}-{digest}"


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of ``path``, for a file that replaces it when it is complete; one per process."""
    ending = f".{os.getpid()}.tmp"
    return path.with_name(f".{short_name(path.name, 1 + len(ending))}{ending}")

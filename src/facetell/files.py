"""Output files: names that every common file system takes, checks before a run, atomic writing, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from facetell.types import FacetellError

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


def file_sha256(path: Path) -> str:
    """sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary neighbour, so that it is never seen half-written; a link stays a link.

    Raises:
        FacetellError: the folder or file cannot be written.
    """
    target = _target(path)
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _fault(path, error) from None


def check_writable(path: Path, keep: Iterable[Path] = ()) -> None:
    """Make sure, before hours of work, that ``path`` can be written; its folder is made where it is missing.

    Raises:
        FacetellError: it cannot, or is one of the files to ``keep``, such as a video that is to be scored.
    """
    check_all_writable([path], keep)


def check_all_writable(paths: Iterable[Path], keep: Iterable[Path] = ()) -> None:
    """As :func:`check_writable`, of many files, of which no two may be the same.

    Raises:
        FacetellError: one cannot be written, is named twice, or is one to ``keep`` or in a folder to ``keep``.
    """
    taken = {os.path.realpath(other) for other in keep}
    probed: set[Path] = set()
    for path in paths:
        target = _target(path)
        if str(target) in taken:
            raise FacetellError(f"cannot write {path}: it is named for something else as well; choose another place")
        # A folder of pictures is a video, and is none with a file more.
        if str(target.parent) in taken and target.parent.is_dir():
            raise FacetellError(f"cannot write {path}: its folder is one of the videos; choose another place")
        taken.add(str(target))
        if target.parent not in probed:
            _probe(path, target)
            probed.add(target.parent)
        try:
            target.lstat()
        except FileNotFoundError:
            pass
        except OSError as error:  # such as a name that is too long
            raise _fault(path, error) from None


def _probe(path: Path, target: Path) -> None:
    probe = target.with_name(f".{os.getpid()}.probe")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _fault(path, error) from None


def _target(path: Path) -> Path:
    """The file that is written for ``path``: where it is a link, what it leads to."""
    # All of os.path, which unlike Path takes links that lead in a circle and folders that may not be looked into.
    if os.path.isdir(path):  # noqa: PTH112
        raise FacetellError(f"cannot write {path}: it is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise FacetellError(f"cannot write {path}: it is a device or a pipe; name a file")
    return Path(os.path.realpath(path))


def _fault(path: Path, error: OSError) -> FacetellError:
    # In the terms of making a folder, a file in its place "exists".
    reason = "its folder is a file" if isinstance(error, FileExistsError) else error.strerror
    return FacetellError(f"cannot write {path}: {reason}; choose another place")

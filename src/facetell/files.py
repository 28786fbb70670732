"""Output files: valid names, checks before a run, atomic writing, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from facetell.types import FacetellError

NAME_BYTES = 255  # the longest file name of ext4, XFS, Btrfs, NTFS and APFS


def short_name(name: str, reserve: int = 0) -> str:
    """``name``, or a shorter unique name where ``name`` plus ``reserve`` bytes exceed the limit of file systems.

    A shortened name ends in a hash of the full name. ``name`` has no folders, and may contain bytes that are not UTF-8,
    as :func:`os.fsdecode` returns them; ``reserve`` is for a prefix and a suffix.

    >>> short_name("talk.mp4"), len(short_name("\N{CJK UNIFIED IDEOGRAPH-8BDD}" * 85, len(".json")).encode())
    ('talk.mp4', 248)
    """
    most = NAME_BYTES - reserve
    encoded = os.fsencode(name)
    if len(encoded) <= most:
        return name
    digest, name = hashlib.sha256(encoded).hexdigest()[:10], name[:most]
    while name and len(os.fsencode(name)) > most - len(digest) - 1:  # cut between characters
        name = name[:-1]
    return f"{name}-{digest}"


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of ``path``, unique per process, for a file that replaces it when complete."""
    ending = f".{os.getpid()}.tmp"
    return path.with_name(f".{short_name(path.name, 1 + len(ending))}{ending}")


def file_sha256(path: Path) -> str:
    """sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically and create its folder; the target of a symbolic link is replaced, not the link."""
    target = _target(path)
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _fault(path, error) from None


def check_all_writable(paths: Iterable[Path], keep: Iterable[Path] = ()) -> None:
    """Check before a long run that files can be written; missing folders are created.

    FacetellError: a file cannot be written, is named twice, or is one of the files or in a folder of ``keep``.
    """
    taken = {os.path.realpath(other) for other in keep}
    probed: set[Path] = set()
    for path in paths:
        target = _target(path)
        if str(target) in taken:
            raise FacetellError(f"cannot write {path}: it is named for something else as well; choose another place")
        # A folder of images is a video; another file in it would change that video.
        if str(target.parent) in taken and target.parent.is_dir():
            raise FacetellError(f"cannot write {path}: its folder is one of the videos; choose another place")
        taken.add(str(target))
        try:
            if target.parent not in probed:
                target.parent.mkdir(parents=True, exist_ok=True)
                probe = target.with_name(f".{os.getpid()}.probe")
                probe.touch()
                probe.unlink()
                probed.add(target.parent)
            with contextlib.suppress(FileNotFoundError):
                target.lstat()  # fails where the name is too long, for example
        except OSError as error:
            raise _fault(path, error) from None


def _target(path: Path) -> Path:
    """The file that is written for ``path``, with symbolic links resolved."""
    # os.path, because Path raises on circular links and on folders without permission.
    if os.path.isdir(path):  # noqa: PTH112
        raise FacetellError(f"cannot write {path}: it is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise FacetellError(f"cannot write {path}: it is a device or a pipe; name a file")
    return Path(os.path.realpath(path))


def _fault(path: Path, error: OSError) -> FacetellError:
    # mkdir reports "File exists" where a file is in the place of a folder.
    reason = "its folder is a file" if isinstance(error, FileExistsError) else error.strerror
    return FacetellError(f"cannot write {path}: {reason}; choose another place")


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The videos of a scan, from a folder or a list, in a fixed order."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from facetell.batch.journal import Index
from facetell.types import FacetellError
from facetell.video.container import address_in, missing_file
from facetell.video.find import LeftOut, search
from facetell.video.kinds import BYTE_ORDER_MARKS, Kind, kind_of

STDIN = "-"
_CLOSED = "the folder and its content cannot be read"
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")  # not in text, unlike tabs and ends of lines


class Item(NamedTuple):
    """One video of a corpus, as it was listed."""

    name: str  # relative to the folder, or as in the list; bytes that are not UTF-8 as of os.fsdecode
    path: str  # absolute
    size: int = -1  # bytes; -1 of a folder of images, and if there is nothing
    stamp: str = ""  # changes when the file does, see :func:`look`; "" if there is nothing
    fault: str = ""  # why it cannot be read; "" if it can

    @property
    def suffix(self) -> str:
        """Of the name, in lower case: FFmpeg may choose the reader of a stream without a container by it."""
        return Path(self.name).suffix.lower()

    @property
    def is_search(self) -> bool:
        """Whether it is not a video but a folder that could not be searched."""
        return self.fault == _CLOSED


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` (from 1) of ``count``; a hash of its name decides which part a video is in."""

    index: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def __contains__(self, name: object) -> bool:
        if self.count == 1:
            return True
        digest = hashlib.sha256(os.fsencode(str(name))).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index - 1


def read_shard(text: str) -> Shard:
    """Parse I/N. FacetellError: it is not one."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise FacetellError(f"'{text}' names no part: write 1/4 for the first of four, 4/4 for the last")
    return Shard(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Source:
    """Where the videos of a scan come from: ``word`` as the user wrote it, a folder or a list."""

    word: str
    is_folder: bool

    def items(self, shard: Shard, left_out: LeftOut) -> Iterator[Item]:
        """The videos of one part: those of a folder sorted, those of a list in its order.

        ``left_out`` counts other files of a folder. FacetellError: the folder or list cannot be read, or is empty.
        """
        if self.is_folder:
            yield from _search(Path(self.word), shard, left_out)
        else:
            known = Index()
            yield from (_look(name, name) for name in _read_list(self.word) if name in shard and known.add(name))


def open_source(word: str) -> Source:
    """Open a folder, a list of paths, or ``-`` (standard input). FacetellError: it does not exist or is neither."""
    if word == STDIN:
        return Source(word, is_folder=False)
    path = Path(word).expanduser()
    # Unlike those of Path, these do not raise for names that are too long or in a folder without permission.
    if os.path.isdir(path):  # noqa: PTH112
        return Source(str(path), is_folder=True)
    if address_in(word):
        raise FacetellError(missing_file(word))
    if not os.path.exists(path):  # noqa: PTH110
        raise FacetellError(f"there is no {word}; name a folder of videos or a list of paths")
    if kind_of(path) is Kind.VIDEO:
        raise FacetellError(f"{word} is one video; score it with `facetell detect`, or name a folder or a list")
    if path.suffix.lower() == ".csv":
        raise FacetellError(f"{word} is a table; score a manifest with `facetell score`, or name a list of paths")
    return Source(str(path), is_folder=False)


def _search(root: Path, shard: Shard, left_out: LeftOut) -> Iterator[Item]:
    for found in search(root, left_out, shard.__contains__):
        if not found.is_closed:
            yield _look(found.name, root / found.name)
        elif found.name:
            yield Item(found.name, str(root / found.name), fault=_CLOSED)
        else:
            raise FacetellError(f"the folder {root} cannot be read; check its name and permissions")


def _read_list(word: str) -> Iterator[str]:
    """The paths of a list: one per line, or, if it holds NUL bytes (``find -print0``), one before each of them."""
    try:
        content = sys.stdin.buffer.read() if word == STDIN else Path(word).read_bytes()
    except OSError as error:
        raise FacetellError(f"the list {word} cannot be read ({error.strerror}); name another") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    line = re.compile(rb"[^\0]+" if b"\0" in content else rb"[^\r\n]+")
    where = "on standard input" if word == STDIN else f"in {word}"
    count = strange = 0
    for found in line.finditer(content):
        count += bool(found[0].strip())
        # A name may hold any byte: names that exist are accepted, and a few that do not are reported later.
        strange += _CONTROL.search(found[0]) is not None and not os.path.lexists(found[0])
    if not count:
        raise FacetellError(f"the list {where} names no video; add one per line")
    if content.startswith(BYTE_ORDER_MARKS) or strange > count / 10:
        raise FacetellError(f"the text {where} is not a list of paths; write one per line, as plain text")
    return (os.fsdecode(found[0]) for found in line.finditer(content) if found[0].strip())


def _look(name: str, path: Path | str) -> Item:
    """The item of a path, which is not opened."""
    where = os.path.abspath(path)  # noqa: PTH100  # Path.absolute keeps "..", which a vanished folder breaks
    try:
        size, stamp = look(where)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        fault = missing_file(name) if address_in(name) else f"{name} cannot be found ({reason}): check the name"
        return Item(name, where, fault=fault)
    return Item(name, where, size, stamp)


def look(path: str) -> tuple[int, str]:
    """Size and stamp of a file: size, time of modification, inode; of a folder, -1 and their hash. OSError: none."""
    found = os.stat(path)  # noqa: PTH116
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size, f"{found.st_size}.{found.st_mtime_ns}.{found.st_ino}"
    stamps = []
    with os.scandir(path) as entries:
        for entry in entries:
            of_entry = entry.stat() if entry.is_file() else None
            stamps.append((entry.name, of_entry and (of_entry.st_size, of_entry.st_mtime_ns, of_entry.st_ino)))
    return -1, hashlib.sha256(repr(sorted(stamps)).encode(errors="surrogateescape")).hexdigest()

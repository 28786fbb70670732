"""What a scan is to look at: the videos of a folder, of a manifest or of a list, one by one in a fixed order."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facetell.datasets.manifest import Manifest, read_manifest
from facetell.evaluate.scoring_jobs import Job, jobs_of
from facetell.types import FacetellError
from facetell.video.container import address_in, missing_file
from facetell.video.find import LeftOut, search
from facetell.video.kinds import Kind, kind_of

STDIN = "-"
_CLOSED = "the folder cannot be read, nor what is in it"
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")  # what no text holds; tabs and ends of lines it may
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Item:
    """One video of a corpus, as it was found.

    Attributes:
        name: what results call it: relative to the folder, as the manifest or the list has it. Bytes that are no UTF-8
            are lone surrogates, as :func:`os.fsdecode` makes them.
        path: where it lies, absolute.
        size: bytes; -1 of what is no file.
        stamp: changes when the file does (size, time of change, number in its file system); "" of what is no file.
        fault: why it cannot be looked at; "" where it can.
    """

    name: str
    path: str
    size: int = -1
    stamp: str = ""
    fault: str = ""

    @property
    def suffix(self) -> str:
        """Of the name, in small letters: it may decide how a stream without a container is read."""
        return Path(self.name).suffix.lower()

    @property
    def is_search(self) -> bool:
        """Whether it is no video but a folder that could not be searched."""
        return self.fault == _CLOSED

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps([self.name, self.path, self.size, self.stamp, self.fault])

    @classmethod
    def from_json(cls, text: str) -> Item:
        """Undo :meth:`to_json`."""
        return cls(*json.loads(text))


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` (from 1) of ``count``: each video falls into one part, by a hash of its name alone."""

    index: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def __contains__(self, name: object) -> bool:
        digest = hashlib.sha256(os.fsencode(str(name))).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index - 1


def read_shard(text: str) -> Shard:
    """A part from its words.

    Raises:
        FacetellError: they name none.

    >>> read_shard("2/8")
    Shard(index=2, count=8)
    """
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise FacetellError(f"'{text}' names no part: write 1/4 for the first of four, 4/4 for the last")
    return Shard(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Source:
    """Where the videos of a scan come from; ``manifest`` is there where it is one."""

    word: str
    kind: str
    manifest: Manifest | None = None

    def items(self, shard: Shard, left_out: LeftOut | None = None) -> Iterator[Item]:
        """The videos of one part, in their order: a folder's sorted, those of a manifest or list as they stand there.

        Args:
            shard: the part.
            left_out: counts the files of a folder that are not videos.

        Raises:
            FacetellError: the folder or list cannot be read, or names no video.
        """
        found: Iterator[Item]
        if self.manifest is not None:
            root = self.manifest.root
            found = (_look(job.video, root / job.video) for job in jobs_of(self.manifest) if job.video in shard)
        elif self.kind == "folder":
            found = _search(Path(self.word), shard, LeftOut() if left_out is None else left_out)
        else:
            names = dict.fromkeys(name for name in _read_list(self.word) if name in shard)
            found = (_look(name, Path(name)) for name in names)
        yield from found

    def jobs(self) -> dict[str, Job]:
        """By video, the rows of the manifest that speak of it; nothing where there is no manifest."""
        return {job.video: job for job in jobs_of(self.manifest)} if self.manifest is not None else {}


def open_source(word: str) -> Source:
    """The source that a word names: a folder, a manifest (``.csv``), a list of paths, or ``-`` for one on stdin.

    Raises:
        FacetellError: there is none, or it is of no use.
    """
    if word == STDIN:
        return Source(word, "list")
    path = Path(word).expanduser()
    # Unlike those of Path, these take names that are too long, or in a folder that may not be looked into.
    if os.path.isdir(path):  # noqa: PTH112
        return Source(str(path), "folder")
    if address_in(word):
        raise FacetellError(missing_file(word))
    if not os.path.exists(path):  # noqa: PTH110
        raise FacetellError(f"there is no {word}; name a folder of videos, a manifest (.csv) or a list of paths")
    if kind_of(path) is Kind.VIDEO:
        raise FacetellError(f"{word} is one video; score it with `facetell detect`, or name a folder or a list")
    if path.suffix.lower() != ".csv":
        return Source(str(path), "list")
    manifest = read_manifest(path)
    if any(entry.is_clip for entry in manifest):
        raise FacetellError(f"{word} names prepared clips; score them with `facetell score`, or name their videos")
    jobs_of(manifest)  # refuses a video that is named twice
    return Source(str(path), "manifest", manifest)


def _search(root: Path, shard: Shard, left_out: LeftOut) -> Iterator[Item]:
    """The videos below a folder."""
    for found in search(root, left_out, shard.__contains__):
        if not found.is_closed:
            yield _look(found.name, root / found.name)
        elif found.name:
            yield Item(found.name, str(root / found.name), fault=_CLOSED)
        else:
            raise FacetellError(f"the folder {root} cannot be read; check its name and permissions")


def _read_list(word: str) -> list[str]:
    """The paths of a list: one a line, or, where it holds NUL bytes (``find -print0``), one up to each of them."""
    try:
        content = sys.stdin.buffer.read() if word == STDIN else Path(word).read_bytes()
    except OSError as error:
        raise FacetellError(f"the list {word} cannot be read ({error.strerror}); name another") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    lines = [line for line in lines if line.strip()]
    where = "on standard input" if word == STDIN else f"in {word}"
    if not lines:
        raise FacetellError(f"the list {where} names no video; add one a line")
    # The name of a file may hold anything: what is there is meant, and a few that are gone are told of like others.
    strange = sum(_CONTROL.search(line) is not None and not os.path.lexists(line) for line in lines)
    if content.startswith(_UTF16) or strange > len(lines) / 10:
        raise FacetellError(f"what stands {where} is no list of paths; write one a line, as plain text")
    return [os.fsdecode(line) for line in lines]


def _look(name: str, path: Path) -> Item:
    """What is there under a path, without opening it."""
    where = os.path.abspath(path)  # noqa: PTH100  # Path.absolute keeps "..", which a vanished folder breaks
    try:
        size, stamp = look(where)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        fault = missing_file(name) if address_in(name) else f"{name} cannot be found ({reason}): check the name"
        return Item(name, where, fault=fault)
    return Item(name, where, size, stamp)


def look(path: str) -> tuple[int, str]:
    """Size and stamp of a file; -1 and "" of a folder.

    Raises:
        OSError: there is nothing that can be looked at.
    """
    found = os.stat(path)  # noqa: PTH116
    if stat.S_ISDIR(found.st_mode):
        return -1, ""
    return found.st_size, f"{found.st_size}.{found.st_mtime_ns}.{found.st_ino}"

"""The journal of a scan: a line for each thing found out, appended as it is found out and read back after any end.

Two kinds of lines, both JSON. ``file``: the content that a file had when it bore a stamp. ``verdict``: what was said of
a content. So a file that is renamed, copied or scanned from elsewhere is not scored again. Verdicts stay on disk; in
memory are only their places, so that a corpus may be larger than memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facetell.scan.source import Item
from facetell.types import FacetellError, Status

Key = tuple[str, str]
"""A content (SHA-256) and the suffix under which it was read."""
Line = dict[str, Any]


class Journal:
    """The journal in a file, which is made where it is missing; a last line that was cut short is taken out.

    Args:
        path: the file; one process at a time.
        retry: pass over verdicts that say that a video could not be read.

    Raises:
        FacetellError: a line is damaged, or the file cannot be written.
    """

    def __init__(self, path: Path, *, retry: bool = False) -> None:
        self._path, self._retry = path, retry
        self._files: dict[str, tuple[str, str]] = {}
        self._places: dict[Key, int] = {}
        self._sizes: set[int] = set()
        self._end = 0
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._unwritable(error) from None
        for place, line in read_lines(path):
            self._learn(line, place, retry)
            self._end = place + len(line)
        os.ftruncate(self._handle, self._end)
        self._reader = path.open("rb")

    def close(self) -> None:
        """Let the file go."""
        self._reader.close()
        os.close(self._handle)

    def content(self, item: Item) -> str | None:
        """The content of a file that has not changed since it was read; None where it is not known."""
        stamp, content = self._files.get(item.name, ("", ""))
        return content if content and stamp == item.stamp else None

    def may_be_known(self, item: Item) -> bool:
        """Whether a verdict on a content of this size is there."""
        return item.size in self._sizes

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def verdict(self, key: Key) -> Line | None:
        """The record of a verdict; None where there is none."""
        place = self._places.get(key)
        if place is None:
            return None
        self._reader.seek(place)
        record: Line = json.loads(self._reader.readline())["verdict"]
        return record

    def add_content(self, item: Item, content: str) -> None:
        """Put down what a file holds; it may be lost in a crash of the machine, and is then found out again.

        What has no stamp to tell a change by, a folder of pictures, is looked into by each run.
        """
        if not item.stamp:
            self._files[item.name] = ("", content)
            return
        self._append({"file": item.name, "stamp": item.stamp, "content": content})

    def add_verdict(self, item: Item, content: str, record: Line) -> None:
        """Put down what was said of a content, and that the item holds it; both are on disk when this returns."""
        if self.content(item) != content:
            self.add_content(item, content)
        self._append({"content": content, "suffix": item.suffix, "size": item.size, "verdict": record})
        self.flush()

    def take_over(self, path: Path) -> int:
        """Append what another journal knows in the end and this one does not; the number of verdicts that were new.

        A video that could not be read here and could be there is known there.

        Raises:
            FacetellError: it is missing or damaged.
        """
        if not path.is_file():
            raise FacetellError(f"there is no scan at {path.parents[1]}; name the folder that a scan wrote to")
        latest = {_subject(_parsed(path, place, line)): place for place, line in read_lines(path)}
        count = 0
        for place, line in read_lines(path):
            content = _parsed(path, place, line)
            if latest[_subject(content)] == place and self._is_news(content):
                self._append(content)
                count += "verdict" in content
        self.flush()
        return count

    def _is_news(self, content: Line) -> bool:
        """Whether another journal's line tells something."""
        if "file" in content:
            return content["file"] not in self._files
        known = self.verdict(_key(content))
        if _is_unreadable(content):
            return known is None and not self._retry
        return known is None or known["status"] == Status.UNREADABLE

    def flush(self) -> None:
        """See to it that all is on disk."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise self._unwritable(error) from None

    def _append(self, content: Line) -> None:
        line = (json.dumps(content) + "\n").encode()
        try:
            written = 0
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError as error:
            os.ftruncate(self._handle, self._end)  # no half a line: another may be appended behind it
            raise self._unwritable(error) from None
        self._learn(line, self._end)
        self._end += len(line)

    def _learn(self, line: bytes, place: int, retry: bool = False) -> None:
        content = _parsed(self._path, place, line)
        if "file" in content:
            self._files[content["file"]] = (content["stamp"], content["content"])
            return
        self._sizes.add(content["size"])
        if retry and _is_unreadable(content):
            self._places.pop(_key(content), None)
        else:
            self._places[_key(content)] = place

    def _unwritable(self, error: OSError) -> FacetellError:
        return FacetellError(
            f"{self._path} cannot be written ({error.strerror or error}); make room there, and run the same command "
            "again to go on"
        )


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a journal with their places; a last one that was cut short is left out."""
    place = 0
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield place, line
            place += len(line)


def _parsed(path: Path, place: int, line: bytes) -> Line:
    """A line of a journal, which has all that belongs in it."""
    try:
        content: Line = json.loads(line)
        needed = ("stamp", "content") if "file" in content else ("content", "suffix", "size", "verdict")
        _ = [content[name] for name in needed]
    except (ValueError, KeyError, TypeError):
        raise FacetellError(f"{path} is damaged at byte {place}; delete that line to have it done again") from None
    return content


def _key(content: Line) -> Key:
    return content["content"], content["suffix"]


def _subject(content: Line) -> str | Key:
    """What a line is about: the last one about it holds."""
    return str(content["file"]) if "file" in content else _key(content)


def _is_unreadable(content: Line) -> bool:
    return bool(content["verdict"]["status"] == Status.UNREADABLE)

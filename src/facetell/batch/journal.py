"""The journal of a run: one JSON line per result, appended as soon as it is known and read back after any end."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from facetell.types import FacetellError

Line = dict[str, Any]
KeyOf = Callable[[Line], Hashable]


class Journal:
    """A file of JSON lines, used by one process at a time; of the lines with one key, the last one counts.

    Memory holds an index of the lines, neither them nor their keys: a corpus may be larger than memory. A last line
    that was cut short is removed. ``key_of`` raises KeyError if a line lacks a field. A line of which ``is_weak`` is
    true never replaces one of which it is not; with ``retry``, those already in the file count as missing.
    FacetellError: a line is damaged. OSError: the file cannot be written.
    """

    def __init__(
        self, path: Path, key_of: KeyOf, is_weak: Callable[[Line], bool] = lambda line: False, *, retry: bool = False
    ) -> None:
        self._key_of, self._is_weak = key_of, is_weak
        self._offsets = Index()
        self._end = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._reader = path.open("rb")
        for offset, key, line, length in _read(path, key_of):
            if not (retry and is_weak(line)) and self._counts(key, line):
                self._offsets[key] = offset
            self._end = offset + length
        os.ftruncate(self._file, self._end)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        os.close(self._file)

    def __contains__(self, key: Hashable) -> bool:
        return self._offsets.get(key) is not None

    def __len__(self) -> int:
        return len(self._offsets)

    def get(self, key: Hashable) -> Line | None:
        """The line with a key; None if there is none."""
        return json.loads(self._text(key) or "null")  # type: ignore[no-any-return]

    def add(self, *lines: Line, sync: bool = True) -> None:
        """Append lines that are not stored, on disk at once with ``sync``. OSError: none of them could be written."""
        keyed = [(self._key_of(line), line) for line in lines]
        new = [(key, (json.dumps(line) + "\n").encode()) for key, line in keyed if self._counts(key, line)]
        new = [(key, text) for key, text in new if self._text(key) != text]
        waiting = memoryview(b"".join(text for _, text in new))
        try:
            while waiting:
                waiting = waiting[os.write(self._file, waiting) :]
            if sync:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)  # or another line would be appended to half a line
            raise
        for key, text in new:
            self._offsets[key] = self._end
            self._end += len(text)

    def _counts(self, key: Hashable, line: Line) -> bool:
        """Whether a line replaces the one with its key, if there is one."""
        known = self.get(key) if self._is_weak(line) else None
        return known is None or self._is_weak(known)

    def _text(self, key: Hashable) -> bytes | None:
        offset = self._offsets.get(key)
        if offset is None:
            return None
        self._reader.seek(offset)
        return self._reader.readline()


def _read(path: Path, key_of: KeyOf) -> Iterator[tuple[int, Hashable, Line, int]]:
    """Offset, key, content and length in bytes of each complete line."""
    offset = 0
    with path.open("rb") as stream:
        for text in stream:
            if not text.endswith(b"\n"):
                return
            try:
                line = json.loads(text)
                key = key_of(line)
            except (ValueError, KeyError, TypeError):
                raise FacetellError(
                    f"{path} is damaged at byte {offset}; delete that line, and run the same command again"
                ) from None
            yield offset, key, line, len(text)
            offset += len(text)


class Index:
    """A table from keys to numbers in about 40 bytes each, by a 128-bit hash: no two keys have had the same one."""

    def __init__(self) -> None:
        self._table = sqlite3.connect(":memory:", isolation_level=None)
        self._table.execute("CREATE TABLE places (key BLOB PRIMARY KEY, place INTEGER) STRICT, WITHOUT ROWID")
        self._table.execute("BEGIN")  # which never ends: the table is in memory only

    def __setitem__(self, key: Hashable, place: int) -> None:
        self._table.execute("INSERT OR REPLACE INTO places VALUES (?, ?)", (_hash(key), place))

    def __len__(self) -> int:
        return int(self._table.execute("SELECT count(*) FROM places").fetchone()[0])

    def get(self, key: Hashable) -> int | None:
        """The number of a key; None if there is none."""
        found = self._table.execute("SELECT place FROM places WHERE key = ?", (_hash(key),)).fetchone()
        return found and int(found[0])

    def add(self, key: Hashable) -> bool:
        """Add a key, without a number; returns whether it is new."""
        return self._table.execute("INSERT OR IGNORE INTO places VALUES (?, 0)", (_hash(key),)).rowcount > 0


def _hash(key: Hashable) -> bytes:
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()

"""An index of a file: the places of its lines by key, in about 40 bytes of memory for each."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Hashable, Iterator


class Index:
    """A table from keys to numbers. It holds a 128-bit hash of each key, not the key; no two keys have had the same.

    A key that is a tuple of strings ends in an integer, by which keys can be grouped.
    """

    def __init__(self) -> None:
        self._table = sqlite3.connect(":memory:", isolation_level=None)
        self._table.execute(
            "CREATE TABLE places (key BLOB PRIMARY KEY, place INTEGER, last INTEGER) STRICT, WITHOUT ROWID"
        )
        self._table.execute("BEGIN")  # which never ends: the table is in memory only

    def __setitem__(self, key: Hashable, place: int) -> None:
        last = key[-1] if isinstance(key, tuple) else None
        self._table.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (_hash(key), place, last))

    def __delitem__(self, key: Hashable) -> None:
        self._table.execute("DELETE FROM places WHERE key = ?", (_hash(key),))

    def __len__(self) -> int:
        return int(self._table.execute("SELECT count(*) FROM places").fetchone()[0])

    def get(self, key: Hashable) -> int | None:
        """The number of a key; None if there is none."""
        found = self._table.execute("SELECT place FROM places WHERE key = ?", (_hash(key),)).fetchone()
        return found and int(found[0])

    def add(self, key: Hashable) -> bool:
        """Add a key, without a number; returns whether it is new."""
        done = self._table.execute("INSERT OR IGNORE INTO places VALUES (?, 0, NULL)", (_hash(key),))
        return done.rowcount > 0

    def last_items(self) -> Iterator[int]:
        """The different integers in which keys end, in ascending order."""
        query = "SELECT DISTINCT last FROM places WHERE last IS NOT NULL ORDER BY last"
        return (last for (last,) in self._table.execute(query))


def _hash(key: Hashable) -> bytes:
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()

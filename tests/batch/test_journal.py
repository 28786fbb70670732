"""The journal survives any end, reports where it is damaged, and keeps no line in memory."""

import json
import tracemalloc
from operator import itemgetter

import pytest

from facetell.batch.journal import Journal
from facetell.types import FacetellError

LINES = [{"row": 0, "path": "ä.mp4"}, {"row": 1, "path": "line\nbreak"}, {"row": 0, "path": "again"}]


def test_truncated_anywhere_it_gives_its_complete_lines_and_new_ones_follow_them(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path, itemgetter("row"))
    for line in (*LINES, LINES[2]):
        journal.add(line)
    journal.close()
    content = path.read_bytes()
    assert [json.loads(line) for line in content.splitlines()] == LINES, "a stored line is not added again"
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        journal = Journal(path, itemgetter("row"))
        kept = LINES[: content[:length].count(b"\n")]
        for row in (0, 1):
            last = [line for line in kept if line["row"] == row][-1:]
            assert ([journal.get(row)] if row in journal else []) == last
        journal.add(LINES[1] | {"path": "new"}, LINES[0])
        journal.close()
        assert len(path.read_bytes().splitlines()) >= len(kept) + 1
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


@pytest.mark.parametrize("damage", [b"{\n", b"[1]\n", b'{"path": "a"}\n'])
def test_a_damaged_line_is_reported_with_its_offset(tmp_path, damage):
    (tmp_path / "journal").write_bytes(b'{"row": 0}\n' + damage)
    with pytest.raises(FacetellError, match="journal is damaged at byte 11; delete that line"):
        Journal(tmp_path / "journal", itemgetter("row"))


def test_lines_are_not_held_in_memory(tmp_path):
    """Two thousand lines of 20 kB, 40 MB on disk."""
    journal = Journal(tmp_path / "journal", itemgetter("row"))
    for number in range(2000):
        journal.add({"row": number, "path": "x" * 20_000}, sync=False)
    journal.close()
    tracemalloc.start()
    journal = Journal(tmp_path / "journal", itemgetter("row"))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert journal.get(1999)["row"] == 1999
    journal.close()
    assert held < 1_000_000 and peak < 2_000_000

"""The ledger is read back after any end."""

import pytest

from facetell.datasets.ledger import append_line, open_ledger, write_ledger
from facetell.types import FacetellError

LINES = [{"row": 0, "path": "ä.mp4"}, {"row": 1, "path": "line\nbreak"}]


def test_a_ledger_cut_anywhere_gives_its_whole_lines(tmp_path):
    path = tmp_path / "ledger.jsonl"
    assert open_ledger(path) == []
    for line in LINES:
        append_line(path, line)
    whole = path.read_bytes()
    write_ledger(tmp_path / "other.jsonl", LINES)
    assert (tmp_path / "other.jsonl").read_bytes() == whole
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        kept = whole[:length].count(b"\n")
        assert open_ledger(path) == LINES[:kept]
        append_line(path, LINES[1])
        assert open_ledger(path) == [*LINES[:kept], LINES[1]]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"row": 0}\n{"ro\n{"row": 2}\n')
    with pytest.raises(FacetellError, match="line 2, is damaged"):
        open_ledger(path)

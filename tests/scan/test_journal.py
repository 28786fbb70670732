"""The journal survives any end, says where it is damaged, and keeps no verdict in memory."""

import json
import tracemalloc

import pytest

from facetell.detector import Detector
from facetell.report.result import to_result
from facetell.scan.journal import Journal
from facetell.scan.record import from_record, to_record
from facetell.scan.source import Item
from facetell.types import FacetellError

A, B = Item("a.mp4", "/x/a.mp4", 10, "10.1.1"), Item("b.mkv", "/x/b.mkv", 20, "20.1.2")
SCORED, BROKEN = {"status": "scored", "n": 1}, {"status": "unreadable", "n": 2}


def test_it_is_read_back_after_any_end(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.add_verdict(A, "aa", SCORED)
    journal.add_content(B, "bb")
    journal.add_verdict(B, "bb", BROKEN)
    journal.close()
    content = path.read_bytes()
    places = [place for place, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        journal = Journal(path)
        lines = sum(place < cut for place in places)
        assert (journal.content(A), journal.content(B)) == ("aa" if lines else None, "bb" if lines > 2 else None)
        assert (("aa", ".mp4") in journal, ("bb", ".mkv") in journal) == (lines > 1, lines > 3)
        assert journal.verdict(("aa", ".mp4")) == (SCORED if lines > 1 else None)
        journal.add_verdict(B, "bb", SCORED)  # goes behind the last whole line
        assert journal.verdict(("bb", ".mkv")) == SCORED
        journal.close()
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_content_counts_as_long_as_the_stamp_is_the_same(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.add_verdict(A, "aa", SCORED)
    assert journal.content(Item("a.mp4", "/elsewhere/a.mp4", 10, "10.1.1")) == "aa"
    assert journal.content(Item("a.mp4", "/x/a.mp4", 10, "10.2.1")) is None
    assert journal.may_be_known(Item("c.mp4", "/x/c.mp4", 10, "10.9.9")) and not journal.may_be_known(B)
    folder = Item("frames", "/x/frames")
    journal.add_content(folder, "ff")
    assert journal.content(folder) == "ff"
    journal.close()
    assert Journal(tmp_path / "journal").content(folder) is None, "nothing tells whether it has changed since"


@pytest.mark.parametrize("retry", [False, True])
def test_what_another_scan_knows_in_the_end_is_taken_over(tmp_path, retry):
    """It could not read B at first, then could; this one could not, and neither of them C."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    c = Item("c.mp4", "/x/c.mp4", 30, "30.1.1")
    for path, lines in ((theirs, [(B, BROKEN), (A, SCORED), (B, SCORED), (c, BROKEN)]), (ours, [(B, BROKEN)])):
        journal = Journal(path)
        for item, record in lines:
            journal.add_verdict(item, item.name[:1] * 2, record)
        journal.close()
    journal = Journal(ours, retry=retry)
    assert journal.take_over(theirs) == (2 if retry else 3)
    assert journal.verdict(("aa", ".mp4")) == journal.verdict(("bb", ".mkv")) == SCORED
    assert journal.verdict(("cc", ".mp4")) == (None if retry else BROKEN)
    size = ours.stat().st_size
    assert journal.take_over(theirs) == 0 and ours.stat().st_size == size
    journal.close()


def test_what_could_not_be_read_is_forgotten_where_it_is_to_be_tried_again(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.add_verdict(A, "aa", SCORED)
    journal.add_verdict(B, "bb", BROKEN)
    journal.close()
    assert ("bb", ".mkv") in Journal(tmp_path / "journal")
    journal = Journal(tmp_path / "journal", retry=True)
    assert ("aa", ".mp4") in journal and ("bb", ".mkv") not in journal
    journal.add_verdict(B, "bb", BROKEN)
    assert ("bb", ".mkv") in journal, "found out anew in this run"


def test_a_damaged_line_is_told_with_its_place(tmp_path):
    path = tmp_path / "journal"
    for damage in (b"{\n", b"[1]\n", b'{"content": "aa"}\n'):
        path.write_bytes(b'{"file": "a", "stamp": "", "content": "aa"}\n' + damage)
        with pytest.raises(FacetellError, match="journal is damaged at byte 44; delete that line"):
            Journal(path)


def test_verdicts_are_not_held_in_memory(tmp_path):
    """Two thousand verdicts of 20 kB, 40 MB on disk."""
    journal, record = Journal(tmp_path / "journal"), SCORED | {"clips": "x" * 20_000}
    journal.flush = lambda: None
    for number in range(2000):
        journal.add_verdict(Item(f"{number}.mp4", "/x", number, f"{number}.1.1"), f"{number:064x}", record)
    journal.close()
    tracemalloc.start()
    journal = Journal(tmp_path / "journal")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert journal.verdict((f"{1999:064x}", ".mp4")) == record
    assert held < 2_000_000 and peak < 3_000_000


def test_a_verdict_comes_back_from_its_record_bit_for_bit(corpus, single: Detector):
    for name in ("a/0.mp4", "noise0.mp4", "b/text.mp4"):
        verdict = single(corpus / name)
        record = json.loads(json.dumps(to_record(verdict)))
        assert str(corpus) not in json.dumps(record)
        back = from_record(record, verdict.path, verdict.provenance)
        assert back.tracks == verdict.tracks and back.interval == verdict.interval
        assert to_result([back]) == to_result([verdict])
        assert from_record(record, "x", {}).message == verdict.message.replace(verdict.path, "x")

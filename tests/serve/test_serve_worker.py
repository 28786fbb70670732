"""A worker on its own: its messages, what it does not disclose, and how much memory it may allocate."""

import mmap
import shutil
from multiprocessing import Pipe

from facetell.detector import Detector
from facetell.serve import process
from facetell.serve.models import Limits
from facetell.serve.process import MEMORY, Child, Progress, Rejected, Scorer, receive, send
from facetell.serve.store import REPORTS
from fixtures import FAST_FILE


def test_progress_is_reported_to_the_end_and_no_path_is_disclosed(tmp_path, man, monkeypatch):
    """Also while the report is written, which reads the video again: a silent worker would be taken to hang."""
    monkeypatch.setattr(process, "BEAT", 0.0)
    shutil.copyfile(FAST_FILE, tmp_path / "own.onnx")
    shutil.copyfile(man, tmp_path / "video")
    ours, theirs = Pipe()
    scorer = Scorer(Detector(tmp_path / "own.onnx"), theirs, Limits())
    assert scorer(tmp_path, "talk.mp4").kind == "done"
    shares = []
    while (message := receive(ours, 0.0)) is not None:
        assert isinstance(message, Progress)
        shares.append(message.share)
    assert shares == sorted(shares) and len(shares) >= 72 and shares.count(1.0) > 40
    assert all(str(tmp_path) not in (tmp_path / name).read_text() for name in ("result.json", *REPORTS.values()))
    monkeypatch.setitem(REPORTS, "xx", "report.xx.html")  # a language without a catalogue
    failed = scorer(tmp_path, "talk.mp4")
    assert failed.message.startswith("scoring it failed (FileNotFoundError): report it")


def allocate(connection):
    """Reserve more memory than a child process may have, without writing to it."""
    no_reserve = 0x4000  # MAP_NORESERVE of Linux: otherwise the machine itself may refuse it
    try:
        mmap.mmap(-1, MEMORY, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve)
    except OSError:
        send(connection, Rejected(message="no memory"))
    connection.recv()


def test_a_child_process_cannot_allocate_all_memory():
    child = Child(allocate)
    try:
        assert receive(child.connection, 60) == Rejected(message="no memory")
    finally:
        child.close()

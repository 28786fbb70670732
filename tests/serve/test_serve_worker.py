"""A worker on its own: what it says while it works, what it keeps to itself, and how much it may take."""

import mmap
import shutil
from multiprocessing import Pipe

import pytest

from facetell.detector import Detector
from facetell.serve import worker
from facetell.serve.process import MEMORY, Companion, Link
from facetell.serve.worker import Order, Scorer
from fixtures import FAST_FILE


@pytest.fixture(scope="module")
def told(tmp_path_factory, man):
    """A video scored by a model of the operator's: the folder, and what the worker said meanwhile, all of it."""
    folder = tmp_path_factory.mktemp("worker")
    model = folder / "own.onnx"
    shutil.copyfile(FAST_FILE, model)
    video = folder / "video"
    shutil.copyfile(man, video)
    ours, theirs = Pipe()
    link = Link(ours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "BEAT", 0.0)
        answer = Scorer(Detector(model), Link(theirs))(
            Order(str(video), str(folder / "result.json"), str(folder / "report.html"), "talk.mp4", 60.0)
        )
    messages = []
    while (message := link.receive(0.0)) is not None:
        messages.append(message)
    assert answer["kind"] == "done"
    return folder, messages


def test_it_says_that_it_is_alive_over_the_report_as_well(told):
    """The report reads the video once more: a long one takes longer than a worker may be silent."""
    kinds = [message["kind"] for message in told[1]]
    assert kinds == sorted(kinds) and kinds.count("progress") >= 72
    assert kinds.count("report") > 40  # it need not read on to the end


def test_neither_result_nor_report_tells_where_anything_lies(told):
    folder, _ = told
    report = (folder / "report.html").read_text()
    assert str(folder) not in report and "--model own.onnx" in report
    assert str(folder) not in (folder / "result.json").read_text()


MAP_NORESERVE = 0x4000  # of Linux: or the machine may refuse what the limit would have to


def take(link: Link) -> None:
    """Take more memory than is left to a process; nothing is written to it."""
    try:
        mmap.mmap(-1, MEMORY, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    except OSError:
        link.send({"refused": True})
    else:
        link.send({"refused": False})
    link.receive()


def test_a_process_cannot_take_all_memory():
    process = Companion(take)
    try:
        assert process.receive(60) == {"refused": True}
    finally:
        process.close()

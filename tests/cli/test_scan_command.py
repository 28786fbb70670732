"""``facetell scan``: exit codes, the summary line, one message for each error."""

import io
import os
import re
import sys

import pytest
from rich.console import Console

from facetell.batch.run import Progress
from facetell.cli import main
from facetell.cli.progress import Bar
from fixtures import BROKEN, FAST, sample_frames, write_frames


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_frames(folder / "man.mp4", sample_frames("sample_man", 12))
    return folder


def test_a_corpus_without_errors_ends_with_one_line(folder, tmp_path, capsys):
    out = tmp_path / "out"
    (folder / "notes.txt").write_text("not counted")
    assert main(["scan", "--model", FAST, str(folder), "--out", str(out), "--workers", "1", "--precision", "f32"]) == 0
    printed, errors = capsys.readouterr()
    assert re.fullmatch(r"1 video: 1 scored \(1 [a-z ]+\), 0 not; see .*out/summary.html\n", printed) and errors == ""


def test_what_cannot_be_read_is_counted_and_the_list_may_come_from_a_pipe(folder, tmp_path, capsys, monkeypatch):
    names = [folder / "man.mp4", BROKEN["text"](folder), folder / "gone\r\n.mp4"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\0".join(os.fsencode(name) for name in names))))
    out = tmp_path / "out"
    assert main(["scan", "--model", FAST, "-", "--out", str(out), "--workers", "1"]) == 2
    printed, errors = capsys.readouterr()
    assert re.match(r"3 videos: 1 scored \(1 [a-z ]+\), 2 not \(unreadable 2\); see ", printed)
    assert errors == f"facetell scan: 2 lines in {out / 'errors.csv'} say what could not be read\n"


def test_a_name_in_the_bar_is_escaped():
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with Bar("listing", console) as bar:
        bar.videos(Progress("scoring", 1, 2, 1, 2, last="a\x1b]0;hi\x07:smile:[red]b.mp4"))
    assert r"a\x1b]0;hi\x07:smile:[red]b.mp4" in shown.getvalue() and "\x07" not in shown.getvalue()

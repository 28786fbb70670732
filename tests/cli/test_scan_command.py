"""``facetell scan``: exit codes, the summary line, one message for each error."""

import io
import json
import os
import sys

import pytest
from rich.console import Console

from facetell.batch.run import Progress
from facetell.cli import main
from facetell.cli.progress import Bar
from facetell.cli.scan import Meter
from facetell.report.strings import VERDICTS
from fixtures import BROKEN, FAST, sample_frames, write_frames


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_frames(folder / "man.mp4", sample_frames("sample_man", 12))
    return folder


def decision(out):
    """The verdict on the one scored video, which these tests do not prescribe."""
    return next(
        VERDICTS[row["verdict"]] for row in map(json.loads, (out / "results.jsonl").open()) if row["status"] == "scored"
    )


def test_a_corpus_without_errors_ends_with_one_line(folder, tmp_path, capsys):
    out = tmp_path / "out"
    (folder / "notes.txt").write_text("not counted")
    assert main(["scan", "--model", FAST, str(folder), "--out", str(out), "--workers", "1", "--precision", "f32"]) == 0
    printed, errors = capsys.readouterr()
    said = f"1 video: 1 scored (1 {decision(out)}), 0 not; see {out / 'summary.html'}\n"
    assert printed == said and errors == ""


def test_what_cannot_be_read_is_counted_and_the_list_may_come_from_a_pipe(folder, tmp_path, capsys, monkeypatch):
    names = [folder / "man.mp4", BROKEN["text"](folder), folder / "gone\r\n.mp4"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\0".join(os.fsencode(name) for name in names))))
    out = tmp_path / "out"
    assert main(["scan", "--model", FAST, "-", "--out", str(out), "--workers", "1"]) == 2
    printed, errors = capsys.readouterr()
    assert printed.startswith(f"3 videos: 1 scored (1 {decision(out)}), 2 not (unreadable 2); see ")
    assert errors == f"facetell scan: 2 lines in {out / 'errors.csv'} say what could not be read\n"


def test_a_name_in_the_bar_is_escaped():
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with Bar("listing", console) as bar:
        Meter(bar)(Progress("scoring", 1, 2, 1, 2, last="a\x1b]0;hi\x07:smile:[red]b.mp4"))
    assert r"a\x1b]0;hi\x07:smile:[red]b.mp4" in shown.getvalue() and "\x07" not in shown.getvalue()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no nowhere"),
        (["{folder}/man.mp4"], "is one video; score it with `facetell detect`"),
        (["{folder}", "--shard", "3/2"], "'3/2' names no part"),
        (["{folder}", "--model", "nowhere.onnx"], "there is no model file at nowhere.onnx"),
        (["{folder}", "--address", "host:1"], "add --engine ray"),
    ],
)
def test_an_error_is_one_message(folder, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["scan", "--model", FAST, *(word.format(folder=folder) for word in words), "--out", "out"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith("facetell scan: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

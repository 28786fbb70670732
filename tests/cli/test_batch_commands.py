"""``facetell prepare``, ``score`` and ``scan`` of one folder: exit codes, messages, and what the next one reads."""

import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from facetell.assets import locate
from facetell.batch.run import Progress
from facetell.cli import main, progress
from facetell.cli.progress import Bar
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.evaluate.scores import read_scores
from facetell.video.image import read_image
from fixtures import BROKEN, FAST, sample_frames, write_frames
from scans import lines, verdicts

NAMES = ("text.mp4", "man.mp4", "gone.mp4", "no_face.mp4")


@pytest.fixture
def folder(tmp_path):
    """A face, a landscape and a broken file; the manifest names one that is missing."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_frames(folder / "man.mp4", sample_frames("sample_man", 12))
    shutil.copy(locate("sample_no_face"), folder / "no_face.mp4")
    BROKEN["text"](folder)
    (folder / "manifest.csv").write_text("\n".join(["path,label,split", *(f"{name},0,test" for name in NAMES), ""]))
    return folder


def run(verb, *words):
    """Quiet, as progress is printed each minute."""
    return main([verb, "-q", *(["--model", FAST] if verb != "prepare" else []), "--workers", "1", *map(str, words)])


def test_what_gave_no_clip_is_named(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("prepare", folder, "--out", out, "--size", "128", "--seconds", "1") == 2
    printed = capsys.readouterr()
    assert printed.out == f"clips: 1; videos: 4, 3 without a clip; in {out}\n"
    assert "facetell prepare: no_face.mp4: no face was found" in printed.err and len(printed.err.splitlines()) == 3
    (entry,) = read_prepared(out)
    assert read_clip(out / entry.path).frames.shape == (12, 128, 128, 3) and entry.path.endswith(".mp4")
    settings = json.loads((out / "prepare.json").read_text())["settings"]
    assert settings == {"size": 128, "faces": "main", "seconds": 1.0, "image_rate": None}
    assert main(["datasets", "export", str(out), "--deepfakebench", str(tmp_path / "faces.json")]) == 0
    assert capsys.readouterr().out.endswith("and label_dict: {'real': 0}\n")
    (frames,) = (tmp_path / "faces" / "frames").iterdir()
    np.testing.assert_array_equal(read_image(frames / "011.png"), read_clip(out / entry.path).frames[11])


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(folder, tmp_path, capsys):
    out = tmp_path / "s.parquet"
    assert run("score", folder, "--out", out) == 2
    printed, errors = capsys.readouterr()
    assert printed.startswith("4 videos: 1 scored, 3 not (") and "unreadable 2" in printed and "no face 1" in printed
    assert all(name in line for name, line in zip(("text.mp4", "gone.mp4"), errors.splitlines(), strict=True))
    assert read_scores(out)["status"].tolist() == ["unreadable", "scored", "unreadable", "no_face"]
    assert run("score", folder, "--out", out) == 2, "of a complete file the exit code is the same"


def test_a_detector_of_twenty_lines_and_a_table_of_scores_are_evaluated(folder, tmp_path, capsys, monkeypatch):
    shutil.copy(Path(__file__).parents[2] / "examples" / "own_detector.py", tmp_path / "toy.py")
    (folder / "manifest.csv").write_text("path,label,split\nman.mp4,0,test\nno_face.mp4,1,test\n")
    monkeypatch.chdir(tmp_path)
    assert main(["score", "videos", "--model", "toy:predict", "--out", "toy.parquet", "--workers", "1"]) == 2
    assert main(["evaluate", "toy.parquet"]) == 0
    assert "1 real and 0 forged videos scored; 1 not scored" in " ".join(capsys.readouterr().out.split())
    Path("theirs.csv").write_text("path,label,score\na.mp4,real,0.1\nb.mp4,fake,0.9\n")
    assert main(["evaluate", "theirs.csv"]) == 0
    assert "identities unknown; resampled by video" in " ".join(capsys.readouterr().out.split())


def test_videos_are_counted_by_distortion(folder, tmp_path, capsys):
    (folder / "manifest.csv").write_text("path,label,split\nman.mp4,0,test\nno_face.mp4,0,test\n")
    out = tmp_path / "s.parquet"
    more = ("--distort", "GB:2-3", "FREEZE:1", "--clips-per-second", "2", "--precision", "f32", "--split", "test")
    assert run("score", folder, "--out", out, *more) == 2
    printed, errors = capsys.readouterr()
    assert printed.startswith("8 videos: 4 scored, 4 not (no face 4) under 4 conditions") and errors == ""
    about = read_scores(out).about
    stated = {"clips_per_second": 2.0, "distortions": ["GB:2", "GB:3", "FREEZE:1"], "splits": ["test"]}
    assert about["settings"] == stated | {"clean": True, "max_clips": 16, "max_faces": 8}
    assert about["engine"]["precision"] == "f32"


def test_a_scan_ends_with_one_line_and_the_list_may_come_from_a_pipe(folder, tmp_path, capsys, monkeypatch):
    same = shutil.copy(folder / "man.mp4", folder / "same.mp4")
    names = [folder / "man.mp4", folder / "text.mp4", folder / "gone\r\n.mp4", same]
    for count, code in ((1, 0), (4, 2)):
        listed = b"\0".join(os.fsencode(name) for name in names[:count])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
        out = tmp_path / str(count)
        assert run("scan", "-", "--out", out) == code
        printed, errors = capsys.readouterr()
        counts = r"1 video: 1 scored \(1 [a-z ]+\), 0 not"
        if code:
            counts = r"4 videos: 2 scored \(2 [a-z ]+\), 2 not \(unreadable 2\); 1 with the same content as another"
        assert re.fullmatch(rf"{counts}; see .*/summary.html\n", printed)
        expected = f"facetell scan: 2 lines in {out / 'errors.csv'} say what could not be read\n"
        assert errors == (expected if code else "")


def test_a_scan_of_parts_with_a_summary_in_german_and_what_was_unreadable_again(folder, tmp_path):
    outs = {part: tmp_path / part[0] for part in ("1/2", "2/2")}
    for more in ([], [], ["--retry"]):
        for part, out in outs.items():
            run("scan", folder, "--out", out, "--shard", part, "--language", "de", *more)
            assert json.loads((out / "about.json").read_text())["shard"] == part
            assert '<html lang="de">' in (out / "summary.html").read_text()
        names = sorted(line["path"] for out in outs.values() for line in lines(out / "results.jsonl"))
        assert names == ["man.mp4", "no_face.mp4", "text.mp4"]
        assert sum(len(verdicts(out)) for out in outs.values()) == (4 if more else 3)


def test_where_there_is_no_terminal_progress_is_printed_in_lines(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    for quiet, expected in ((False, "scoring 2/4, 1 not readable, 0 h 0 min left\n"), (True, "")):
        monkeypatch.setattr(Bar, "quiet", quiet)
        with Bar("listing", Console(file=io.StringIO())) as bar:
            bar.videos(Progress("scoring", 2, 4, failed=1))
        assert bar.console.file.getvalue() == expected


def test_a_name_in_the_bar_is_escaped(monkeypatch):
    monkeypatch.setattr(Bar, "quiet", False)
    shown = io.StringIO()
    with Bar("listing", Console(file=shown, force_terminal=True, width=120)) as bar:
        bar.videos(Progress("scoring", 1, 2, 1, 2, last="a\x1b]0;hi\x07:smile:[red]b.mp4"))
    assert r"a\x1b]0;hi\x07:smile:[red]b.mp4" in shown.getvalue() and "\x07" not in shown.getvalue()

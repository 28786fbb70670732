"""``facetell prepare``: its messages and exit codes, and a folder that ``facetell score`` reads."""

import io
import json

import pytest
from rich.console import Console

from facetell.cli import main, progress
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.evaluate.scores import read_scores
from fixtures import FAST
from prepare_videos import man, manifest_of, noise, write_frames


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_frames(folder / "a.mp4", man(12))
    write_frames(folder / "b.mp4", noise())
    manifest_of(folder, Entry("a.mp4", 0, "test"), Entry("b.mp4", 1, "test"), Entry("missing.mp4", 1, "test"))
    return folder


def run(*words):
    return main(["prepare", *map(str, words)])


def test_clips_are_counted_and_what_gave_none_is_named(videos, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(videos, "--out", out, "--workers", 1, "--size", 128, "--seconds", 1) == 2
    told = capsys.readouterr()
    assert told.out == f"1 clip of 1 video, 2 without, in {out}\n"
    assert told.err.splitlines() == [
        "facetell prepare: b.mp4: no face was found",
        f"facetell prepare: missing.mp4: there is no file {(videos / 'missing.mp4').resolve()}: check the name",
    ]
    (entry,) = read_prepared(out)
    assert read_clip(out / entry.path).frames.shape == (12, 128, 128, 3) and entry.path.endswith(".mp4")
    settings = json.loads((out / "prepare.json").read_text())["settings"]
    assert settings == {"size": 128, "faces": "main", "seconds": 1.0, "image_rate": None}


def test_the_folder_can_be_scored(videos, tmp_path, capsys):
    manifest_of(videos, Entry("a.mp4", 0, "test"))
    out = tmp_path / "out"
    assert run(videos / "manifest.csv", "--out", out, "--workers", 1) == 0
    assert capsys.readouterr() == (f"1 clip of 1 video, in {out}\n", "")
    words = ["--model", FAST, "--out", str(tmp_path / "s.parquet"), "--workers", "1"]
    assert main(["score", str(out), *words]) == 0
    assert read_scores(tmp_path / "s.parquet").videos()["video"].tolist() == ["a.mp4"]


def test_a_size_out_of_range(videos, tmp_path, capsys):
    assert run(videos, "--out", tmp_path / "out", "--size", 9) == 1
    assert capsys.readouterr().err.startswith("facetell prepare: clips have 64 to 640 pixels a side, not 9")
    assert not (tmp_path / "out").exists()


def test_a_bar_is_shown_on_a_terminal(videos, tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **how: Console(file=screen, force_terminal=True, width=100))
    run(videos, "--out", tmp_path / "out", "--workers", 1)
    assert "3/3" in screen.getvalue() and "left:" in screen.getvalue()

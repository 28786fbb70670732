"""``facetell score``: exit codes, the summary line, one message for each error."""

import shutil

import pytest

from facetell.assets import locate
from facetell.cli import main
from facetell.evaluate.scores import read_scores
from fixtures import BROKEN, FAST, sample_frames, write_frames


@pytest.fixture
def folder(tmp_path):
    """A folder with a face, a landscape and a broken file."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_frames(folder / "man.mp4", sample_frames("sample_man", 12))
    shutil.copy(locate("sample_no_face"), folder / "no_face.mp4")
    BROKEN["text"](folder)
    return folder


def manifest(folder, *names):
    rows = [f"{name},0,test" for name in names]
    (folder / "manifest.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return folder


def score(folder, out, *more):
    return main(["score", str(folder), "--model", FAST, "--out", str(out), "--workers", "1", *more])


def test_a_video_without_a_face_is_a_result(folder, tmp_path, capsys):
    out = tmp_path / "s.parquet"
    assert score(manifest(folder, "man.mp4", "no_face.mp4"), out) == 0
    printed, errors = capsys.readouterr()
    assert printed == f"1 video scored, 1 not (no face 1), in {out}\n" and errors == ""
    assert read_scores(out)["status"].tolist() == ["scored", "no_face"]


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(folder, tmp_path, capsys):
    out = tmp_path / "s.parquet"
    assert score(manifest(folder, "text.mp4", "man.mp4", "gone.mp4"), out) == 2
    printed, errors = capsys.readouterr()
    assert printed.startswith("1 video scored, 2 not (unreadable 2)")
    assert all(name in line for name, line in zip(("text.mp4", "gone.mp4"), errors.splitlines(), strict=True))
    assert score(folder, out) == 2, "a file that is there keeps saying so"
    assert "which was there already" in capsys.readouterr().out


def test_videos_are_counted_by_distortion(folder, tmp_path, capsys):
    out = tmp_path / "s.parquet"
    more = ("--distort", "GB:2-3", "FREEZE:1", "--fps-scored", "2", "--precision", "f32", "--split", "test")
    assert score(manifest(folder, "man.mp4", "no_face.mp4"), out, *more) == 0
    assert capsys.readouterr().out.startswith("2 videos under 4 conditions: 4 scored, 4 not (no face 4)")
    scores = read_scores(out)
    assert scores.about["settings"] == {
        "clean": True,
        "clips_per_second": 2.0,
        "distortions": ["GB:2", "GB:3", "FREEZE:1"],
        "max_faces": 8,
        "splits": ["test"],
    }
    assert scores.about["engine"]["precision"] == "f32"
    assert score(folder, tmp_path / "d.parquet", "--distort", "GB:2", "--no-clean") == 0
    assert {*read_scores(tmp_path / "d.parquet")["distortion"].tolist()} == {"GB"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv", "--out", "s.parquet"], "there is no manifest at nowhere.csv"),
        (["{folder}", "--model", "nowhere.onnx", "--out", "s.parquet"], "there is no model file at nowhere.onnx"),
        (["{folder}", "--model", "{folder}/text.mp4", "--out", "s.parquet"], "cannot load"),
        (["{folder}", "--out", "s.parquet", "--distort", "XY"], "'XY' is not a distortion"),
        (["{folder}", "--out", "s.parquet", "--no-clean"], "there is nothing to score"),
        (["{folder}", "--out", "s.parquet", "--split", "train"], "no row of the split train"),
        (["{folder}", "--out", "{folder}"], "it is a folder"),
    ],
)
def test_an_error_is_one_message(folder, tmp_path, monkeypatch, capsys, words, message):
    manifest(folder, "man.mp4")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["score", "--model", FAST, *(word.format(folder=folder) for word in words)]) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith("facetell score: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

"""``facetell score``: exit codes, the summary line, one message for each error."""

import shutil

from facetell.assets import locate
from facetell.cli import main
from facetell.evaluate.scores import read_scores
from fixtures import BROKEN, FAST, sample_frames, write_frames


def score(folder, out, names, *more):
    """The exit code of scoring a manifest of a folder with a face, a landscape and a broken file."""
    folder.mkdir(exist_ok=True)
    write_frames(folder / "man.mp4", sample_frames("sample_man", 12))
    shutil.copy(locate("sample_no_face"), folder / "no_face.mp4")
    BROKEN["text"](folder)
    rows = [f"{name},0,test" for name in names]
    (folder / "manifest.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return main(["score", str(folder), "--model", FAST, "--out", str(out), "--workers", "1", *more])


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(tmp_path, capsys):
    names, out = ("text.mp4", "man.mp4", "gone.mp4", "no_face.mp4"), tmp_path / "s.parquet"
    assert score(tmp_path / "videos", out, names) == 2
    printed, errors = capsys.readouterr()
    assert printed.startswith("4 videos: 1 scored, 3 not (") and "unreadable 2" in printed and "no face 1" in printed
    assert all(name in line for name, line in zip(("text.mp4", "gone.mp4"), errors.splitlines(), strict=True))
    assert read_scores(out)["status"].tolist() == ["unreadable", "scored", "unreadable", "no_face"]
    assert score(tmp_path / "videos", out, names) == 2, "of a complete file the exit code is the same"


def test_videos_are_counted_by_distortion(tmp_path, capsys):
    out = tmp_path / "s.parquet"
    more = ("--distort", "GB:2-3", "FREEZE:1", "--fps-scored", "2", "--precision", "f32", "--split", "test")
    assert score(tmp_path / "videos", out, ("man.mp4", "no_face.mp4"), *more) == 0
    printed, errors = capsys.readouterr()
    assert printed.startswith("8 videos: 4 scored, 4 not (no face 4) under 4 conditions") and errors == ""
    about = read_scores(out).about
    assert about["settings"] == {
        "clean": True,
        "clips_per_second": 2.0,
        "distortions": ["GB:2", "GB:3", "FREEZE:1"],
        "max_faces": 8,
        "splits": ["test"],
    }
    assert about["engine"]["precision"] == "f32"

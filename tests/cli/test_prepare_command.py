"""``facetell prepare``: its messages and exit codes, and a folder that ``facetell score`` reads."""

import json

from facetell.cli import main
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.evaluate.scores import read_scores
from fixtures import FAST
from prepare_videos import man, manifest_of, noise, write_frames


def test_what_gave_no_clip_is_named_and_the_folder_can_be_scored(tmp_path, capsys):
    videos, out, scores = tmp_path / "videos", tmp_path / "out", str(tmp_path / "s.parquet")
    videos.mkdir()
    write_frames(videos / "a.mp4", man(12))
    write_frames(videos / "b.mp4", noise())
    manifest_of(videos, Entry("a.mp4", 0, "test"), Entry("b.mp4", 1, "test"), Entry("missing.mp4", 1, "test"))
    words = ["--out", str(out), "--workers", "1", "--size", "128", "--seconds", "1"]
    assert main(["prepare", str(videos), *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == f"clips: 1; videos: 3, 2 without a clip; in {out}\n"
    first, second = printed.err.splitlines()
    assert first == "facetell prepare: b.mp4: no face was found" and "missing.mp4: there is no file" in second
    (entry,) = read_prepared(out)
    assert read_clip(out / entry.path).frames.shape == (12, 128, 128, 3) and entry.path.endswith(".mp4")
    settings = json.loads((out / "prepare.json").read_text())["settings"]
    assert settings == {"size": 128, "faces": "main", "seconds": 1.0, "image_rate": None}
    assert main(["score", str(out), "--model", FAST, "--out", scores, "--workers", "1"]) == 2
    assert read_scores(scores).select(status="scored")["video"].tolist() == ["a.mp4"]

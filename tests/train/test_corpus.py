import numpy as np
import pytest

from facetell.train.corpus import load, prepare, read_manifest
from facetell.types import FacetellError


def test_recordings_hold_frames_and_landmarks_of_the_main_face(corpus):
    recordings = load(corpus, "train", 8)
    assert [r.row.identity for r in recordings] == ["x", "man", "woman"]
    for recording in recordings:
        assert recording.frames.dtype == np.uint8 and recording.landmarks.shape == (len(recording.frames), 468, 2)
        box = recording.boxes(0, 1)[0]
        assert 0 <= box.x0 < box.x1 <= recording.frames.shape[2] and box.width > 60
    assert len(recordings[1].frames) == 72


def test_a_second_run_does_nothing_again(data, corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.iterdir()}
    assert len(list(prepare(data, corpus, rate=25.0))) == 6
    assert before == {path: path.stat().st_mtime_ns for path in corpus.iterdir()}


def test_a_clip_that_cannot_be_read_is_told_and_the_rest_is_done(data, tmp_path):
    broken = tmp_path / "data"
    (broken / "clips").mkdir(parents=True)
    (broken / "clips" / "a.mp4").write_text("no video")
    (broken / "manifest.csv").write_text("file,label,generator,identity,split\nclips/a.mp4,real,,a,train\n")
    ((row, fault),) = prepare(broken, tmp_path / "out", rate=25.0)
    assert row.identity == "a" and "a.mp4" in fault


def test_wrong_manifests_are_one_sentence(tmp_path):
    with pytest.raises(FacetellError, match="there is no manifest"):
        read_manifest(tmp_path / "manifest.csv")
    (tmp_path / "manifest.csv").write_text("file,label\na,real\n")
    with pytest.raises(FacetellError, match="needs a header line and the columns"):
        read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(FacetellError, match="no prepared clips of the split 'test'"):
        load(tmp_path, "test", 8)

"""Scoring a manifest: scores are those of detection, whatever the number of processes; every video is counted."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from facetell.assets import locate
from facetell.batch.score import ScoringSettings, conditions, score_manifest
from facetell.datasets.manifest import Entry, Manifest, read_manifest
from facetell.detector import Settings
from facetell.distort import KINDS, PUBLISHED
from facetell.engine.info import InputFormat
from facetell.evaluate.scores import read_scores
from facetell.types import FacetellError
from fixtures import BROKEN, FAST, one_frame, sample_frames, write_frames


def clips(scores, **wanted):
    """(track, clip, t0, t1, logit) of the chosen rows."""
    part = scores.select(**wanted)
    return list(zip(*(part[name].tolist() for name in ("track", "clip", "t0", "t1", "logit")), strict=True))


def clips_of(verdict):
    """The same of a verdict."""
    return [(track.track_id, n, c.t0, c.t1, c.logit) for track in verdict.tracks for n, c in enumerate(track.clips)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two speakers, two videos of tiny length, one without a face, one broken and one that is not there."""
    folder = tmp_path_factory.mktemp("videos")
    write_frames(folder / "woman.mp4", sample_frames("sample_woman", 72), fps=24)
    write_frames(folder / "both.mp4", [*sample_frames("sample_man", 30), *sample_frames("sample_woman", 40)], fps=25)
    write_frames(folder / "small.mp4", sample_frames("sample_man", 12)[:, ::6, ::6])
    shutil.copy(locate("sample_no_face"), folder / "no_face.mp4")
    BROKEN["text"](folder)
    one_frame(folder)
    return folder


ENTRIES = (
    Entry("woman.mp4", 0, "test", "w"),
    Entry("both.mp4", 1, "val", "b", method="cut"),
    *(Entry(*row, "test") for row in (("small.mp4", None), ("no_face.mp4", 0), ("text.mp4", 1), ("one_frame.mp4", 1))),
    Entry("gone.mp4", 0, "test"),
)


@pytest.fixture(scope="module")
def manifest(folder):
    return Manifest(folder, ENTRIES)


@pytest.fixture(scope="module")
def scored(manifest, tmp_path_factory):
    out, faults = tmp_path_factory.mktemp("scores") / "s.parquet", []
    return score_manifest(manifest, FAST, out=out, fault=faults.append), out, faults


def test_scores_are_those_of_detection(scored, detector, folder):
    scores, _, _ = scored
    for name in ("woman.mp4", "both.mp4"):
        verdict = detector(folder / name)
        assert len(clips_of(verdict)) >= 2
        assert clips(scores, video=name) == clips_of(verdict)
        worst = max(track.logit for track in verdict.tracks if track.logit is not None)
        assert scores.videos().select(video=name)["logit"].tolist() == [worst]


def test_every_video_is_counted_with_its_reason(scored):
    scores, _, faults = scored
    assert [*dict.fromkeys(scores["video"].tolist())] == [entry.path for entry in ENTRIES], (
        "in the order of the manifest"
    )
    statuses = ["scored", "scored", "face_too_small", "no_face", "unreadable", "too_short", "unreadable"]
    found = {*zip(scores["video"].tolist(), scores["status"].tolist(), strict=True)}
    assert found == {(entry.path, status) for entry, status in zip(ENTRIES, statuses, strict=True)}
    unscored = scores.where(scores["status"] != "scored")
    assert len(unscored) == 5 and np.isnan(unscored["logit"]).all() and (unscored["track"] == -1).all()
    assert len(faults) == 2 and "text.mp4" in faults[0] and "gone.mp4" in faults[1]


def test_the_file_records_the_manifest_and_what_made_it_but_no_date_and_no_place(scored, detector, folder):
    scores, out, _ = scored
    names = ("label", "method", "identity", "split", "distortion", "level")
    assert [scores.select(video="both.mp4")[name][0] for name in names] == [1, "cut", "b", "val", "", 0]
    assert scores.select(video="small.mp4")["label"].tolist() == [-1]
    about = read_scores(out).about
    assert about == scores.about
    assert about["model"] == {"name": detector.engine.info.name, "sha256": detector.engine.sha256}
    assert about["calibration"]["temperature"] == detector.engine.info.calibration.temperature
    assert about["engine"]["precision"] == detector.engine.precision
    assert str(folder) not in json.dumps(about) and "workers" not in json.dumps(about)
    assert not out.with_name("s.parquet.partial").exists()


def test_two_processes_give_the_same_file_from_another_place(scored, manifest, tmp_path):
    moved = replace(manifest, root=shutil.copytree(manifest.root, tmp_path / "moved"))
    out = tmp_path / "two.parquet"
    score_manifest(moved, FAST, out=out, workers=2)
    assert out.read_bytes() == scored[1].read_bytes()


# --- resuming, and refusing to mix


def test_a_stopped_run_is_resumed_and_not_with_something_else(folder, tmp_path):
    class Stop(Exception):
        pass

    def stop(state):
        if state.done == 1:
            raise Stop

    few, out = Manifest(folder, (ENTRIES[4], ENTRIES[1])), tmp_path / "out" / "s.parquet"
    with pytest.raises(Stop):
        score_manifest(few, FAST, out=out, progress=stop)
    for manifest, settings, words in (
        (replace(few, entries=few.entries[:1]), ScoringSettings(), "other manifest"),
        (few, ScoringSettings(Settings(clips_per_second=2)), "other settings"),
    ):
        with pytest.raises(FacetellError, match=f"partial was begun with {words} .* repeat the command"):
            score_manifest(manifest, FAST, settings, out=out)
    faults, states = [], []
    scores = score_manifest(few, FAST, out=out, progress=states.append, fault=faults.append)
    assert len(faults) == 1 and "text.mp4" in faults[0], "faults of the earlier run are reported again"
    assert [(state.done, state.total, state.found) for state in states] == [(1, 2, 1), (2, 2, 1)]
    assert clips(scores, status="scored") == clips(score_manifest(few, FAST), status="scored") != []
    assert [path.name for path in out.parent.iterdir()] == ["s.parquet"]


def test_a_finished_file_is_read_and_never_overwritten(scored, manifest, tmp_path):
    out = tmp_path / "s.parquet"
    shutil.copy(scored[1], out)
    states = []
    again = score_manifest(manifest, FAST, out=out, progress=states.append)
    assert clips(again, video="woman.mp4") == clips(scored[0], video="woman.mp4") and not states
    with pytest.raises(FacetellError, match="exists already, made with other settings: choose another name"):
        score_manifest(manifest, FAST, settings=ScoringSettings(Settings(max_faces=1)), out=out)
    described = (ScoringSettings(Settings(given=InputFormat(crop=crop))).about() for crop in (1.0, 1.3))
    assert len({json.dumps(about) for about in (*described, ScoringSettings().about())}) == 3


def test_a_manifest_that_cannot_be_scored_is_reported_at_once(manifest, tmp_path):
    with pytest.raises(FacetellError, match=r"none of the manifest's 7 files exists \(the first: .*woman\.mp4\)"):
        score_manifest(replace(manifest, root=tmp_path), FAST, out=tmp_path / "s.parquet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m.csv").write_text("path,label,split\nhttps://example.org/talk.mp4,0,test\n")
    with pytest.raises(FacetellError, match=r"https://example\.org/talk\.mp4 is a network address"):
        score_manifest(read_manifest(tmp_path / "m.csv"), FAST, out=tmp_path / "s.parquet")
    entry = ENTRIES[0]
    for entries, message in (((entry, entry), "woman.mp4 twice"), ((replace(entry, track=0),), "prepared clips")):
        with pytest.raises(FacetellError, match=message):
            score_manifest(replace(manifest, entries=entries), FAST)


def test_distortions_by_name():
    for words, expected in (
        (["vc:2-3", "GB:1", "gb:1"], (("GB", 1), ("VC", 2), ("VC", 3))),
        (["DROP"], tuple(("DROP", level) for level in range(1, 6))),
        (["all:3"], tuple((code, 3) for code in KINDS if code in PUBLISHED)),
        (["own:1"], tuple((code, 1) for code in KINDS if code not in PUBLISHED)),
    ):
        assert conditions(words) == expected
    for words, message in (
        (("GX", ":3", ""), "is not a distortion"),
        (("GB:6", "GB:0", "GB:", "GB:3-2", "GB:1-9", "GB:x", "all:7"), "names no level"),
    ):
        for word in words:
            with pytest.raises(FacetellError, match=message):
                conditions([word])

"""The results of a scan, and what is scored again when the corpus or the settings change."""

import csv
import fcntl
import json
import os
import shutil
from collections import Counter

import cv2
import jsonschema
import pyarrow.parquet as pq
import pytest

from facetell.batch.scan_source import Shard
from facetell.batch.scan_work import make_detector, make_scorer
from facetell.detector import Settings
from facetell.report.result import SCHEMA_PATH, to_result
from facetell.types import FacetellError
from fixtures import BROKEN, FAST, sample_frames
from scans import CONTENTS, NOISE, SCORED, Here, lines, results, verdicts

ORDER = [f"a/{n}.mp4" for n in (0, 2, 4, 6)] + ["a/deep/copy of 0.mov"] + [f"b/{n}.mp4" for n in (1, 3, 5, 7)]
ORDER += ["b/text.mp4", *(f"noise{n}.mp4" for n in range(NOISE)), "text again.mkv", "zero_bytes.mp4"]


@pytest.fixture
def copy(corpus, tmp_path):
    """The corpus, to be changed; its times and so its stamps are its own."""
    return shutil.copytree(corpus, tmp_path / "copy")


def table(out):
    return pq.read_table(out / "videos.parquet").to_pylist()


def column(out, name):
    return {row["video"]: row[name] for row in table(out)}


def test_every_video_has_a_row_and_every_content_is_scored_once(corpus, whole):
    rows = table(whole)
    assert [row["video"] for row in rows] == ORDER
    assert Counter(row["status"] for row in rows) == {"scored": SCORED + 1, "no_face": NOISE, "unreadable": 3}
    assert len(verdicts(whole)) == CONTENTS == len({*verdicts(whole)})
    same = {row["video"]: row["duplicate_of"] for row in rows if row["duplicate_of"]}
    assert same == {"a/deep/copy of 0.mov": "a/0.mp4", "text again.mkv": "b/text.mp4"}
    by_name = {row["video"]: row for row in rows}
    one, other = by_name["a/0.mp4"], by_name["a/deep/copy of 0.mov"]
    assert {k for k in one if one[k] != other[k]} == {"video", "duplicate_of"}


def test_a_verdict_is_that_of_detect(corpus, whole, single):
    schema = json.loads(SCHEMA_PATH.read_text())["properties"]["videos"]["items"]
    found = lines(whole / "results.jsonl")
    assert [line["path"] for line in found] == ORDER
    for line, row in zip(found, table(whole), strict=True):
        assert (row["status"], row["verdict"], row["faces"]) == (line["status"], line["verdict"], len(line["tracks"]))
        assert row["clips"] == sum(len(track["clips"]) for track in line["tracks"])
        if row["status"] == "scored":
            expected = [line["probability"], *line["interval"], line["threshold"]]
            assert [round(row[k], 6) for k in ("probability", "low", "high", "threshold")] == expected
        else:
            assert row["probability"] is row["logit"] is row["low"] is row["threshold"] is row["worst_t0"] is None
        jsonschema.validate(line, schema)
        alone = to_result([single(corpus / line["path"])])["videos"][0]
        alone |= {"path": line["path"], "message": alone["message"].replace(f"{corpus}/", "")}
        assert line == alone


def test_results_hold_no_date_and_no_place(corpus, whole):
    with (whole / "errors.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [line["path"] for line in found] == ["b/text.mp4", "text again.mkv", "zero_bytes.mp4"]
    assert all(line["reason"].startswith(line["path"]) for line in found) and "(0 bytes)" in found[-1]["reason"]
    machine = (str(corpus).encode(), str(whole).encode(), b"seconds_spent", os.uname().nodename.encode())
    for name, content in results(whole).items():
        assert not any(word in content for word in machine), name


def test_shards_are_disjoint_and_complete_and_their_journals_make_the_whole(corpus, whole, here, tmp_path):
    names, parts = [], [tmp_path / f"{number}" for number in (1, 2, 3)]
    for number, out in enumerate(parts, 1):
        here.scan(corpus, out, shard=Shard(number, 3))
        assert json.loads((out / "about.json").read_text())["shard"] == f"{number}/3"
        names.append([row["video"] for row in table(out)])
        assert names[-1] and names[-1] == [name for name in ORDER if name in names[-1]]
    assert sorted(name for part in names for name in part) == sorted(ORDER)
    work = shutil.copytree(parts[0] / "work", tmp_path / "all" / "work")
    joined = b"".join((out / "work" / "journal.jsonl").read_bytes() for out in parts)
    # A video that was lost on one machine replaces no verdict of another one.
    (work / "journal.jsonl").write_bytes(joined + joined.replace(b'"status": "scored"', b'"status": "unreadable"'))
    here.scan(corpus, tmp_path / "all")
    assert here.scored == [] and results(tmp_path / "all") == results(whole)


def test_a_corpus_that_grows_moves_and_shrinks_costs_only_what_is_new(copy, whole, here, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    here.scan(copy, out)
    assert results(out) == results(whole) and here.scored == []
    (copy / "a" / "2.mp4").rename(copy / "moved.mp4")
    (copy / "b" / "1.mp4").unlink()
    shutil.copy(copy / "b" / "3.mp4", copy / "A first.mp4")
    with (copy / "noise0.mp4").open("ab") as stream:
        stream.write(b"more")
    here.scan(copy, out)
    assert here.scored == ["noise0.mp4"], "all else is known by what is in it"
    assert [row["video"] for row in table(out)] == sorted({*ORDER, "A first.mp4", "moved.mp4"} - {"a/2.mp4", "b/1.mp4"})
    assert column(out, "duplicate_of")["b/3.mp4"] == "A first.mp4", "the first of them in order"
    shutil.copy(copy / "a" / "4.mp4", copy / "a" / "00.avi")
    here.scan(copy, out)
    assert here.scored == ["a/00.avi"], "a content is read under the suffix of its first file"
    here.scan(copy, tmp_path / "again")
    assert results(tmp_path / "again") == results(out), "only what there is counts, not what there was"


def test_a_file_that_changes_or_goes_while_it_is_scanned_is_reported_and_scored_next_time(copy, here, tmp_path):
    out, whole_file = tmp_path / "out", (copy / "b" / "3.mp4").read_bytes()

    def change(state):
        if state.step == "scoring" and not state.done and (copy / "a").exists():
            (copy / "b" / "3.mp4").write_bytes(whole_file[:-100])  # as one that is being copied
            shutil.rmtree(copy / "a")

    shutil.copy(copy / "a" / "0.mp4", copy / "z.mov")
    assert here.scan(copy, out, progress=change).statuses["unreadable"] == 3 + 1 + 5
    assert here.scored[-1] == "z.mov" and column(out, "status")["z.mov"] == "scored", "a copy of one that is gone"
    messages = column(out, "message")
    assert "it changed while it was being scanned" in messages["b/3.mp4"]
    assert messages["a/0.mp4"] == (
        "a/0.mp4 was there and is gone (No such file or directory): fix that, and run the same command again"
    )
    assert [row["sha256"] for row in table(out) if row["video"].startswith("a/")] == [None] * 5
    (copy / "b" / "3.mp4").write_bytes(whole_file)
    here.scan(copy, out)
    assert here.scored == ["b/3.mp4"]
    assert {row["video"] for row in table(out)} == {"z.mov", *(name for name in ORDER if not name.startswith("a/"))}


def test_what_could_not_be_read_is_tried_again_when_asked(corpus, whole, here, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    here.scan(corpus, out, retry=True)
    assert here.scored == ["b/text.mp4", "zero_bytes.mp4"] and results(out) == results(whole)


def test_names_with_newlines_quotes_and_odd_bytes_come_through(corpus, here, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = ["a\nb.mp4", 'quote"s, comma.mp4', "<script>alert(1).mp4", os.fsdecode(b"caf\xe9.mp4"), "\u202eR.mp4"]
    for number, name in enumerate(odd):
        shutil.copy(corpus / "ab"[number % 2] / f"{number}.mp4", folder / name)
    bad = "=1+1\n\"'.mp4"
    shutil.copy(BROKEN["text"](tmp_path), folder / bad)
    out = tmp_path / "out"
    here.scan(folder, out)
    shown = sorted([*odd[:3], "caf\\udce9.mp4", odd[4], bad])
    assert sorted(row["video"] for row in table(out)) == shown
    assert sorted(line["path"] for line in lines(out / "results.jsonl")) == shown
    with (out / "errors.csv").open(newline="") as stream:
        assert [line["path"] for line in csv.DictReader(stream)] == [bad]
    page = (out / "summary.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1).mp4" in page
    assert all(name in page for name in (r"a\nb.mp4", r"caf\udce9.mp4", r"\u202eR.mp4"))
    here.scan(folder, out)
    assert here.scored == []


def test_a_list_may_name_files_and_folders_of_images(corpus, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(sample_frames("sample_man", 9)[:, :, 100:540]):
        cv2.imwrite(f"frames/{number}.png", frame[:, :, ::-1])
    shutil.copytree("frames", "frames again")
    (tmp_path / "list").write_text(f"frames\n\n{corpus}/b/1.mp4\nframes\nframes again\nnowhere.mp4\n")
    counts = here.scan("list", tmp_path / "out")
    rows = table(tmp_path / "out")
    assert [row["video"] for row in rows] == ["frames", f"{corpus}/b/1.mp4", "frames again", "nowhere.mp4"]
    assert [row["status"] for row in rows] == ["scored", "scored", "scored", "unreadable"]
    assert rows[2]["duplicate_of"] == "frames" and counts.duplicates == 1 and len(here.scored) == 2
    (tmp_path / "frames" / "8.png").unlink()
    here.scan("list", tmp_path / "out")
    assert here.scored == ["frames"], "the stamp of a folder is that of its files"


def test_a_file_that_is_none_has_the_message_of_detection(here, tmp_path):
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.mp4")
    here.scan(tmp_path / "in", tmp_path / "out")
    assert "is a device or a pipe" in column(tmp_path / "out", "message")["pipe.mp4"]


def test_a_scan_is_not_resumed_with_something_else(corpus, whole, here, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    other = Here(make_detector(FAST, settings=Settings(clips_per_second=2)))
    with pytest.raises(FacetellError, match=r"was begun with other settings .* repeat the command that began it"):
        other.scan(corpus, out)
    (tmp_path / "killed" / "work").mkdir(parents=True)  # by a run that was killed before it wrote anything
    here.scan(corpus / "a" / "deep", tmp_path / "killed")
    record = out / "work" / "run.json"
    begun = json.loads(record.read_text())
    for change, words in (({"libraries": {}}, "begun with other libraries"), (None, "is damaged; name a new folder")):
        record.write_text(json.dumps(begun | change) if change else "{")
        with pytest.raises(FacetellError, match=words):
            here.scan(corpus, out)
    record.unlink()
    with pytest.raises(FacetellError, match="holds other files, or an unfinished run of another version"):
        here.scan(corpus, out)


def test_a_machine_with_another_version_scores_nothing():
    with pytest.raises(FacetellError, match=r"has another facetell than the one that .* not 0\.0\.1\); install"):
        make_scorer(FAST, Settings(), {"facetell": "0.0.1"})


def test_folders_that_cannot_be_used(corpus, whole, here, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FacetellError, match="holds no video; name another folder"):
        here.scan(tmp_path / "empty", tmp_path / "out")
    counts = here.scan(corpus / "a" / "deep", tmp_path / "out2", shard=Shard(1, 1000))
    assert not counts.statuses and table(tmp_path / "out2") == [], "a part may be empty"
    handle = os.open(whole, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(FacetellError, match="another `facetell scan` is using"):
            here.scan(corpus, whole)
    finally:
        os.close(handle)

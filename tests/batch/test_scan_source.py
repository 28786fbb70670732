"""What is taken for the videos of a corpus, in which order, and in which part of it."""

import io
import os
import shutil
import sys

import cv2
import numpy as np
import pytest

from facetell.batch.scan_source import Shard, open_source
from facetell.types import FacetellError
from facetell.video.find import LeftOut
from fixtures import FAST_FILE


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def items(source, shard=None):
    return [*open_source(str(source)).items(shard or Shard(), LeftOut())]


def names(source, shard=None):
    return [item.name for item in items(source, shard)]


def test_a_folder_is_searched_in_order_and_other_files_are_counted_in_one_part(tmp_path):
    touch(*(tmp_path / name for name in ("b.mp4", "a/z.mkv", "a/B.MP4", "a-1/x.mov", "notes.txt", ".hidden.mp4")))
    for link, target in {"link.mp4": "b.mp4", "dangling.mp4": "nowhere"}.items():
        (tmp_path / link).symlink_to(target)
    for path in (*(tmp_path / "frames" / f"{number}.png" for number in range(3)), tmp_path / "cover.png"):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    found = items(tmp_path)
    expected = ["a/B.MP4", "a/z.mkv", "a-1/x.mov", "b.mp4", "dangling.mp4", "frames", "link.mp4"]
    assert [item.name for item in found] == expected
    assert all(item.path == str(tmp_path / item.name) and item.size in (1, -1) for item in found)
    assert [item.name for item in found if item.fault] == ["dangling.mp4"]
    assert found[3].stamp == found[6].stamp != found[0].stamp and found[0].suffix == ".mp4" and found[5].size == -1
    counts = [LeftOut() for _ in range(3)]
    for number, left_out in enumerate(counts, 1):
        list(open_source(str(tmp_path)).items(Shard(number, 3), left_out))
    assert sorted(map(str, counts)) == ["", "", "1 image"]
    assert names(tmp_path / "frames") == ["."], "the folder itself"


def test_a_folder_that_goes_during_the_search_is_reported(tmp_path):
    touch(tmp_path / "a" / "x.mp4", tmp_path / "b" / "y.mp4", tmp_path / "c.mp4")
    walk = open_source(str(tmp_path)).items(Shard(), LeftOut())
    assert next(walk).name == "a/x.mp4"
    (tmp_path / "b" / "y.mp4").unlink()
    (tmp_path / "b").rmdir()
    rest = [*walk]
    assert [item.name for item in rest] == ["b/", "c.mp4"] and rest[0].is_search
    assert rest[0].fault == "the folder and its content cannot be read"


def test_a_list_has_a_path_a_line_or_up_to_each_nul(tmp_path, monkeypatch):
    touch(tmp_path / "a\nb.mp4", tmp_path / "c.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines").write_text("c.mp4\n\nnowhere.mp4\r\nc.mp4\n", encoding="utf-8-sig")
    assert names("lines") == ["c.mp4", "nowhere.mp4"]
    (tmp_path / "images").mkdir()
    (tmp_path / "others").write_text("images/\nnowhere/\nhttps://example.org/watch?v=1\n")
    found = items("others")
    assert [item.name for item in found] == ["images/", "nowhere/", "https://example.org/watch?v=1"]
    assert [bool(item.fault) for item in found] == [False, True, True] and "is a network address" in found[2].fault
    (tmp_path / "nul").write_bytes(b"a\nb.mp4\0c.mp4\0caf\xe9.mp4\0")
    assert names("nul") == ["a\nb.mp4", "c.mp4", os.fsdecode(b"caf\xe9.mp4")]
    assert [bool(item.fault) for item in items("nul")] == [False, False, True]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"c.mp4\n")))
    assert names("-") == ["c.mp4"]


def test_what_is_no_text_is_no_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("image.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    (tmp_path / "wide").write_text("c.mp4\n", encoding="utf-16")
    shutil.copy(FAST_FILE, "model")
    for name in ("image.png", "wide", "model"):
        with pytest.raises(FacetellError, match=f"the text in {name} is not a list of paths"):
            names(name)
    touch(tmp_path / "odd\x1b.mp4")
    (tmp_path / "odd").write_bytes(b"odd\x1b.mp4\0")
    assert names("odd") == ["odd\x1b.mp4"], "a name may hold anything"


def test_a_part_depends_on_the_name_alone(tmp_path):
    touch(*(tmp_path / f"{number}.mp4" for number in range(60)))
    assert names(tmp_path, Shard(2, 3))[:3] == ["1.mp4", "11.mp4", "22.mp4"], "the same on every machine"
    assert all(10 <= len(names(tmp_path, Shard(number, 3))) <= 30 for number in (1, 2, 3))


def test_what_names_no_corpus_is_refused(tmp_path):
    (tmp_path / "blank").write_text("\n \n")
    (tmp_path / "manifest.csv").write_text("path,label,split\na.mp4,0,test\n")
    for name, message in (
        ("https://example.org/a.mp4", "is a network address"),
        ("n" * 300, "there is no "),
        ("manifest.csv", "score a manifest with `facetell score`"),
    ):
        with pytest.raises(FacetellError, match=message):
            open_source(name if ":" in name else str(tmp_path / name))
    with pytest.raises(FacetellError, match="names no video"):
        names(tmp_path / "blank")

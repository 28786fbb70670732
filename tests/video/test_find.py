from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from facetell.assets import locate
from facetell.types import FacetellError
from facetell.video import find
from facetell.video.find import LeftOut, find_videos
from facetell.video.kinds import kind_of
from facetell.video.reader import Unreadable
from facetell.video.source import open_video


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "b.mp4",
        "a.MOV",
        "notes.txt",
        "Thumbs.db",
        ".hidden.mp4",
        "sub/c.webm",
        "sub/deep/d.mkv",
        ".git/e.mp4",
        "x[1].mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["."], ["a.MOV", "b.mp4", "sub/c.webm", "sub/deep/d.mkv", "x[1].mp4"]),
        (["sub"], ["sub/c.webm", "sub/deep/d.mkv"]),
        (["b.mp4", "a.MOV"], ["b.mp4", "a.MOV"]),
        (["notes.txt"], ["notes.txt"]),
        ([".hidden.mp4"], [".hidden.mp4"]),
        (["missing.mp4"], ["missing.mp4"]),
        (["x[1].mp4"], ["x[1].mp4"]),
        (["*.mp4"], ["b.mp4", "x[1].mp4"]),
        (["**/*.mkv"], ["sub/deep/d.mkv"]),
        (["su?"], ["sub/c.webm", "sub/deep/d.mkv"]),
        (["[bs]*"], ["b.mp4", "sub/c.webm", "sub/deep/d.mkv"]),
        (["sub/**"], ["sub/c.webm", "sub/deep/d.mkv"]),
        (
            ["b.mp4", "./b.mp4", "sub/../b.mp4", "*.mp4", "."],
            ["b.mp4", "x[1].mp4", "a.MOV", "sub/c.webm", "sub/deep/d.mkv"],
        ),
    ],
)
def test_arguments_become_files(arguments: list[str], found: list[str], tree: Path) -> None:
    assert [path.as_posix() for path in find_videos(arguments)] == found


def test_absolute_patterns(tree: Path) -> None:
    assert find_videos([f"{tree}/*.MOV"]) == [tree / "a.MOV"]


@pytest.mark.parametrize("arguments", [["empty"], ["*.avi"], [], [""]])
def test_nothing_found_is_one_sentence(arguments: list[str], tree: Path) -> None:
    with pytest.raises(FacetellError) as caught:
        find_videos(arguments)
    assert "\n" not in str(caught.value)
    assert not arguments or arguments[-1] in str(caught.value)


def test_circles_of_links_end(tree: Path) -> None:
    (tree / "sub" / "back").symlink_to(tree)
    assert len(find_videos(["sub"])) == 2


def test_a_link_and_its_file_are_one(tree: Path) -> None:
    (tree / "link.mp4").symlink_to(tree / "b.mp4")
    assert find_videos(["b.mp4", "link.mp4"]) == [Path("b.mp4")]


def test_links_that_lead_in_a_circle_are_left_to_the_reader(tree: Path) -> None:
    (tree / "sub" / "circle.mp4").symlink_to("circle.mp4")
    assert find_videos(["b.mp4", "sub/circle.mp4"]) == [Path("b.mp4"), Path("sub/circle.mp4")]
    assert len(find_videos(["sub"])) == 3


def test_a_tilde_before_nobody_is_part_of_the_name(tree: Path) -> None:
    assert find_videos(["~nobody-is-called-so.mp4"]) == [Path("~nobody-is-called-so.mp4")]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["1.png", "2.png", "10.png"], ["frames"]),
        (
            ["frame_0001.JPG", "frame_0002.jpg", ".directory", "Thumbs.db", "desktop.ini", "._frame_0001.JPG"],
            ["frames"],
        ),
        (["1.png", "2.png", "times.csv", "__MACOSX/1.png"], ["frames"]),
        (["deep/1.png", "deep/2.png", "deeper/1.webp"], ["frames/deep", "frames/deeper"]),
        (["1.png", "2.png", "a.mp4"], ["frames/a.mp4"]),
        (["1.png", "deep/a.mp4"], ["frames/deep/a.mp4"]),
    ],
)
def test_a_folder_of_nothing_but_numbered_pictures_is_one_video(names: list[str], found: list[str], tree: Path) -> None:
    _write(tree / "frames", names)
    assert [path.as_posix() for path in find_videos(["frames"])] == found


@pytest.mark.parametrize(
    ("names", "held"),
    [
        (["1.png", "b1.png", "notes.txt"], "holds no video, but 2 images: name"),
        (["cover.png"], "holds no video, but 1 image: name"),
        (["1.txt", "2.txt"], "holds no video: name"),
        ([".1.png", "Thumbs.db"], "holds no video: name"),
    ],
)
def test_other_images_are_no_video(names: list[str], held: str, tree: Path) -> None:
    _write(tree / "frames", names)
    with pytest.raises(FacetellError, match=held):
        find_videos(["frames"])


def test_each_file_is_opened_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside images whose names differ in numbers: whether these are frames, the other files decide."""
    _write(tree / "frames", ["1.png", "2.png", "a.bin", "b.bin", "y"])
    (tree / "frames" / "y").write_bytes(locate("sample_man").read_bytes())
    opened: list[str] = []
    monkeypatch.setattr(find, "kind_of", lambda path: opened.append(path.name) or kind_of(path))
    assert find_videos(["frames"]) == [Path("frames/y")]
    assert sorted(opened) == ["1.png", "2.png", "a.bin", "b.bin", "y"]


def test_what_is_left_out_is_counted_by_kind(tree: Path) -> None:
    _write(tree, ["sub/cover.jpg", "sub/1.png"])
    (tree / "sub" / "list.m3u8").write_text("#EXTM3U\n")
    (tree / "sub" / "noise.bin").write_bytes(np.random.default_rng(0).bytes(10_000))
    left_out = LeftOut()
    assert len(find_videos(["sub"], left_out)) == 2
    _write(tree, ["other/1.png", "other/b.png"])
    assert len(find_videos(["other", "*.none", "sub"], left_out := LeftOut())) == 2, "an empty folder stops no other"
    assert left_out.faults == [
        "the folder other holds no video, but 2 images: name another, or the file itself",
        "no file matches the pattern *.none: check it",
    ]
    assert str(left_out) == "2 images, 1 playlist, 1 file of an unknown kind (noise.bin)"


def _write(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # Whatever a name says, what is no image by its content is not counted as one.
        (folder / name).write_bytes(b"\xff\xd8\xff" if name.endswith(("png", "jpg")) else b"text")


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_read_is_told_of_and_the_others_get_done(tree: Path) -> None:
    tree.chmod(0o755)
    closed = tree / "sub" / "deep"
    closed.chmod(0)
    try:
        with nobody():
            assert find_videos(["sub"]) == [Path("sub/c.webm"), Path("sub/deep")]
            assert find_videos(["sub/deep", "sub/deep/d.mkv"]) == [Path("sub/deep"), Path("sub/deep/d.mkv")]
            with pytest.raises(Unreadable, match="may not be read"):
                open_video(Path("sub/deep"))
            with pytest.raises(Unreadable, match="may not be looked at: change the permissions of its folder"):
                open_video(Path("sub/deep/d.mkv"))
    finally:
        closed.chmod(0o700)

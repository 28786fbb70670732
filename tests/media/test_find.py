from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from facetell.media import find
from facetell.media.find import find_videos
from facetell.types import FacetellError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "b.mp4",
        "a.MOV",
        "notes.txt",
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


@pytest.mark.parametrize("arguments", [["empty"], ["*.avi"], [], ["b.mp4", "nowhere/*.mp4"]])
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


def test_example_runs() -> None:
    assert doctest.testmod(find).attempted == 1 and doctest.testmod(find).failed == 0
